"""What was synthesised, or placed and routed, once is not done again: kept by what it depends on."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lstmith.flow.toolset import chosen_tools

#: Environment variable with the folder of what is kept, or ``off``.
VARIABLE, OFF = "LSTMITH_CACHE", "off"
#: Results that are kept; those used longest ago go first. One of a large engine has 30 MB.
KEPT = 32


@dataclass(frozen=True)
class Step:
    """A tool's run in a folder, whose results may be there from an earlier one.

    Attributes
    ----------
    folder : Path
        Where the tool works.
    inputs : sequence of str
        Files there that it reads.
    basis : sequence of object
        What else the outputs depend on, as JSON can hold it: arguments and versions.
    outputs : sequence of str
        Files that it writes there, or in a folder there; all of them are there if it succeeds.
    """

    folder: Path
    inputs: Sequence[str]
    basis: Sequence[object]
    outputs: Sequence[str]

    def done(self, run: Callable[[], object]) -> bool:
        """Have the outputs: from an earlier run with the same inputs, or by running the tool now.

        Parameters
        ----------
        run : callable
            Runs it; what it raises is passed on, and nothing is kept.

        Returns
        -------
        bool
            Whether an earlier run's files were used.
        """
        if self.taken():
            return True
        run()
        self.keep()
        return False

    def taken(self) -> bool:
        """Copy an earlier run's outputs into the folder; whether there were any."""
        kept = self._kept()
        if kept is None or not all((kept / Path(name).name).exists() for name in self.outputs):
            return False
        for name in self.outputs:
            (self.folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(kept / Path(name).name, self.folder / name)
        os.utime(kept)
        return True

    def keep(self) -> None:
        """Keep the outputs that are in the folder."""
        kept = self._kept()
        if kept is None:
            return
        try:
            _keep(kept, self.folder, self.outputs)
        except OSError:
            # A full disk is no reason to lose the result that is there.
            shutil.rmtree(kept, ignore_errors=True)

    def _kept(self) -> Path | None:
        """The folder of its results, there or not; None if nothing is kept."""
        place = kept_folder()
        if place is None:
            return None
        digest = hashlib.sha256(json.dumps([chosen_tools(), *self.basis]).encode())
        for name in self.inputs:
            digest.update(hashlib.sha256((self.folder / name).read_bytes()).digest())
        return place / digest.hexdigest()[:32]


def kept_step(
    folder: Path, inputs: Sequence[str], basis: Sequence[object], outputs: Sequence[str], run: Callable[[], object]
) -> bool:
    """Have a tool's outputs; see :meth:`Step.done`."""
    return Step(folder, inputs, basis, outputs).done(run)


def kept_folder() -> Path | None:
    """Where results are kept, as the environment variable says, or in the user's cache; None if nowhere."""
    import platformdirs  # most commands keep nothing

    named = os.environ.get(VARIABLE)
    if named == OFF:
        return None
    place = Path(named) if named else platformdirs.user_cache_path("lstmith", appauthor=False) / "builds"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return place if os.access(place, os.W_OK | os.X_OK) else None


def _keep(kept: Path, folder: Path, outputs: Sequence[str]) -> None:
    draft = kept.with_name(f"{kept.name}.{os.getpid()}")
    draft.mkdir(exist_ok=True)
    for name in outputs:
        shutil.copy(folder / name, draft)  # programs stay executable
    shutil.rmtree(kept, ignore_errors=True)
    draft.replace(kept)
    folders = (path for path in kept.parent.iterdir() if path.is_dir())
    oldest_last = sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True)
    for old in oldest_last[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
