"""From a core's streams to results: a core that is golden itself gives golden's results, whatever the policy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_tests.cocotb.core_cases import Case, counter_differences, differences, golden_case
from hw_tests.cocotb.random_networks import random_active_indices, random_engine, random_hints, random_input
from hw_tests.cocotb.random_policies import random_policies
from lstmith.golden.activity import LayerTrace
from lstmith.golden.model import GoldenModel
from lstmith.golden.pass_words import pass_words
from lstmith.host.activity import Activity, count_activity, lanes_in_use, step_words
from lstmith.host.core_traces import of_sequence
from lstmith.host.energy import CONSTANTS, estimate_energy
from lstmith.host.jobs import EVENT_FIELDS, CoreJob, CoreTrace, Element
from lstmith.host.simulate import SimulationError
from lstmith.spec.config import PRECISIONS, EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import QuantNetwork

seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
STEPS = 7


def _case(rng: np.random.Generator) -> tuple[QuantNetwork, EngineConfig, Case, list[LayerTrace]]:
    config, (network, _) = random_engine(rng, most=9)
    policies = random_policies(rng, network, config)
    model = GoldenModel(network, config)
    x, hints = random_input(rng, STEPS, network.inputs), random_hints(rng, STEPS)
    active_indices = random_active_indices(rng, network, STEPS, policies)
    case, _ = golden_case("case", model, policies, CoreJob(x, active_indices=active_indices.tolist()), hints=hints)
    return network, config, case, model.run(x[None], policies, hints=hints[None], active_indices=active_indices[None])


def _answer(case: Case, first: int = 100) -> CoreTrace:
    """What a core would send, with layers' results in any order between steps of a layer."""
    results, events, outcomes = [], [], []
    assert case.cycles is not None
    ends = first - 1 + np.cumsum(case.cycles)
    for t, end in enumerate(ends.tolist()):
        skipped = bool(case.layers[0].skipped[0, t])
        # A decision may be known long before the step before it ends; then only the order counts.
        outcomes.append((end if skipped or t % 2 else first, int(skipped)))
        for index, (run, layer) in enumerate(zip(case.layers, case.network.layers, strict=True)):
            if skipped:
                continue
            active = int(run.active[0, t])
            mask = (layer.units, *layer.counts).index(active)
            entries = run.columns[0, t], run.digits[0, t], run.low[0, t]
            events.append((end, index, *entries, int(run.restart[0, t]), mask))
            for unit in range(active):
                results.append((run.h[0, t, unit], run.c[0, t, unit], index, int(unit == active - 1)))
    tables = [
        np.array(rows, dtype=np.int64).reshape(-1, width) for rows, width in ((results, 4), (events, 7), (outcomes, 2))
    ]
    return CoreTrace(tables[0], tables[1], tables[2], first, np.array([*case.state, *case.counts], dtype=np.int64))


@settings(max_examples=60)
@given(rng=seeds)
def test_golden_as_a_core_has_no_differences(rng: np.random.Generator) -> None:
    _, _, case, _ = _case(rng)
    core_trace = _answer(case)
    assert differences(case, core_trace) == []
    assert counter_differences([case], [core_trace]) == []
    for field in ("columns", "digits", "low", "restart"):
        events = core_trace.events.copy()
        events[-1, EVENT_FIELDS.index(field)] ^= 1
        assert differences(case, replace(core_trace, events=events)) != [], field
    for name in ("results", "events", "outcomes"):
        assert differences(case, replace(core_trace, **{name: getattr(core_trace, name)[:-1]})) != [], name
    reads = core_trace.reads.copy()
    reads[-1] += 1
    assert counter_differences([case], [replace(core_trace, reads=reads)]) != []


@pytest.mark.parametrize("change", [-1, 1])
def test_a_device_with_too_few_or_too_many_outcomes(change: int, rng: np.random.Generator) -> None:
    core_trace = _answer(_case(rng)[2])
    turns = np.zeros(STEPS, dtype=np.int64)
    assert len(of_sequence(core_trace, turns, 0).outcomes) == STEPS
    outcomes = np.resize(core_trace.outcomes, (STEPS + change, 2))
    with pytest.raises(SimulationError, match=f"^{STEPS + change} outcomes of {STEPS} steps$"):
        of_sequence(replace(core_trace, outcomes=outcomes), turns, 0)


