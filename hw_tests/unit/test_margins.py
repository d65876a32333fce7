"""How cautious a choice must be: what the comparison of margins counts."""

from __future__ import annotations

import numpy as np

from lstmith.scripts.bench.adaptive.margins import MARGINS, Tried, compared
from lstmith.spec.policy import Mode, Policy
from lstmith.tuning.search import Measured, Trial
from lstmith.workloads.workload import Scores

UNITS, STEPS = 40, 1000.0


def tried(rng: np.random.Generator, *, noisy: bool) -> Tried:
    """Policies of rising error that change more and more of 40,000 decisions, from 0 to four times the limit."""
    trials, scores = [], []
    for level in range(20):
        share = 0.004 * level / 19
        changed = rng.poisson(share * STEPS, UNITS) if noisy else np.full(UNITS, share * STEPS)
        scores.append(Scores(changed.astype(float), np.full(UNITS, STEPS)))
        trials.append(Trial([Policy(Mode.AUTO, theta_h=level)], Measured(0, 0, 500.0 - 10 * level, 0.001 * level)))
    return Tried(trials, scores, Scores(np.zeros(UNITS), np.full(UNITS, STEPS)))


def test_without_noise_nothing_goes_beyond(rng: np.random.Generator) -> None:
    rows = compared(tried(rng, noisy=False), False)
    assert [row["margin"] for row in rows] == list(MARGINS)
    assert {row["beyond"] for row in rows} == {0.0}
    # The last level below a limit of 0.001 is the fourth.
    assert rows[0]["cycles"] == 460.0


def test_caution_costs_cycles_and_saves_losses(rng: np.random.Generator) -> None:
    rows = compared(tried(rng, noisy=True), False)
    cycles = [row["cycles"] for row in rows]
    assert cycles == sorted(cycles)
    assert rows[0]["beyond"] > rows[-1]["beyond"]
    assert rows[0]["loss of limit"] > rows[-1]["loss of limit"]
