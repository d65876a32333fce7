"""What a run gives, whatever engine it was on: ``Y.npz`` and ``R.json``, in memory and as files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.files import whole_file
from lstmith.compiler.marks import RUN_FIGURES, RUN_RESULTS, mark_archive
from lstmith.compiler.outputs import Output, check_outputs, save_json

#: What Y.npz holds after its leading shape [T] or [N, T]: dtype.
RESULTS = {
    "h": np.float32,
    "h_int": np.int16,
    "c_int": np.int32,
    "precision": np.int8,
    "skipped": np.bool_,
    "active": np.int32,
    "columns": np.int32,
    "restart": np.bool_,
    "columns_by_precision": np.int32,
    "words_by_plane": np.int32,
    "cycles": np.int64,
}
#: And what it holds of a program with a verdict.
VERDICTS = {"verdict": np.int32}


@dataclass(frozen=True)
class RunResult:
    """Results of a run.

    Parameters
    ----------
    arrays : dict of str to array
        By the names of Y.npz, each [T, ...], or [N, T, ...] for several sequences: ``h`` float32 [.., H] and ``h_int``
        int16 [.., H] (units of ``h_lsb``) of the last layer, ``c_int`` int32 [.., H], per layer [.., L] ``precision``,
        ``skipped``, ``active``, ``columns``, ``restart``, ``columns_by_precision`` [.., L, 3], ``words_by_plane``
        [.., L, 2], and ``cycles`` int64 [..].
    figures : dict
        What R.json holds: cycles, errors against float, mismatches against golden, remarks.
    verified : str
        What a board computed right before the run; empty for other engines.
    """

    arrays: dict[str, npt.NDArray[Any]]
    figures: dict[str, Any]
    verified: str = ""

    @classmethod
    def of(
        cls, results: Mapping[str, npt.NDArray[Any]], figures: dict[str, Any], *, single: bool, verified: str = ""
    ) -> RunResult:
        """Results with the types and the shape that users are given.

        Parameters
        ----------
        results : mapping of the names in ``RESULTS`` to arrays [N, T, ...]
        figures : dict
        single : bool
            Whether to drop N, which is then 1.
        verified : str

        Raises
        ------
        ValueError
            If a result is missing or leading shapes differ.
        """
        if missing := RESULTS.keys() - results.keys():
            raise ValueError(f"Results lack {', '.join(sorted(missing))}")
        leading = {array.shape[:2] for array in results.values()}
        if len(leading) != 1:
            raise ValueError(f"Results must share their leading shape, not {sorted(leading)}")
        arrays = {
            name: (array[0] if single else array).astype({**RESULTS, **VERDICTS}.get(name, array.dtype))
            for name, array in results.items()
        }
        return cls(arrays, figures, verified)

    @property
    def h(self) -> npt.NDArray[np.float32]:
        """h of the last layer, float32 [T, H] or [N, T, H]; zero after a sequence's end."""
        return self.arrays["h"]

    @property
    def cycles(self) -> npt.NDArray[np.int64]:
        """Clock cycles of every step, int64 [T] or [N, T]; zero for the engine float."""
        return self.arrays["cycles"]

    @property
    def remarks(self) -> list[str]:
        """What a user should know about these numbers."""
        return list(self.figures["remarks"])

    def save(self, path: str | Path, json: str | Path | None = None) -> None:
        """Write Y.npz and, if asked for, R.json; each appears whole.

        Raises
        ------
        UserError
            If a path cannot be written, or holds a file that this tool did not write.
        """
        arrays, figures = Path(path), None if json is None else Path(json)
        check_outputs([], [Output(arrays, RUN_RESULTS), Output(figures, RUN_FIGURES)])
        content: dict[str, Any] = self.arrays
        with whole_file(arrays) as draft:
            with draft.open("wb") as file:
                np.savez_compressed(file, **content)
            mark_archive(draft, RUN_RESULTS)
        if figures is not None:
            save_json(figures, self.figures, RUN_FIGURES)
