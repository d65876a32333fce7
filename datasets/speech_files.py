"""Fetches the speech recordings: three Debian packages, unpacked into the data folder, every file checked."""

from __future__ import annotations

import csv
import functools
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lstmith.spec.errors import UserError

from .places import data_directory

TABLE = Path(__file__).with_name("speech_files.csv")
SECONDS_PER_COMMAND = 300  #: a mirror that says nothing for so long is taken to be unreachable


@dataclass(frozen=True)
class SpeechFile:
    """One recording inside a Debian package.

    Parameters
    ----------
    role : str
        ``calibration``, ``tune``, ``heldout``, ``demo`` or ``training``; no file has two roles.
    package : str
        Debian package.
    file : str
        Path inside the package.
    sha256 : str
        What the file must hash to.
    """

    role: str
    package: str
    file: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where the file is once its package is fetched."""
        return data_directory() / self.package / self.file


@functools.cache
def speech_table() -> tuple[SpeechFile, ...]:
    """All recordings the project uses, in the table's order."""
    with TABLE.open(newline="") as table:
        return tuple(SpeechFile(**row) for row in csv.DictReader(table))


def fetch(role: str) -> list[SpeechFile]:
    """Files of one role, fetched if need be and each verified.

    Parameters
    ----------
    role : str
        ``calibration``, ``tune``, ``heldout``, ``demo`` or ``training``.

    Raises
    ------
    UserError
        A package cannot be fetched, or a file is not the one the figures were measured on.
    """
    files = [entry for entry in speech_table() if entry.role == role]
    for package in sorted({entry.package for entry in files}):
        if not (data_directory() / package).is_dir():
            fetch_package(package)
    for entry in files:
        if not entry.path.is_file() or hashlib.sha256(entry.path.read_bytes()).hexdigest() != entry.sha256:
            raise UserError(
                str(entry.path),
                f"missing, or not the recording of Debian 12's {entry.package}",
                f"remove {data_directory() / entry.package} and try again on Debian 12",
            )
    return files


def fetch_package(package: str) -> None:
    """Download and unpack one Debian package into `data_directory`."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise UserError(package, f"needs {program} to be fetched", "use Debian or Ubuntu, or unpack it by hand")
    install(package, functools.partial(_unpack_debian, package))


def install(package: str, unpack: Callable[[Path], Path]) -> None:
    """Make a package's folder in `data_directory`; it appears by rename, whole or not at all.

    Parameters
    ----------
    package : str
        Name of the folder.
    unpack : callable
        Gets an empty scratch folder and returns the folder inside it that is to appear.
    """
    try:
        data_directory().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data_directory()) as scratch:
            unpacked = unpack(Path(scratch))
            target = data_directory() / package
            # Another process may have won the race; what it unpacked is the same.
            if not target.is_dir():
                unpacked.rename(target)
    except OSError as error:
        raise UserError(
            str(data_directory()), f"cannot be written ({error.strerror})", "set LSTMITH_DATA to another folder"
        ) from error


def _unpack_debian(package: str, scratch: Path) -> Path:
    _download(package, scratch)
    (archive,) = scratch.glob("*.deb")
    unpacked = scratch / "unpacked"
    run(["dpkg-deb", "-x", str(archive), str(unpacked)], scratch)
    return unpacked


def _download(package: str, folder: Path) -> None:
    """Fetch one .deb into a folder, refreshing the package lists once if they do not know it."""
    command = ["apt-get", "download", "-qq", package]
    try:
        run(command, folder)
    except subprocess.SubprocessError:
        try:
            run(["apt-get", "update", "-qq"], folder)
            run(command, folder)
        except subprocess.SubprocessError as error:
            output = getattr(error, "stderr", None) or str(error)
            raise UserError(
                package,
                f"apt-get cannot download it ({output.strip().splitlines()[-1]})",
                "check the network, run 'apt-get update' as root, then try again",
            ) from error


def run(command: list[str], folder: Path) -> None:
    """Run a program in a folder, with its output kept for the error message."""
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=SECONDS_PER_COMMAND)
