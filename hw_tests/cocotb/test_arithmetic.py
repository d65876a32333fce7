"""MAC, activation, requantiser and cell unit alone: exhaustive where possible, equal to golden everywhere."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.checks import Check, Table, assert_equal, wrap
from hw_tests.cocotb.mac_cases import mac_checks, random_signed
from hw_tests.cocotb.vectors import SIMULATORS, run_checks
from lstmith.golden.activation import Z_MASK, sigma_lookup, tanh_lookup
from lstmith.golden.cell import requantise, saturate, tanh_of_cell
from lstmith.rtl.cell.activation import Activation
from lstmith.rtl.cell.cell import CellUnit
from lstmith.rtl.cell.feeder import READ
from lstmith.rtl.cell.requantise import Requantiser
from lstmith.spec import latency as timing
from lstmith.spec.config import BIAS_BITS, H_FRAC, MANTISSA_BITS, PEEP_BITS, Z_BITS, EngineConfig

Ints = npt.NDArray[np.int64]
#: Cycles from a unit's last gates to its new cell state, where the output peephole joins.
TO_CELL = 3


def _activation_check(is_tanh: bool, family: str = "generic", stride: int = 1) -> Check:
    """Every input of one function, or some of all magnitudes."""
    unit = Activation(family)
    z = np.arange(0, 1 << Z_BITS, stride)
    want = (tanh_lookup() if is_tanh else sigma_lookup())[z]
    return Check(
        unit,
        {"z": z, "is_tanh": np.full(len(z), int(is_tanh))},
        lambda outputs: assert_equal("y", outputs["y"][unit.latency :][: len(z)], want),
    )


def _requantiser_check(rng: np.random.Generator, config: EngineConfig, count: int = 40_000) -> Check:
    unit = Requantiser(config)
    total, before = random_signed(rng, config.acc_width, count), random_signed(rng, config.acc_width, count)
    shift = np.where(rng.random(count) < 0.7, rng.integers(0, config.acc_width, count), rng.integers(0, 64, count))
    # Sums that the shift cuts off nothing of, zero among them, are told from all others.
    low = rng.integers(0, config.acc_width, count)
    total = np.where(rng.random(count) < 0.5, total >> low << low, total)
    total[rng.random(count) < 0.02] = 0
    mantissa = np.where(rng.random(count) < 0.8, rng.integers(1 << 14, 1 << MANTISSA_BITS, count), 0)
    bias = random_signed(rng, BIAS_BITS, count)
    rows: Any = SimpleNamespace(shift=shift, mantissa=mantissa, bias=bias)
    z13 = requantise(total, rows, config, bias)
    table = {"total": before, "added": wrap(total - before, config.acc_width)}
    # A row's parameters come when they are needed.
    late = unit.scale_delay
    delays = {"shift": (shift, 1), "scale.mantissa": (mantissa, late), "scale.bias": (bias, late)}
    table |= {name: np.concatenate([np.zeros(delay, dtype=np.int64), row]) for name, (row, delay) in delays.items()}
    if config.peepholes:
        peep, c, peep_shift = (
            random_signed(rng, PEEP_BITS, count),
            random_signed(rng, config.c_width, count),
            rng.integers(0, 32, count),
        )
        z13 = z13 + ((peep * c) >> peep_shift)
        table |= {"peep": peep, "c": c, "peep_shift": peep_shift}

    def verify(outputs: Table) -> None:
        assert_equal("updated", outputs["updated"][1 : 1 + count], total)
        assert_equal("z13", outputs["z13"][unit.latency - 1 :][:count], saturate(z13, 24))
        assert_equal("z", outputs["z"][unit.latency :][:count], saturate(z13 >> 1, Z_BITS))

    return Check(unit, table, verify)


def _cell_check(rng: np.random.Generator, config: EngineConfig, units: int = 400) -> Check:
    """Units at full pace, layer after layer with its own formats."""
    unit = CellUnit(config)
    pace, ways = config.unit_cycles, config.ways
    formats = [(c_frac, int(rng.integers(0, 32))) for c_frac in range(4, 16)]
    segment = units * pace + 40
    cycles = segment * len(formats)
    to_gate = 1 + timing.ACTIVATION  # from a pre-activation with 13 fraction bits
    last_gates = (np.arange(len(formats))[:, None] * segment + np.arange(units) * pace + pace + to_gate).ravel()
    count = len(last_gates)
    gates = np.array([rng.integers(0, 1 << H_FRAC, count) for _ in range(4)])
    gates[2] = rng.integers(-(1 << H_FRAC) + 2, 1 << H_FRAC, count)
    gates[:2] = np.where(rng.random((2, count)) < 0.3, (1 << H_FRAC) - 1, gates[:2])
    c_old = random_signed(rng, config.c_width, count)
    c_frac, peep_shift = (np.repeat(values, units) for values in np.array(formats).T)
    number = np.arange(count) % config.units
    table: dict[str, Ints] = {}

    def put(name: str, cycle: Ints, values: npt.ArrayLike) -> None:
        table.setdefault(name, np.zeros(cycles, dtype=np.int64))[cycle] = values

    for step in range(pace):
        cycle = last_gates - (pace - 1) + step
        put("rows_valid", cycle, 1)
        put("rows.gate", cycle, step * ways)
        put("rows.unit", cycle, number)
        put("rows.last", cycle, number % 7 == 3)
        for way in range(ways):
            put(f"gates.{way}", cycle, gates[step * ways + way])
    put("c_old", last_gates, c_old)
    put("c_frac.0", np.arange(cycles), np.repeat([c_frac for c_frac, _ in formats], segment))

    fresh = (gates[0] * gates[2]) >> (H_FRAC - c_frac)
    c_new = saturate((gates[1] * c_old + fresh + (1 << (H_FRAC - 1))) >> H_FRAC, config.c_width)
    gate_o = gates[3]
    if config.peepholes:
        z13, peep = random_signed(rng, 24, count), random_signed(rng, PEEP_BITS, count)
        put("z13", last_gates - to_gate, z13)
        put("peep_o", last_gates + TO_CELL, peep)
        put("peep_shift.0", np.arange(cycles), np.repeat([shift for _, shift in formats], segment))
        z = saturate((z13 + ((peep * c_new) >> peep_shift)) >> 1, Z_BITS)
        gate_o = sigma_lookup()[z & Z_MASK]
    squashed = np.array([int(tanh_of_cell(c, int(frac))) for c, frac in zip(c_new, c_frac, strict=True)])
    h = (gate_o * squashed + (1 << (H_FRAC - 1))) >> H_FRAC

    def verify(outputs: Table) -> None:
        done = last_gates + unit.latency
        assert_equal("cycles of h", np.flatnonzero(outputs["h_valid"]), done)
        assert_equal("h", outputs["h"][done], h)
        assert_equal("h_c", outputs["h_c"][done], c_new)
        assert_equal("h_place", outputs["h_place"][done], number)
        assert_equal("h_last", outputs["h_last"][done], number % 7 == 3)
        assert_equal("cycles of c", np.flatnonzero(outputs["c_valid"]), last_gates + TO_CELL)
        assert_equal("c_new", outputs["c_new"][last_gates + TO_CELL], c_new)
        assert_equal("c_place", outputs["c_place"][last_gates + TO_CELL], number)
        if config.peepholes:
            assert_equal("peep_unit", outputs["peep_unit"][last_gates + TO_CELL - READ], number)

    return Check(unit, table, verify)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_macs(simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    run_checks(mac_checks(rng, "dsp") | mac_checks(rng, "digit"), simulator, tmp_path)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_activation_requantiser_and_cell_unit(simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    checks = {"sigma": _activation_check(False), "tanh": _activation_check(True)}
    config = partial(EngineConfig, lanes=1, precisions=(8,), units=16)
    for peepholes, requant_width, acc_width in ((False, 16, 16), (False, 18, 48), (True, 16, 33), (True, 18, 24)):
        sized = config(peepholes=peepholes, requant_width=requant_width, acc_width=acc_width, c_width=24)
        checks[f"requantiser_{requant_width}_{acc_width}"] = _requantiser_check(rng, sized)
    for peepholes in (False, True):
        for ways in (1, 2):
            sized = config(peepholes=peepholes, ways=ways, c_width=16 + 4 * ways)
            checks[f"cell_{ways}_{'peepholes' if peepholes else 'plain'}"] = _cell_check(rng, sized)
    run_checks(checks, simulator, tmp_path)


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


@pytest.mark.netlist
def test_mapped_activation_requantiser_and_cell_unit(rng: np.random.Generator, tmp_path: Path) -> None:
    """On ECP5 carry chains and delays are other than elsewhere: the netlist against the same figures."""
    config = EngineConfig(lanes=1, precisions=(8,), family="ecp5", units=16)
    checks = {
        "sigma": _activation_check(False, "ecp5", 13),
        "tanh": _activation_check(True, "ecp5", 13),
        "requantiser": _requantiser_check(rng, config, 4000),
        "cell": _cell_check(rng, config, 50),
    }
    running = {name: replace(check, unit=_Running(check.unit)) for name, check in checks.items()}
    run_checks(running, "icarus", tmp_path, "ecp5")
