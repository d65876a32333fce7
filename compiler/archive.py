"""Reading .npz archives of plain arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.spec.errors import UserError

#: How a zip archive and a single .npy array begin.
_ZIP, _NPY = b"PK", b"\x93NUMPY"


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


def _fix_for(path: Path, fix: str) -> str:
    """How to turn a table of text, or a single array, into an archive."""
    if path.suffix.lower() == ".npy":
        return f"write it with numpy.savez('{path.stem}.npz', x=numpy.load('{path.name}'))"
    delimiters = {".csv": ", delimiter=','", ".txt": "", ".tsv": r", delimiter='\t'"}
    if (delimiter := delimiters.get(path.suffix.lower())) is None:
        return fix
    return f"write it with numpy.savez('{path.stem}.npz', x=numpy.loadtxt('{path.name}'{delimiter}))"
