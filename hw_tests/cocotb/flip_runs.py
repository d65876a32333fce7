"""A core on Icarus whose bits are turned over; what the bench inside the simulator says of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hw_tests.cocotb.bench_runs import run_bench
from lstmith.host.jobs import CoreJob
from lstmith.host.simulate import SimulationError
from lstmith.rtl.top import NAME


def simulate(
    text: str, targets: list[dict[str, Any]], job: CoreJob, again: CoreJob, flips: int, seed: int, folder: Path
) -> list[dict[str, Any]]:
    """Flips in a core.

    Parameters
    ----------
    text : str
        Its Verilog.
    targets : list of dict
        Places with bits: ``path``, ``width``, ``depth``.
    job : CoreJob
        Loads a network, and runs a sequence.
    again : CoreJob
        The same after a reset, which leaves the memories as they are.
    flips, seed : int
    folder : Path
        For the build.

    Raises
    ------
    SimulationError
        If the simulator fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "core.v").write_text(text, encoding="utf-8")
    (folder / "plan.json").write_text(json.dumps({"targets": targets, "flips": flips, "seed": seed}), encoding="utf-8")
    job.save(folder / "job.npz")
    again.save(folder / "again.npz")
    run_bench("flip_bench", "LSTMITH_FLIPS", [folder / "core.v"], NAME, "icarus", folder)
    answer = folder / "flips.json"
    found: list[dict[str, Any]] = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else []
    if len(found) != flips:
        raise SimulationError(f"{len(found)} of {flips} flips were made, see {folder / 'test.log'}")
    return found
