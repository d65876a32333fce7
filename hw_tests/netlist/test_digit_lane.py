"""Lanes without DSP blocks as yosys maps them: what they compute, and what they take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.vectors import run_checks
from hw_tests.fast.rtl.array.mac.mac_cases import random_check
from lstmith.compiler.sizing.estimate import digit_lane_ffs, digit_lane_luts
from lstmith.rtl.array.array import SystolicArray
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.scripts.bench.area import synthesised
from lstmith.spec.config import EngineConfig

pytestmark = pytest.mark.netlist

CYCLES = 1500


def _config(precisions: tuple[int, ...], operand_width: int, acc_width: int = 24, planes: int = 1) -> EngineConfig:
    return EngineConfig(
        lanes=1,
        mac="digit",
        family="ecp5",
        precisions=precisions,
        planes=planes,
        operand_width=operand_width,
        acc_width=acc_width,
    )


def test_mapped_sums(rng: np.random.Generator, tmp_path: Path) -> None:
    configs = [_config((4,), 11), _config((8,), 10), _config((4, 8), 13), _config((8, 16), 17), _config((4, 8, 16), 18)]
    checks = {
        f"mac_{index}": random_check(rng, MacParameters.of(config), CYCLES) for index, config in enumerate(configs)
    }
    run_checks(checks, "icarus", tmp_path, "ecp5")


@pytest.mark.drawn(1)
@pytest.mark.parametrize(
    "config",
    [_config((4, 8), 13), _config((4, 8, 16), 17, 40), _config((4, 8), 13, planes=2), _config((4, 8, 16), 17, 40, 2)],
)
def test_lane_takes_what_is_estimated(config: EngineConfig, tmp_path: Path) -> None:
    one, two = (synthesised(SystolicArray(replace(config, lanes=lanes)), tmp_path) for lanes in (1, 2))
    assert two.dsps == 0
    assert two.logic - one.logic == digit_lane_luts(config)
    assert two.ffs - one.ffs == pytest.approx(digit_lane_ffs(config), rel=0.03)
