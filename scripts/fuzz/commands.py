"""Mutated files, each met by a command of its own."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from lstmith.scripts.fuzz.attempts import Attempt, attempt
from lstmith.scripts.fuzz.files import KINDS, Kind, originals
from lstmith.scripts.fuzz.mutants import place, protected, right


class Files:
    """Files of every kind.

    Parameters
    ----------
    work : Path
        For the files without a fault.
    seed : int

    Raises
    ------
    RuntimeError
        If a file without a fault is not accepted.
    """

    def __init__(self, work: Path, seed: int):
        self._seed = seed
        (work / "originals").mkdir()
        self._contents = originals(work / "originals", np.random.default_rng(seed))
        for kind in KINDS:
            with tempfile.TemporaryDirectory(dir=work) as name:
                found = self._tried(replace(kind, mutations=()), np.random.default_rng(seed), Path(name))
            if found.verdict != "accepted":
                raise RuntimeError(f"{kind.name} without a fault is {found.verdict}: {found.told}")

    def attempt(self, number: int, folder: Path) -> tuple[str, Attempt]:
        """The kind of the mutant of a number, all kinds in turn, and what became of the command in a folder."""
        kind = KINDS[number % len(KINDS)]
        found = self._tried(kind, np.random.default_rng([self._seed, number]), folder)
        if found.verdict == "accepted" and protected(kind, self._contents, folder):
            found = replace(found, verdict="wrong")
        return kind.name, found

    def _tried(self, kind: Kind, rng: np.random.Generator, folder: Path) -> Attempt:
        place(kind, self._contents, rng, folder)
        return attempt(list(kind.arguments), folder, kind.output, right)
