# amaranth: UnusedElaboratable=no
"""Parameters that components refuse, each with one line that names it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import data

from lstmith.rtl.array.array import SystolicArray
from lstmith.rtl.array.lane import Lane
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.array.weight_bank import WeightBank
from lstmith.rtl.cell.activation import Activation
from lstmith.rtl.cell.drain_reader import DrainReader
from lstmith.rtl.cell.predictor import Predictor
from lstmith.rtl.cell.state_loader import StateLoader
from lstmith.rtl.cell.state_memory import StateMemory
from lstmith.rtl.link.collect import CompactCollector, StepCollector
from lstmith.rtl.link.executor import Executor
from lstmith.rtl.link.flash import FlashLoader
from lstmith.rtl.prim import parameters as check
from lstmith.rtl.prim.ecp5 import multiplier
from lstmith.rtl.prim.ram import Ram
from lstmith.spec.config import EngineConfig

DEPTH: dict[str, Any] = {"lanes": 3, "depth": 8, "mac": MacParameters()}
LAYOUT = data.StructLayout({"h": 16})
FAMILIES = "generic, ecp5, ice40, gowin"
REFUSED: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "no integer": (lambda: check.integer("Ring size", 2.0, 1), TypeError, "Ring size must be an integer, not 2.0"),
    "a flag": (lambda: check.integer("Ring size", True, 1), TypeError, "Ring size must be an integer, not True"),
    "too little": (lambda: check.integer("Ring size", 0, 1), ValueError, "Ring size must be 1 or more, not 0"),
    "too much": (lambda: check.integer("Ring size", 5, 1, 4), ValueError, "Ring size must be between 1 and 4, not 5"),
    "memory depth": (lambda: Ram(8, 0), ValueError, "Memory depth must be 1 or more, not 0"),
    "multiplier": (
        lambda: multiplier(Module(), "it", Signal(19), Signal(8)),
        ValueError,
        "Multiplier factors must have at most 18 bits, not 19",
    ),
    "bank depth": (
        lambda: WeightBank(depth=0, family="generic"),
        ValueError,
        "Weight bank depth must be 1 or more, not 0",
    ),
    "bank family": (
        lambda: WeightBank(depth=8, family="xilinx"),
        ValueError,
        f"Weight bank family must be one of {FAMILIES}, not 'xilinx'",
    ),
    "bank init": (
        lambda: WeightBank(depth=2, family="generic", init=range(3)),
        ValueError,
        "Weight bank init must hold at most 2 words, not 3",
    ),
    "lane index": (lambda: Lane(index=3, **DEPTH), ValueError, "Lane index must be between 0 and 2, not 3"),
    "array weights": (
        lambda: SystolicArray(EngineConfig(lanes=3, precisions=(8,)), [[1]]),
        ValueError,
        "Array weights must be for 3 lanes, not 1",
    ),
    "MAC kind": (
        lambda: MacParameters(kind="lut"),
        ValueError,
        "MAC kind must be one of dsp, dual, digit, not 'lut'",
    ),
    "MAC precisions": (
        lambda: MacParameters(word_bits=(8, 4)),
        ValueError,
        "MAC word_bits must be some of 4, 8 and 16, ascending, not (8, 4)",
    ),
    "MAC planes": (
        lambda: MacParameters(word_bits=(4, 16), planes=2),
        ValueError,
        "MAC word_bits must be at most 8 with two planes, not (4, 16)",
    ),
    "MAC operand": (
        lambda: MacParameters(operand_width=8),
        ValueError,
        "MAC operand_width must be between 9 and 18, not 8",
    ),
    "activation family": (
        lambda: Activation(family="gates"),
        ValueError,
        f"Activation family must be one of {FAMILIES}, not 'gates'",
    ),
    "state memory": (
        lambda: StateMemory(units=4, sequences=3, width=16),
        ValueError,
        "State memory sequences must be between 1 and 2, not 3",
    ),
    "state loader": (
        lambda: StateLoader(layers=1, units=4, c_width=16, sequences=2, active_counts=2),
        ValueError,
        "State loader sequences must be 1 with several counts or programs, not 2",
    ),
    "predictor": (
        lambda: Predictor(inputs=2, units=0, operand_width=9, family="generic", pipelined=True),
        ValueError,
        "Predictor units must be 1 or more, not 0",
    ),
    "predictor init": (
        lambda: Predictor(inputs=2, units=2, operand_width=9, family="generic", pipelined=True, init=[1] * 5),
        ValueError,
        "Predictor init must hold at most 4 weights, not 5",
    ),
    "drain reader": (
        lambda: DrainReader(EngineConfig(lanes=1, precisions=(8,)), array_latency=2),
        ValueError,
        "Drain reader array_latency must be 3 or more, not 2",
    ),
    "flash depth": (
        lambda: FlashLoader(lanes=1, depth=0, offset=0, checksum=0),
        ValueError,
        "Flash loader depth must be 1 or more, not 0",
    ),
    "descriptor layers": (
        lambda: StepCollector(result=LAYOUT, event=LAYOUT, layers=33, units=1, steps=1, inputs=1),
        ValueError,
        "Step collector layers must be between 1 and 32, not 33",
    ),
    "outcomes": (
        lambda: CompactCollector(result=LAYOUT, layers=1, outcome_latency=13),
        ValueError,
        "Collector outcome_latency must be between 0 and 12, not 13",
    ),
    "executor": (
        lambda: Executor(buffers=3),
        TypeError,
        "Number of buffers must be a power of two from 2 on, not 3",
    ),
    "dual operand": (
        lambda: MacParameters(kind="dual", family="ice40", operand_width=10),
        ValueError,
        "MAC operand_width must be 9 for kind dual, not 10",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name: str) -> None:
    make, error, message = REFUSED[name]
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        make()


def test_dual_is_for_narrow_operands_of_ice40() -> None:
    with pytest.raises(ValueError, match=r"^MAC kind dual must have family ice40 and one plane of 8 bits alone, not "):
        MacParameters(kind="dual", operand_width=9)
    small = EngineConfig(lanes=1, precisions=(8,), family="ice40", rows_per_cycle=1, operand_width=9)
    assert MacParameters.of(small).kind == "dual"
    assert MacParameters.of(EngineConfig(lanes=1, precisions=(8,), family="ice40", operand_width=9)).kind == "dsp"
