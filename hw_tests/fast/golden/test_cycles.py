"""Cycles of steps: where the array is never idle they are its words, else the way round is in them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_tests.cocotb.random_networks import random_input, random_network
from lstmith.compiler.program_image import words_per_lane
from lstmith.golden.activity import RECORDS
from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.spec import latency as timing
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy

PAIR = range(2)


@pytest.mark.parametrize("rows_per_cycle", [1, 2, 4])
@pytest.mark.parametrize("width", [4, 8, 16])
def test_arrays_as_numbers(width: int, rows_per_cycle: int) -> None:
    words = np.array([1, 2, 4])
    numbers = [timing.capture_delay(count, width, rows_per_cycle) for count in (1, 2, 4)]
    assert timing.capture_delay(words, width, rows_per_cycle).tolist() == numbers


def test_nothing_waits(rng: np.random.Generator) -> None:
    """Where alone each step waits for the one before, two sequences keep the array busy."""
    network = random_network(rng, [1, 20], (8,), peepholes=False, requant_width=18, planes=2)
    alone = EngineConfig(lanes=10, precisions=(8,), acc_width=32, operand_width=18, units=20, inputs=1, planes=2)
    alone = replace(alone, weight_depth=words_per_lane(network, alone))
    x = np.stack([random_input(rng, 8, 1) for _ in PAIR])
    mean = {}
    for config in (alone, replace(alone, sequences=2)):
        traces = GoldenModel(network, config).run(x, [Policy(Mode.DENSE)])
        mean[config.sequences] = CycleModel(network, config).cycles(traces)[:, 4:].mean()
    # Two folds of 21 columns with two digits each; then the sums of all four gates leave, two per cycle.
    ideal = 2 * (21 * 2 + 2)
    assert mean[2] == ideal
    assert mean[1] > 1.3 * ideal


def test_idle_before_every_step(rng: np.random.Generator) -> None:
    """A dense step in an idle engine takes as long whichever it is, and longer than one behind another."""
    network = random_network(rng, [3, 20], (8,), peepholes=False, requant_width=18, planes=2)
    config = EngineConfig(lanes=10, precisions=(8,), acc_width=32, operand_width=18, units=20, inputs=3, planes=2)
    config = replace(config, weight_depth=words_per_lane(network, config))
    traces = GoldenModel(network, config).run(random_input(rng, 8, 3)[None], [Policy(Mode.DENSE)])
    model = CycleModel(network, config)
    idle = np.ones((1, 8), dtype=bool)
    alone, behind = model.cycles(traces, idle=idle)[0], model.cycles(traces)[0]
    assert alone[0] == behind[0]
    assert len(set(alone[1:])) == 1
    assert alone[1:].min() > behind[1:].max()
    # One that follows another is as before, whenever that began.
    idle[0, 1::2] = False
    assert model.cycles(traces, idle=idle)[0, ::2].tolist() == alone[::2].tolist()
    assert model.cycles(traces, idle=idle)[0, 1] == behind[1]


def test_sequences_share_the_array_in_pairs(rng: np.random.Generator) -> None:
    """Sequences 0 and 1 are together, then 2 and 3, and the last is alone: no other pair changes their cycles."""
    network = random_network(rng, [3, 20], (8,), peepholes=False, requant_width=18, planes=2)
    config = EngineConfig(lanes=10, precisions=(8,), acc_width=32, operand_width=18, units=20, inputs=3, planes=2)
    config = replace(config, sequences=2, weight_depth=words_per_lane(network, config))
    # The first pair keeps the array busy, the second one lists little.
    changing = np.array([True, True, False, False, True])[:, None, None]
    x = np.where(changing, np.stack([random_input(rng, 8, 3) for _ in changing]), 0).astype(np.int16)

    def cycles(rows: slice) -> list[list[int]]:
        traces = GoldenModel(network, config).run(x[rows], [Policy(Mode.DELTA)])
        return CycleModel(network, config).cycles(traces).tolist()

    assert cycles(slice(5)) == cycles(slice(2)) + cycles(slice(2, 4)) + cycles(slice(4, 5))


def test_a_loaded_state_is_listed_before_its_step(rng: np.random.Generator) -> None:
    """A start fetches records alone; a step behind a loaded state waits for its active units, too."""
    network = random_network(rng, [3, 8], (8,), peepholes=False, requant_width=18, active_counts=3)
    config = EngineConfig(lanes=1, precisions=(8,), acc_width=32, operand_width=18, units=8, inputs=3, active_counts=3)
    config = replace(config, weight_depth=words_per_lane(network, config))
    golden, policies = GoldenModel(network, config), [Policy(Mode.DENSE)]
    nothing = [(np.zeros((1, 8), dtype=np.int64), np.zeros((1, 8), dtype=np.int64))]
    traces = golden.run(random_input(rng, 1, 3)[None], policies, golden.resumed_state(policies, nothing))
    loaded = int(CycleModel(network, config).cycles(traces)[0, 0])
    traces[0].renewal[:] = RECORDS
    start = int(CycleModel(network, config).cycles(traces)[0, 0])
    assert loaded - start == timing.renew(config, [8]) - timing.renew(config, ())
