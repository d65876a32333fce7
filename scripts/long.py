"""``python -m lstmith.scripts.long`` (``make long``): a million steps of Silero VAD; docs/verification/long.md."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstmith.cli.campaigns import campaign
from lstmith.cli.console import say
from lstmith.datasets.speech import heldout_audio
from lstmith.host.verification import Compared, verify_design
from lstmith.scripts.bench.silero import LANES, save_features, silero_design
from lstmith.scripts.bench.stamps import stamp
from lstmith.scripts.measuring import ROOT, ended, options, publish
from lstmith.spec.errors import UserError

#: Results of what was compared already.
STORE = ROOT / "build" / "long.sqlite"
_HEAD = """# A long run

`make long` compares Silero VAD's core in Verilator with the golden model on speech that nothing was calibrated on, in
delta mode, as `lstmith verify` does: every value that leaves the core, and the cycles of every step. States are carried
from piece to piece, and the speech starts over at its end. A run that was stopped goes on. A million steps are to take
half an hour at most with two workers on two cores.

"""


class DifferenceError(Exception):
    """The core is not what golden says."""


def _options() -> argparse.Namespace:
    parser = options("long", __doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="Processes that work at a time.")
    parser.add_argument("--store", type=Path, default=STORE, help="File of results.")
    return parser.parse_args()


def run(steps: int, workers: int, store: Path) -> Compared:
    """Compare so many steps of the core of ``LANES`` lanes."""
    store.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        design, data = silero_design(folder), folder / "heldout.npz"
        save_features(data, heldout_audio())
        with campaign("comparing", steps, workers=workers, scheduler=None, store=store) as running:
            return verify_design(
                design, steps, data, store=running.store, cluster=running.cluster, progress=running.report
            )


def page(figures: Mapping[str, Any]) -> str:
    """The page."""
    columns = ["steps", "mismatches", "wrong_cycles"]
    took = f" It took {figures['minutes']} minutes." if figures["minutes"] is not None else ""
    return (
        f"{_HEAD}Measured {figures['measured']} with `{figures['command']}`, {LANES} lanes.{took}\n\n"
        "| steps compared | values that differ | steps whose cycles differ |\n|---|---|---|\n"
        f"| {' | '.join(format(figures[column], ',') for column in columns)} |\n"
    )


def main() -> None:
    """Runs, and writes the page."""
    given, when = _options(), stamp()
    for name in ("steps", "workers"):
        if getattr(given, name) < 1:
            raise UserError(f"--{name}", f"is {getattr(given, name)}", "give a positive number")
    # A run that goes on knows only how long its last part took.
    whole, begun = not given.store.exists(), time.monotonic()
    found = run(given.steps, given.workers, given.store)
    minutes = round((time.monotonic() - begun) / 60, 1)
    figures = {
        "measured": when,
        "command": f"python -m lstmith.scripts.long --steps {given.steps} --workers {given.workers}",
        "minutes": minutes if whole else None,
        "steps": found.steps,
        "mismatches": found.mismatches,
        "wrong_cycles": found.wrong_cycles,
    }
    publish(given.documents, "long", figures, page(figures))
    told = f"{found.mismatches} values differ in {found.steps} steps, and cycles of {found.wrong_cycles}"
    if not found.equal:
        raise DifferenceError(told)
    say(told)


if __name__ == "__main__":
    ended(main, DifferenceError)
