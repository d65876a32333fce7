"""Activation, requantiser and cell unit as yosys maps them for ECP5: carry chains and delays are others there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.vectors import run_checks
from hw_tests.fast.rtl.cell.test_activation import activation_check
from hw_tests.fast.rtl.cell.test_cell import cell_check
from hw_tests.fast.rtl.cell.test_requantise import requantiser_check
from lstmith.spec.config import EngineConfig

pytestmark = pytest.mark.netlist


def test_mapped_activation_requantiser_and_cell_unit(rng: np.random.Generator, tmp_path: Path) -> None:
    config = EngineConfig(lanes=1, precisions=(8,), family="ecp5", units=16)
    checks = {
        "sigma": activation_check(False, "ecp5", 13),
        "tanh": activation_check(True, "ecp5", 13),
        "requantiser": requantiser_check(rng, config, 4000),
        "cell": cell_check(rng, config, 50),
    }
    run_checks(checks, "icarus", tmp_path, "ecp5")
