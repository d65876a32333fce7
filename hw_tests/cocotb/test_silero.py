"""Silero VAD on real speech, 64 lanes, 8-bit weights: the core equals golden frame by frame, cycle by cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lstmith.compiler.data import Sequences
from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.datasets.speech import demo_audio
from lstmith.host.request import RunRequest, make_request
from lstmith.host.results import mismatches
from lstmith.host.rtl_core import RtlCore
from lstmith.host.run import run_golden
from lstmith.scripts.bench.silero import LANES, silero_design
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Scope, Skip
from lstmith.vad.silero import features

#: From the middle of the recording: speech, and pauses between sentences.
FIRST = 200


def _problem(folder: Path, frames: int) -> RunRequest:
    try:
        design, recording = silero_design(folder, lanes=LANES), demo_audio()
    except UserError as error:
        pytest.skip(f"recordings cannot be fetched: {error}")
    assert design.graph is not None
    x = features(recording.samples, HostGraph(design.graph))[None, FIRST : FIRST + frames]
    assert x.shape[1] == frames
    return make_request(design, Sequences(x, np.array([frames]), True, None, "speech"), [Policy()])


# Icarus runs this core at a few hundred cycles per second: one mode has to do.
#: Small changes in 4 bit, the shorter list, the monitor, and steps whose input hardly moves are skipped.
MIXED = Policy(
    Mode.AUTO,
    theta_h=1,
    tau_x=4,
    tau_h=4,
    restart_tau_h=3,
    refresh=8,
    monitor=Monitor(Rule.RATIO, Scope.FOLD, low=12, hysteresis=4, warmup=4, restart_above=200),
    skip=Skip(change=200, limit=2),
)


@pytest.mark.parametrize(
    ("simulator", "frames", "modes"),
    [("icarus", 6, [Mode.DELTA]), ("verilator", 300, list(Mode))],
)
def test_speech(simulator: str, frames: int, modes: list[Mode], tmp_path: Path) -> None:
    request = _problem(tmp_path, frames)
    core = RtlCore(request, simulator, tmp_path / "core")
    runs = {}
    for mode in modes:
        given = request.with_policies([Policy(mode)])
        runs[mode] = core.run(given)
        golden = run_golden(given)
        assert mismatches(runs[mode], golden) == 0, mode
        np.testing.assert_array_equal(runs[mode].cycles, golden.cycles)
    delta = runs[Mode.DELTA]
    for mode, run in runs.items():
        np.testing.assert_array_equal(run.layers[0].h, delta.layers[0].h)
        # Each step of auto takes the shorter list as far as it can know.
        assert mode is Mode.AUTO or delta.cycles.sum() <= run.cycles.sum(), "delta is shorter than what ignores changes"
    given = request.with_policies([MIXED])
    mixed, golden = core.run(given), run_golden(given)
    assert mismatches(mixed, golden) == 0
    np.testing.assert_array_equal(mixed.cycles, golden.cycles)
    assert mixed.cycles.sum() < delta.cycles.sum()
