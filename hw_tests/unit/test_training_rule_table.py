"""The table that judges the rule per step."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.unit.networks import random_network
from lstmith.workloads.workload import Metric, Scores

torch = pytest.importorskip("torch", reason="training needs the extra torch")
from lstmith.scripts.bench.per_step.per_step_rule import Row, compiled, difference, table  # noqa: E402


def scores(*values: float) -> Scores:
    return Scores(np.array(values), np.ones(len(values)))


def test_difference_is_paired() -> None:
    """What both share cancels, however much it varies between units."""
    rng = np.random.default_rng(1)
    common = rng.normal(0, 10, 200)
    value, low, high = difference(scores(*(common + 0.5)), scores(*common))
    assert (value, low, high) == pytest.approx((0.5, 0.5, 0.5))


@pytest.mark.parametrize(("higher", "sign"), [(True, 1), (False, -1)], ids=["accuracy", "error"])
def test_better_has_the_metrics_direction(higher: bool, sign: int) -> None:
    rows = [Row("rule", 0.6, scores(1.0, 0.9)), Row("static W6A8", 0.0, scores(0.5, 0.4))]
    _, content = table("net", rows, Metric("quality", "", higher_is_better=higher))
    better = content["rows"][1]["better"]
    assert better == pytest.approx([sign * 0.5] * 3)
    assert better[1] <= better[2]


def test_finer_inputs_stand_for_the_same(rng: np.random.Generator) -> None:
    source = random_network(rng, 5, 4)
    network, config = compiled(source, [rng.normal(0, 1, (30, 4)).astype(np.float32) for _ in range(4)])
    grid = network.layers[0].x_grid
    assert grid.exponent == 0
    assert grid.span < 1 << (config.operand_width - 1)
