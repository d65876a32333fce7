"""Reading .npz archives of plain arrays."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.spec.errors import UserError

#: How a zip archive and a single .npy array begin.
_ZIP, _NPY = b"PK", b"\x93NUMPY"
#: What an archive may unpack to: so many bytes, and beyond them so many times its own size.
PLENTY, MOST_TIMES = 1 << 27, 100
#: Bytes before the elements of an array: more are no header.
_HEADER = 1 << 16


def read_archive(path: Path, fix: str) -> dict[str, npt.NDArray[Any]]:
    """All arrays of an .npz file by name.

    Parameters
    ----------
    path : Path
    fix : str
        What to do instead, for messages about a file that is damaged or of another kind.

    Raises
    ------
    UserError
        If the file cannot be read, is no archive of arrays or holds Python objects.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    try:
        # NumPy leaves the file open if the archive is damaged, so it is opened here.
        with path.open("rb") as file:
            head = file.read(len(_NPY))
            if head == _NPY:
                raise UserError(str(path), "holds a single array", _fix_for(path, fix))
            if not head.startswith(_ZIP):
                raise UserError(str(path), "is not an .npz file of plain arrays", _fix_for(path, fix))
            file.seek(0)
            _check_sizes(path, fix)
            with np.load(file, allow_pickle=False) as content:
                for name in content.files:
                    arrays[name] = content[name]
    except OSError as error:
        raise UserError(str(path), f"cannot be read ({error.strerror or error})", fix) from None
    except UserError:
        raise
    except Exception as error:  # zipfile, zlib, lzma, tokenize and NumPy each have their own for a damaged member
        pickled = isinstance(error, ValueError) and "allow_pickle" in str(error)
        reason = "it holds Python objects" if pickled else "it is damaged"
        raise UserError(str(path), f"is not an .npz file of plain arrays ({reason})", fix) from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise UserError(str(path), f"is not an .npz file of plain arrays ({name!r} is none)", fix)
    return arrays


def _check_sizes(path: Path, fix: str) -> None:
    """Before anything is unpacked: an archive of a few bytes may hold, or claim to hold, more than the memory does."""
    with zipfile.ZipFile(path) as archive:
        total = sum(member.file_size for member in archive.infolist())
        if total > max(PLENTY, MOST_TIMES * path.stat().st_size):
            raise UserError(
                str(path), f"would unpack to {total} bytes, {total // path.stat().st_size} times its size", fix
            )
        for member in archive.infolist():
            with archive.open(member) as file:
                _check_claim(path, member.filename.removesuffix(".npy"), file.read(_HEADER), member.file_size, fix)


def _check_claim(path: Path, name: str, head: bytes, size: int, fix: str) -> None:
    """Whether an array is as large as its header claims; what is no array is told by whoever reads it."""
    content = io.BytesIO(head)
    try:
        version = np.lib.format.read_magic(content)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(content)
    except Exception:  # NumPy has several for a damaged header
        return
    if dtype.hasobject:
        return
    claimed = content.tell() + math.prod(shape) * dtype.itemsize
    if claimed != size:
        raise UserError(f"{path} field {name}", f"claims {claimed} bytes and has {size}", fix)


def _fix_for(path: Path, fix: str) -> str:
    """How to turn a table of text, or a single array, into an archive."""
    if path.suffix.lower() == ".npy":
        return f"write it with numpy.savez('{path.stem}.npz', x=numpy.load('{path.name}'))"
    delimiters = {".csv": ", delimiter=','", ".txt": "", ".tsv": r", delimiter='\t'"}
    if (delimiter := delimiters.get(path.suffix.lower())) is None:
        return fix
    return f"write it with numpy.savez('{path.stem}.npz', x=numpy.loadtxt('{path.name}'{delimiter}))"
