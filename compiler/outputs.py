"""What is read and written, checked before any work: nothing of the user's is overwritten."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmith.compiler.files import Folder, check_folder, whole_file
from lstmith.compiler.marks import KEY, Kind, is_of_kind
from lstmith.spec.errors import UserError


@dataclass(frozen=True)
class Output:
    """A file or folder that a command is going to write.

    Parameters
    ----------
    path : Path or None
        None if the user did not ask for it.
    kind : Kind, Folder or None
        What is written; None for a document of the user's, of which only a block is renewed.
    beside : Path or None
        The option's path that this one was derived from, for messages.
    """

    path: Path | None
    kind: Kind | Folder | None
    beside: Path | None = None


def check_outputs(inputs: Iterable[Path | None], outputs: Iterable[Output]) -> None:
    """Refuse outputs that would destroy something, or that cannot be written.

    Refused are an output that is an input or another output (through links, relative paths, hard links, or with
    names that differ in case only), a wrong suffix, a link, what is no regular file, an existing file or folder that
    this tool did not write as the same kind, and a place that cannot be written.

    Parameters
    ----------
    inputs : iterable of Path or None
        Files and folders that the command reads.
    outputs : iterable of Output

    Raises
    ------
    UserError
        Naming the path.
    """
    read = [path for path in inputs if path is not None]
    wanted = [(output, output.path) for output in outputs if output.path is not None]
    for index, (output, path) in enumerate(wanted):
        kind = output.kind
        if isinstance(kind, Kind) and path.suffix.lower() != kind.suffix:
            fix = f"name it {path.stem or 'OUTPUT'}{kind.suffix}"
            raise UserError(str(path), f"does not end in {kind.suffix}", fix)
        if path.is_symlink():
            raise UserError(str(path), "is a symbolic link", "give the path it points to, or a new one")
        shown = str(path) if output.beside is None else f"{path} (beside {output.beside})"
        for other in read:
            if _same(path, other):
                raise UserError(shown, f"is also the input {other}", "choose another name for the output")
            if isinstance(kind, Folder) and _inside(other, path):
                raise UserError(shown, f"holds the input {other}", "choose a new folder for the output")
        for _, other in wanted[:index]:
            if _same(path, other):
                raise UserError(shown, f"is the same file as the output {other}", "give each output its own name")
            if _inside(path, other) or _inside(other, path):
                raise UserError(shown, f"and the output {other} lie in one another", "give them separate places")
        if isinstance(kind, Folder):
            check_folder(path, kind)
        else:
            _check_file(path, kind, shown)


def save_json(path: Path, values: Mapping[str, Any], kind: Kind) -> None:
    """Write a JSON file with its mark; it appears whole."""
    with whole_file(path) as draft:
        draft.write_text(json.dumps({**values, KEY: kind.mark}, indent=2) + "\n")


def _same(one: Path, other: Path) -> bool:
    """Whether two paths are one file, or would be on a file system that ignores case."""
    try:
        if one.samefile(other):
            return True
    except OSError:
        pass  # One of them is not there yet, so their names decide.
    return _folded(one) == _folded(other)


def _folded(path: Path) -> tuple[str, str]:
    whole = Path(os.path.realpath(path))
    return str(whole.parent), unicodedata.normalize("NFC", whole.name).casefold()


def _inside(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def _check_file(path: Path, kind: Kind | None, shown: str) -> None:
    if path.is_dir():
        raise UserError(shown, "is a directory", "give a file name")
    if path.exists():
        if not path.is_file():
            raise UserError(shown, "is no regular file", "give the name of a file")
        try:
            ours = kind is None or is_of_kind(path, kind)
        except OSError as error:
            raise UserError(shown, f"exists and cannot be read ({error.strerror})", "choose a new name") from None
        if not ours:
            assert kind is not None
            raise UserError(
                shown, f"exists and was not written by '{kind.mark}'", "choose a new name, or remove the file"
            )
    trial = path.with_name(f".{path.name}.trial-{os.getpid()}")
    try:
        trial.touch()
        trial.unlink()
    except OSError as error:
        raise UserError(str(path), f"cannot be written ({error.strerror})", "choose a writable path") from None
