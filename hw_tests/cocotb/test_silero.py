"""Silero VAD on real speech, 64 lanes, 8-bit weights: the core equals golden frame by frame, cycle by cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lstmith.compiler.data import Sequences
from lstmith.compiler.host_graph import HostGraph
from lstmith.golden.errors import UserError
from lstmith.golden.policy import Mode, Policy
from lstmith.host.problem import Problem, make_problem
from lstmith.host.results import mismatches
from lstmith.host.rtl_core import RtlCore
from lstmith.host.run import run_golden
from lstmith.scripts.silero import features
from lstmith.scripts.silero_bench import LANES, silero_design
from lstmith.scripts.speech import demo_audio

#: From the middle of the recording: speech, and pauses between sentences.
FIRST = 200


def _problem(folder: Path, frames: int) -> Problem:
    try:
        design, recording = silero_design(folder, lanes=LANES), demo_audio()
    except UserError as error:
        pytest.skip(f"recordings cannot be fetched: {error}")
    assert design.graph is not None
    x = features(recording.samples, HostGraph(design.graph))[None, FIRST : FIRST + frames]
    assert x.shape[1] == frames
    return make_problem(design, Sequences(x, np.array([frames]), True, None, "speech"), [Policy()])


# Icarus runs this core at a few hundred cycles per second: one mode has to do.
@pytest.mark.parametrize(
    ("simulator", "frames", "modes"),
    [("icarus", 50, [Mode.DELTA]), ("verilator", 300, list(Mode))],
)
def test_speech(simulator: str, frames: int, modes: list[Mode], tmp_path: Path) -> None:
    problem = _problem(tmp_path, frames)
    core = RtlCore(problem, simulator, tmp_path / "core")
    runs = {}
    for mode in modes:
        given = problem.with_policies([Policy(mode)])
        runs[mode] = core.run(given)
        golden = run_golden(given)
        assert mismatches(runs[mode], golden) == 0, mode
        np.testing.assert_array_equal(runs[mode].cycles, golden.cycles)
    delta = runs[Mode.DELTA]
    for run in runs.values():
        np.testing.assert_array_equal(run.layers[0].h, delta.layers[0].h)
        assert delta.cycles.sum() <= run.cycles.sum(), "delta is the shortest way"
