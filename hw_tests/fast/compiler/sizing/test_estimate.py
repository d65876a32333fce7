"""Prices of lanes: every combination of precisions has one."""

from __future__ import annotations

from itertools import combinations

import pytest

from lstmith.compiler.sizing.estimate import lane_dsps, lane_luts
from lstmith.spec.config import PRECISIONS, EngineConfig

SETS = [chosen for count in (1, 2, 3) for chosen in combinations(PRECISIONS, count)]


@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("precisions", SETS)
@pytest.mark.parametrize("family", ["ecp5", "gowin"])
def test_each_set_of_precisions_has_a_price(family: str, precisions: tuple[int, ...], planes: int) -> None:
    config = EngineConfig(lanes=2, precisions=precisions, family=family, planes=planes, acc_width=40)
    assert lane_luts(config, family) > 100
    assert lane_dsps(config) >= 1
