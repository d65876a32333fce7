"""Which part of calibration data an error is measured on, and what the other figures are of."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.accuracy import LONGEST, MOST, NUDGE, _choose, measure
from lstmith.compiler.quantise.calibration import Calibration, held_steps
from lstmith.compiler.quantise.quantise import quantise
from lstmith.compiler.sizing.size import size_engine
from lstmith.golden.network import run_float


@pytest.mark.parametrize(("sequences", "steps"), [(3, 10), (40, LONGEST), (5, 2 * LONGEST), (3 * MOST, 1)])
def test_few_sequences_from_all_over_the_data_are_run(sequences: int, steps: int) -> None:
    chosen, run = _choose(np.ones((sequences, steps), dtype=bool))
    assert run == min(steps, LONGEST)
    assert len(chosen) == min(sequences, MOST // run)
    assert (chosen[0], chosen[-1]) == (0, sequences - 1)


def test_only_sequences_with_steps_to_judge_are_run() -> None:
    """As far as the last of these steps."""
    judged = np.zeros((4, 20), dtype=bool)
    judged[1, 3], judged[3, 7] = True, True
    chosen, run = _choose(judged)
    assert (chosen.tolist(), run) == ([1, 3], 8)


def test_nudging_and_rounding_are_told_apart(rng: np.random.Generator) -> None:
    """One moves all inputs by less than float32 resolves, the other to the 16-bit stream."""
    network = random_network(rng, 4, 3)
    data = random_calibration(rng, network)
    integer = quantise(network, data, precision=[16]).network
    config, _ = size_engine(integer, None)
    found = measure(network, integer, config, data)
    sequences, steps = data.x.shape[:2]
    chosen, run = _choose(held_steps(np.full(sequences, steps)))
    x = np.asarray(data.x, dtype=np.float64)[chosen, :run]
    exact = run_float(network, x).h[-1]
    rounded = integer.quantise_input(x).astype(np.float64) * integer.x_lsb
    for figure, changed in ((found.sensitivity, x * (1 + NUDGE)), (found.rounding, rounded)):
        assert figure == np.abs(run_float(network, changed).h[-1] - exact).max()


@pytest.mark.parametrize("lengths", [[1, 1], [1, 0], [3]])
def test_too_little_to_hold_back_is_judged_whole(lengths: list[int], rng: np.random.Generator) -> None:
    network = random_network(rng, 4, 2)
    data = random_calibration(rng, network)
    integer = quantise(network, data, precision=[8]).network
    config, _ = size_engine(integer, None)
    x = np.asarray(data.x)[: len(lengths), :3]
    found = measure(network, integer, config, Calibration(x, np.array(lengths)))
    assert (found.steps, found.held_back) == (sum(lengths), False)
