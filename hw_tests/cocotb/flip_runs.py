"""A core on Icarus whose bits are turned over; what the bench inside the simulator says of each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cocotb_tools.runner import get_runner

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
    runner = get_runner("icarus")
    runner.build(
        sources=[folder / "core.v"],
        hdl_toplevel=NAME,
        build_args=["-g2005"],
        build_dir=folder / "build",
        timescale=("1ns", "1ps"),
        always=True,
        log_file=folder / "build.log",
    )
    with pytest.MonkeyPatch.context() as patch:
        # The runner hands sys.path on to the simulator, which imports the bench by name.
        patch.syspath_prepend(str(Path(__file__).parent))
        runner.test(
            test_module="flip_bench",
            hdl_toplevel=NAME,
            build_dir=folder / "build",
            test_dir=folder,
            extra_env={"LSTMITH_FLIPS": str(folder), "COCOTB_LOG_LEVEL": "WARNING"},
            log_file=folder / "test.log",
        )
    answer = folder / "flips.json"
    found: list[dict[str, Any]] = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else []
    if len(found) != flips:
        raise SimulationError(f"{len(found)} of {flips} flips were made, see {folder / 'test.log'}")
    return found
