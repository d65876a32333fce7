"""``lstmith program``: what is written where, and what is said when it cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lstmith.cli.main import execute
from lstmith.flow import programmer as program

NO_LIBRARY = "openFPGALoader: error while loading shared libraries: libftdi1.so.2: cannot open shared object file"
NO_BOARD = "empty\nunable to open ftdi device: -3 (device not found)\nJTAG init failed with: unable to open ftdi device"
NO_PERMISSION = "unable to open ftdi device: -4 (usb_open() failed)\nJTAG init failed with: unable to open ftdi device"


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A build for the iCEBreaker, as far as programming it is concerned."""
    (tmp_path / "lstmith.bit").write_bytes(b"bits")
    (tmp_path / "weights.bin").write_bytes(b"weights")
    values = {
        "board": "icebreaker",
        "bitstream": "elsewhere/lstmith.bit",
        "weights": "elsewhere/weights.bin",
        "weights_offset": 1 << 20,
    }
    (tmp_path / "build.json").write_text(json.dumps(values))
    return tmp_path


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for openFPGALoader that notes its arguments and says what the file ``says`` holds."""
    tool = tmp_path / "loader"
    tool.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n[ -f {tmp_path}/says ] || exit 0\ncat {tmp_path}/says >&2\nexit 1\n'
    )
    tool.chmod(0o755)
    monkeypatch.setattr(program, "find_tool", lambda name, extra: tool)
    return tmp_path


def test_weights_go_to_their_place(build: Path, loader: Path) -> None:
    assert execute(["program", str(build), "--board", "icebreaker"]) == 0
    assert (loader / "calls").read_text().splitlines() == [
        f"-b ice40_generic -f -o 1048576 {build}/weights.bin",
        f"-b ice40_generic -f {build}/lstmith.bit",
    ]


@pytest.mark.parametrize(("more", "option"), [([], "-m"), (["--flash"], "-f")])
def test_a_bitstream_alone(more: list[str], option: str, build: Path, loader: Path) -> None:
    (build / "build.json").write_text(json.dumps({"board": "ulx3s-85f", "bitstream": "lstmith.bit"}))
    assert execute(["program", str(build), "--board", "ulx3s-85f", *more]) == 0
    assert (loader / "calls").read_text().splitlines() == [f"-b ulx3s {option} {build}/lstmith.bit"]


@pytest.mark.parametrize(("more", "cable"), [([], "ft232"), (["--cable", "dirtyJtag"], "dirtyJtag")])
def test_a_board_without_a_cable_of_its_own(more: list[str], cable: str, build: Path, loader: Path) -> None:
    (build / "build.json").write_text(json.dumps({"board": "colorlight-5a75b"}))
    assert execute(["program", str(build), "--board", "colorlight-5a75b", *more]) == 0
    assert (loader / "calls").read_text().splitlines() == [f"-b colorlight -c {cable} -m {build}/lstmith.bit"]


def test_an_unknown_cable(build: Path, loader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (loader / "says").write_text("write to ram\nerror : foo not found\n")
    assert execute(["program", str(build), "--board", "icebreaker", "--cable", "foo"]) == 2
    assert capsys.readouterr().err.startswith("lstmith: option --cable: 'foo' is unknown; run 'openfpgaloader-cli ")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (NO_LIBRARY, "openFPGALoader: needs libftdi1.so.2; run 'sudo apt-get install libftdi1-2'"),
        (NO_BOARD, "icebreaker: is not there; plug it in"),
        (NO_PERMISSION, "icebreaker: may not be opened; run: echo 'SUBSYSTEM"),
        ("write failed at 3", "icebreaker: did not take the weights (write failed at 3); try again"),
    ],
)
def test_what_goes_wrong_is_told(
    said: str, problem: str, build: Path, loader: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (loader / "says").write_text(said)
    assert execute(["program", str(build), "--board", "icebreaker"]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"lstmith: {problem}")
    assert message.count("\n") == 1


def test_builds_for_other_boards(build: Path, loader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["program", str(build), "--board", "ulx3s-85f"]) == 2
    assert "build.json field board: is 'icebreaker', not 'ulx3s-85f'; build for ulx3s-85f" in capsys.readouterr().err
    assert not (loader / "calls").exists()


@pytest.mark.parametrize("damage", ["none", "text", "list", "bitstream"])
def test_what_is_no_build(damage: str, build: Path, loader: Path, capsys: pytest.CaptureFixture[str]) -> None:
    marker = build / "build.json"
    if damage == "none":
        marker.unlink()
    elif damage == "bitstream":
        (build / "lstmith.bit").unlink()
    else:
        marker.write_text("{" if damage == "text" else "[]")
    assert execute(["program", str(build), "--board", "icebreaker"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (loader / "calls").exists()
