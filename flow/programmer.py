"""Writes a build to a board through openFPGALoader."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lstmith.boards.board import Board
from lstmith.compiler.files import read_json
from lstmith.flow.families import bitstream_name
from lstmith.flow.tools import find_tool
from lstmith.spec.errors import UserError

BUILD = "build.json"
UDEV_RULE = 'ATTRS{idVendor}=="0403|1209|0547|359f", MODE="0660", GROUP="plugdev", TAG+="uaccess"'
UDEV_FIX = (
    f"run: echo 'SUBSYSTEM==\"usb\", {UDEV_RULE}' | sudo tee /etc/udev/rules.d/60-lstmith.rules; "
    "sudo udevadm control --reload; then plug the board in again"
)
#: Debian's packages of the libraries that the program is linked with.
_PACKAGES = {
    "libusb-1.0": "libusb-1.0-0",
    "libftdi1": "libftdi1-2",
    "libudev": "libudev1",
    "libhidapi": "libhidapi-hidraw0",
}
_ABSENT = ("device not found", "no device", "JTAG init failed", "not found", "empty")
_FORBIDDEN = ("usb_open() failed", "libusb_open", "LIBUSB_ERROR_ACCESS", "ermission", "-4 (")


@dataclass(frozen=True)
class Write:
    """One call of openFPGALoader.

    Parameters
    ----------
    what : str
        For messages.
    file : Path
    options : tuple of str
    """

    what: str
    file: Path
    options: tuple[str, ...]


def plan(out: Path, board: Board, *, flash: bool = False) -> list[Write]:
    """What to write where.

    Parameters
    ----------
    out : Path
        Directory that ``lstmith build`` wrote.
    board : Board
    flash : bool
        Whether the bitstream is to survive power-off; on iCE40 it always does.

    Raises
    ------
    UserError
        If the directory is no build, or one for another board.
    """
    build = read_json(out / BUILD, "give a directory that 'build' wrote")
    if build.get("board") != board.name:
        raise UserError(
            f"{out / BUILD} field board",
            f"is {build.get('board')!r}, not {board.name!r}",
            f"build for {board.name}, or give --board {build.get('board')}",
        )
    bitstream = out / Path(str(build.get("bitstream", bitstream_name(board)))).name
    persistent = flash or board.family == "ice40"
    writes = []
    # The weights first: writing the bitstream to the flash ends with a reset that already needs them.
    if "weights" in build:
        weights = out / Path(str(build["weights"])).name
        writes.append(Write("weights", weights, ("-f", "-o", str(build["weights_offset"]))))
    writes.append(Write("bitstream", bitstream, ("-f",) if persistent else ("-m",)))
    for write in writes:
        if not write.file.is_file():
            raise UserError(str(write.file), "is missing", "build again")
    return writes


def program(writes: Sequence[Write], board: Board, cable: str = "") -> None:
    """Write all of it.

    Parameters
    ----------
    writes : sequence of Write
    board : Board
    cable : str
        openFPGALoader's name of the cable, in place of the board's own.

    Raises
    ------
    UserError
        If openFPGALoader is not installed or lacks a library, there is no board, or no permission.
    """
    cable = cable or board.cable
    command = [str(find_tool("openfpgaloader-cli", "board")), "-b", board.loader, *(["-c", cable] if cable else [])]
    for write in writes:
        arguments = [*command, *write.options, str(write.file)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        # Its exit code is 0 after some failures.
        if done.returncode or "failed" in said.lower():
            raise refusal(said, board, write, cable)


def refusal(said: str, board: Board, write: Write, cable: str = "") -> UserError:
    """What openFPGALoader complains about, with the remedy."""
    if cable and f"{cable} not found" in said:
        return UserError("option --cable", f"{cable!r} is unknown", "run 'openfpgaloader-cli --list-cables'")
    if "error while loading shared libraries" in said:
        library = said.partition("shared libraries:")[2].partition(":")[0].strip()
        package = next((package for name, package in _PACKAGES.items() if library.startswith(name)), library)
        return UserError("openFPGALoader", f"needs {library}", f"run 'sudo apt-get install {package}'")
    if any(sign in said for sign in _FORBIDDEN):
        return UserError(board.name, "may not be opened", UDEV_FIX)
    if any(sign in said for sign in _ABSENT):
        return UserError(board.name, "is not there", "plug it in, and check the cable: some carry power only")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return UserError(board.name, f"did not take the {write.what} ({(lines or ['no message'])[-1]})", "try again")
