"""Activation, requantiser and cell unit as yosys maps them for ECP5: carry chains and delays are others there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.cocotb.vectors import run_checks
from hw_tests.fast.rtl.cell.test_activation import activation_check
from hw_tests.fast.rtl.cell.test_cell import cell_check
from hw_tests.fast.rtl.cell.test_requantise import requantiser_check
from lstmith.spec.config import EngineConfig

pytestmark = pytest.mark.netlist


class _Running(wiring.Component):
    """A unit whose multipliers' clock is always enabled, in reset too."""

    def __init__(self, unit: wiring.Component):
        self._unit = unit
        super().__init__({name: member for name, member in unit.signature.members.items() if name != "run"})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = self._unit
        if "run" in unit.signature.members:
            m.d.comb += unit.run.eq(1)
        for name, member in self.signature.members.items():
            own, inner = getattr(self, name), getattr(unit, name)
            m.d.comb += inner.eq(own) if member.flow is In else own.eq(inner)
        return m


def test_mapped_activation_requantiser_and_cell_unit(rng: np.random.Generator, tmp_path: Path) -> None:
    config = EngineConfig(lanes=1, precisions=(8,), family="ecp5", units=16)
    checks = {
        "sigma": activation_check(False, "ecp5", 13),
        "tanh": activation_check(True, "ecp5", 13),
        "requantiser": requantiser_check(rng, config, 4000),
        "cell": cell_check(rng, config, 50),
    }
    running = {name: replace(check, unit=_Running(check.unit)) for name, check in checks.items()}
    run_checks(running, "icarus", tmp_path, "ecp5")