@settings(max_examples=60)
@given(rng=seeds)
def test_arrays_follow_their_definitions(rng: np.random.Generator) -> None:
    network, config, case, traces = _case(rng)
    for layer, run, trace in zip(network.layers, case.layers, traces, strict=True):
        by_precision, precision = run.columns_by_precision(layer)[0], run.precision(layer)[0]
        words = run.words_by_plane(layer, config)
        np.testing.assert_array_equal(words, step_words(layer, config, trace))
        np.testing.assert_array_equal(by_precision.sum(axis=1), run.columns[0])
        for t in range(STEPS):
            if run.skipped[0, t]:
                assert precision[t] == run.columns[0, t] == 0
                continue
            folds = config.folds(int(run.active[0, t]))
            listed = np.concatenate([trace.x_planes[0, t], trace.h_planes[0, t]]).tolist()
            want, read, low = dict.fromkeys(PRECISIONS, 0), [0, 0], False
            for planes in filter(None, listed):
                both = layer.planes == 1 or planes == 3
                want[layer.precision if both else layer.precision // 2] += 1
                for plane in range(2):
                    read[plane] += folds * (layer.plane_bits // 4) * (planes >> plane & 1)
                low |= planes > 1
            assert by_precision[t].tolist() == list(want.values())
            assert words[0, t].tolist() == read
            assert precision[t] == (layer.precision if low or layer.planes == 1 else layer.plane_bits)


@settings(max_examples=60)
@given(rng=seeds)
def test_activity_agrees_with_the_cycle_model(rng: np.random.Generator) -> None:
    network, config, case, traces = _case(rng)
    words = macs = 0
    computed = ~traces[0].skipped
    for layer, trace, found in zip(network.layers, traces, pass_words(network, config, traces), strict=True):
        lanes = lanes_in_use(layer, config, trace)
        listed = np.concatenate([trace.x_planes, trace.h_planes], axis=2)
        words += int(((found.body + found.last) * (lanes > 0).sum(axis=2) * computed).sum())
        macs += 4 * int(((listed % 2 + listed // 2).sum(axis=2) * lanes.sum(axis=2) * computed).sum())
    activity = case.activity
    assert sum(activity.words.values()) == words
    assert sum(activity.macs.values()) == macs
    assert activity.weight_bits == words * 16 * config.lanes
    assert activity.skipped_steps + activity.computed_steps == STEPS
    assert activity.lane_words <= words * config.lanes
    valid = np.arange(STEPS)[None] < 3
    few = count_activity(network, config, traces, valid)
    assert few.skipped_steps + few.computed_steps == 3
    assert sum(few.words.values()) <= words


def test_stream_of_a_job(tmp_path: Path) -> None:
    x = np.array([[1, -2], [3, 4], [5, 6]], dtype=np.int16)
    job = CoreJob(x, [(1, 2, 3)], active_indices=[2, 2, 0], marks=[False, True, False], reads=[7], seed=5)
    assert list(job.elements()) == [
        Element(1, start=True, mask=2),
        Element(-2),
        Element(mark=True, mask=2, step=1),
        Element(5, step=2),
        Element(6),
    ]
    job.save(tmp_path / "job.npz")
    again = CoreJob.load(tmp_path / "job.npz")
    np.testing.assert_array_equal(again.x, x)
    assert replace(again, x=x) == job


def test_energy_is_the_sum_of_its_parts() -> None:
    config = EngineConfig(lanes=2, precisions=(4, 8), operand_width=13, acc_width=32)
    activity = Activity({4: 1, 8: 3, 16: 0}, {4: 2, 8: 6, 16: 0}, 128, 8, 2, 0, 1, 6)
    energy = estimate_energy(activity, config, cycles=10, steps=2)
    assert energy["memory_pj"] == pytest.approx(128 * 10 / 64 / 2)
    assert energy["mac_pj"] == pytest.approx((2 * 4 * 13 * 0.2 / 64 + 6 * 8 * 13 * 0.2 / 64 + 8 * 0.1) / 2)
    assert energy["control_pj"] == pytest.approx(10 * 5.1 / 2)
    # Of each of 6 units: rows of 18 x 15 bit, activations of 8 x 11, state of 18, gates and h of 16.
    products, sums = 4 * 18 * 15 + 5 * 8 * 11 + 16 * (16 + 18 + 16), 4 * 17 + 5 * 16 + 18
    moved = 4 * (15 + 6 + 20) + 5 * (15 + 11) + 2 * 18 + 16
    assert energy["cell_pj"] == pytest.approx(6 * (products * 0.2 / 64 + sums * 0.1 / 32 + moved * 10 / 64) / 2)
    parts = [energy[name] for name in ("memory_pj", "mac_pj", "cell_pj", "control_pj")]
    assert energy["total_pj"] == pytest.approx(sum(float(part) for part in parts))
    for name in CONSTANTS:
        assert estimate_energy(activity, config, 10, 2, name)["constants"] == name
    with pytest.raises(UserError, match=r"^option --energy: 'free' is unknown; use sram-45nm or dram-45nm$"):
        estimate_energy(activity, config, 10, 2, "free")
