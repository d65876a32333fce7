"""Silero VAD on real speech, 64 lanes, 8-bit weights: the core equals golden frame by frame, cycle by cycle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import golden_case, policy_writes
from hw_tests.cocotb.wrapper_runs import WrapperSimulation, beat_differences, wrapper_run
from lstmith.compiler.data import Sequences
from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.program_image import build_memory_image
from lstmith.datasets.speech import demo_audio
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.host.request import RunRequest, make_request
from lstmith.host.results import EngineRun, mismatches
from lstmith.host.rtl_core import RtlCore
from lstmith.host.run import run_golden
from lstmith.scripts.bench.silero import LANES, silero_design
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Scope, Skip
from lstmith.spec.register_map import Bus
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


#: Small changes in the top plane alone, the shorter list, the monitor, and steps whose input hardly moves are skipped.
ADAPTIVE = Policy(
    Mode.AUTO,
    theta_x=1,
    theta_h=1,
    low_theta_x=4,
    low_theta_h=6,
    monitor=Monitor(Rule.RATIO, Scope.FOLD, low=24, hysteresis=8, warmup=4),
    skip=Skip(change=200, limit=2),
)


def _assert_equal(core: RtlCore, request: RunRequest) -> EngineRun:
    """The core's run, which is golden's in every number and cycle."""
    run, golden = core.run(request), run_golden(request)
    assert mismatches(run, golden) == 0, request.policies
    np.testing.assert_array_equal(run.cycles, golden.cycles)
    return run


def test_every_mode_on_verilator(tmp_path: Path) -> None:
    request = _problem(tmp_path, 100)
    core = RtlCore(request, "verilator", tmp_path / "core")
    runs = {mode: _assert_equal(core, request.with_policies([Policy(mode)])) for mode in Mode}
    delta = runs[Mode.DELTA]
    for mode, run in runs.items():
        np.testing.assert_array_equal(run.layers[0].h, delta.layers[0].h)
        # Each step of auto takes the shorter list as far as it can know.
        assert mode is Mode.AUTO or delta.cycles.sum() <= run.cycles.sum(), "delta is shorter than what ignores changes"
    adaptive = _assert_equal(core, request.with_policies([ADAPTIVE]))
    assert adaptive.cycles.sum() < delta.cycles.sum()
    # So many frames are enough for everything that this policy does to happen often.
    assert adaptive.arrays()["words_by_plane"].sum(axis=(0, 1, 2)).min() > 1000
    assert min(adaptive.layers[0].skipped.sum(), adaptive.layers[0].restart.sum()) > 10
    served = run_golden(request.with_policies([replace(ADAPTIVE, monitor=Monitor())]))
    assert (served.layers[0].low != adaptive.layers[0].low).any(), "the monitor defers something"


@pytest.mark.slow
def test_a_few_frames_on_icarus(tmp_path: Path) -> None:
    """It simulates a few hundred cycles of this core per second, so there is one run, of the policy with everything."""
    request = _problem(tmp_path, 6).with_policies([ADAPTIVE])
    _assert_equal(RtlCore(request, "icarus", tmp_path / "core"), request)


@pytest.mark.slow
def test_axi_takes_no_cycle_more(tmp_path: Path) -> None:
    """With x waiting and h taken, steps are as far apart at the wrapper's streams as the core's own cycles say.

    `test_wrappers.py` compares the cycles of small engines.
    """
    request = _problem(tmp_path, 4)
    network, config = request.design.network, request.design.engine
    model, runs = GoldenModel(network, config), []
    for mode in (Mode.DENSE, Mode.AUTO):
        policies = [Policy(mode)]
        image = build_memory_image(network, config, policies)
        case, _ = golden_case(mode.name, model, policies, CoreJob(request.x[0], policy_writes(image)))
        run = wrapper_run(case, stall=0, seed=0)
        assert run.cycles is not None
        runs.append(run)
    core = WrapperSimulation(config, Bus.AXI, "verilator", tmp_path, image)
    assert not beat_differences(runs, core.run(runs))
