"""Outputs that appear whole or not at all, and JSON objects read back."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lstmith.spec.errors import UserError


def _refused(path: Path, error: OSError) -> UserError:
    return UserError(str(path), f"cannot be written ({error.strerror})", "choose a writable path")


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{kind}-{os.getpid()}-{secrets.token_hex(4)}")


def sync(path: Path) -> None:
    """Wait until a file or directory is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``; what is written there takes its place on success.

    Raises
    ------
    UserError
        If the place cannot be written.
    """
    draft = _beside(path, "draft")
    try:
        yield draft
        sync(draft)
        draft.replace(path)
        sync(path.parent)
    except OSError as error:
        raise _refused(path, error) from None
    finally:
        draft.unlink(missing_ok=True)


@dataclass(frozen=True)
class Folder:
    """A kind of output folder.

    Parameters
    ----------
    writer : str
        The command that writes it.
    marker : str
        Name of the file without which a folder is not of this kind; a JSON object.
    keys : tuple of str
        Keys that the marker holds.
    names : tuple of str
        Patterns of everything that may be in such a folder, relative to it.
    """

    writer: str
    marker: str
    keys: tuple[str, ...]
    names: tuple[str, ...]

    def foreign(self, path: Path) -> str | None:
        """The first entry of a folder, at any depth, that is none of this kind's files."""
        for entry in sorted(path.rglob("*")):
            name = entry.relative_to(path).as_posix()
            if entry.is_symlink() or not (entry.is_dir() or any(fnmatchcase(name, known) for known in self.names)):
                return name
        return None


def check_folder(path: Path, kind: Folder) -> None:
    """Refuse a place for an output folder that holds anything but an earlier output of the same kind.

    Raises
    ------
    UserError
        If the path is a link, a file, or a folder with other files, or cannot be written.
    """
    if path.is_symlink():
        raise UserError(str(path), "is a symbolic link", "give the path it points to, or a new one")
    try:
        if not path.exists():
            _check_parents(path)
            return
        if path.is_dir() and not any(path.iterdir()):
            return
        problem = _not_replaceable(path, kind)
    except OSError as error:
        raise _refused(path, error) from None
    if problem:
        raise UserError(str(path), problem, "choose a new path or an earlier output")


def _check_parents(path: Path) -> None:
    """Raise OSError if the folder cannot be made."""
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _not_replaceable(path: Path, kind: Folder) -> str | None:
    marker = path / kind.marker
    if not marker.is_file():
        return f"exists and holds no {kind.marker}"
    try:
        content = json.loads(marker.read_text())
    except (ValueError, RecursionError):
        content = None
    if not (isinstance(content, dict) and content.keys() >= set(kind.keys)):
        return f"holds a {kind.marker} that '{kind.writer}' did not write"
    foreign = kind.foreign(path)
    return None if foreign is None else f"holds {foreign}, which '{kind.writer}' did not write"


@contextmanager
def whole_directory(path: Path, kind: Folder) -> Iterator[Path]:
    """A temporary directory beside ``path``; on success it takes its place.

    An existing directory is replaced only if it is empty or holds nothing but an earlier output of the same kind, so
    that neither a mistyped path nor a file that the user put beside ours is lost.

    Raises
    ------
    UserError
        If the place is taken by something else or cannot be written.
    """
    check_folder(path, kind)
    path = path.absolute()
    draft, old = _beside(path, "draft"), _beside(path, "old")
    try:
        draft.mkdir(parents=True)
        yield draft
        if foreign := kind.foreign(draft):
            raise ValueError(f"{foreign} is not among the names of a folder of '{kind.writer}'")
        for file in (entry for entry in draft.rglob("*") if entry.is_file()):
            sync(file)
        sync(draft)
        # Again, since the work in between may have taken hours.
        check_folder(path, kind)
        if path.exists():
            path.rename(old)
        try:
            draft.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        sync(path.parent)
    except OSError as error:
        raise _refused(path, error) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def read_json(path: Path, fix: str) -> dict[str, Any]:
    """Read a JSON object.

    Parameters
    ----------
    path : Path
    fix : str
        What the user should give instead of a wrong file.

    Raises
    ------
    UserError
        If the file cannot be read or holds something else.
    """
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise UserError(str(path), f"cannot be read ({error.strerror})", fix) from None
    except (ValueError, RecursionError) as error:
        raise UserError(str(path), f"cannot be read as JSON ({error})", fix) from None
    if not isinstance(content, dict):
        raise UserError(str(path), f"holds a {type(content).__name__}", fix)
    return content
