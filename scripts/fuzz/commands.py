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
        Where each command gets a folder of its own.
    seed : int

    Raises
    ------
    RuntimeError
        If a file without a fault is not accepted.
    """

    def __init__(self, work: Path, seed: int):
        self._work, self._seed = work, seed
        (work / "originals").mkdir()
        self._contents = originals(work / "originals", np.random.default_rng(seed))
        for kind in KINDS:
            found = self._tried(replace(kind, mutations=()), np.random.default_rng(seed))
            if found.verdict != "accepted":
                raise RuntimeError(f"{kind.name} without a fault is {found.verdict}: {found.told}")

    def attempt(self, number: int) -> tuple[str, Attempt]:
        """The kind of the mutant of a number, all kinds in turn, and what became of the command."""
        kind = KINDS[number % len(KINDS)]
        return kind.name, self._tried(kind, np.random.default_rng([self._seed, number]))

    def _tried(self, kind: Kind, rng: np.random.Generator) -> Attempt:
        with tempfile.TemporaryDirectory(dir=self._work) as name:
            folder = Path(name)
            place(kind, self._contents, rng, folder)
            found = attempt(list(kind.arguments), folder, kind.output, right)
            if kind.mutations and found.verdict == "accepted" and protected(kind, self._contents, folder):
                return replace(found, verdict="wrong")
            return found
