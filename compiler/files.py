"""Outputs that appear whole or not at all, and JSON objects read back."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def whole_directory(path: Path, marker: str) -> Iterator[Path]:
    """A temporary directory beside ``path``; on success it takes its place.

    An existing directory is replaced only if it is empty or holds the file ``marker``, so that a
    mistyped path cannot delete other files.

    Raises
    ------
    UserError
        If the place is taken by something else or cannot be written.
    """
    path = path.absolute()
    if path.exists() and not (path.is_dir() and ((path / marker).is_file() or not any(path.iterdir()))):
        raise UserError(str(path), f"exists and holds no {marker}", "choose a new path or an earlier output")
    draft, old = _beside(path, "draft"), _beside(path, "old")
    try:
        draft.mkdir(parents=True)
        yield draft
        for file in (entry for entry in draft.rglob("*") if entry.is_file()):
            sync(file)
        sync(draft)
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
    except (OSError, ValueError) as error:
        raise UserError(str(path), f"cannot be read as JSON ({error})", fix) from None
    if not isinstance(content, dict):
        raise UserError(str(path), f"holds a {type(content).__name__}", fix)
    return content
