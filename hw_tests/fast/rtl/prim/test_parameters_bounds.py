# amaranth: UnusedElaboratable=no
"""Components take a number at both ends of its range, and refuse the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from amaranth.hdl import Fragment
from amaranth.lib import wiring

from lstmith.rtl.array.lane import Lane
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.array.weight_bank import WeightBank
from lstmith.rtl.cell.drain_reader import DrainReader
from lstmith.rtl.cell.predictor import Predictor
from lstmith.rtl.cell.state_loader import StateLoader
from lstmith.rtl.cell.state_memory import StateMemory
from lstmith.rtl.layouts import event_layout, output_layout
from lstmith.rtl.link.admission import StepAdmission
from lstmith.rtl.link.collect import CompactCollector, StepCollector
from lstmith.rtl.link.flash import FlashLoader
from lstmith.rtl.prim.ram import Ram
from lstmith.spec.config import EngineConfig

ENGINE = EngineConfig(lanes=1, precisions=(8,))
RESULT, EVENT = output_layout(ENGINE), event_layout(ENGINE)
LANE: dict[str, Any] = {"lanes": 3, "index": 0, "depth": 8, "mac": MacParameters()}
COMPACT: dict[str, Any] = {"result": RESULT, "layers": 1, "outcome_latency": 1}
COLLECTOR: dict[str, Any] = {"result": RESULT, "event": EVENT, "layers": 1, "units": 1, "steps": 1, "inputs": 1}
PREDICTOR: dict[str, Any] = {"inputs": 2, "units": 2, "operand_width": 9, "family": "generic", "pipelined": True}
#: Component, its parameters, and the ends of the range of some of them.
RANGES: list[tuple[Callable[..., object], dict[str, Any], dict[str, tuple[int, int | None]]]] = [
    (MacParameters, {}, {"planes": (1, 2), "operand_width": (9, 18), "acc_width": (16, 48)}),
    (WeightBank, {"family": "generic"}, {"depth": (1, None)}),
    (Lane, LANE, {"lanes": (1, None), "index": (0, 2)}),
    (
        FlashLoader,
        {"lanes": 1, "depth": 8, "offset": 0, "checksum": 0},
        {"lanes": (1, None), "depth": (1, None), "offset": (0, (1 << 24) - 1), "checksum": (0, (1 << 32) - 1)},
    ),
    (StepAdmission, {"inputs": 2, "steps": 2}, {"inputs": (1, None), "steps": (1, None), "programs": (1, 8)}),
    (CompactCollector, COMPACT, {"layers": (1, None), "outcome_latency": (0, 12)}),
    (StepCollector, COLLECTOR, {"layers": (1, 32), "units": (1, None), "steps": (1, None), "inputs": (1, None)}),
    (Ram, {"shape": 8}, {"depth": (1, None)}),
    (
        StateLoader,
        {"layers": 2, "units": 4, "c_width": 16, "sequences": 1},
        {
            "layers": (1, None),
            "units": (1, None),
            "sequences": (1, 2),
            "active_counts": (1, 8),
            "programs": (1, 8),
            "c_width": (1, 32),
        },
    ),
    (
        StateMemory,
        {"units": 4, "sequences": 1, "width": 16},
        {"units": (1, None), "sequences": (1, 2), "width": (1, None)},
    ),
    (Predictor, PREDICTOR, {"inputs": (1, None), "units": (1, None), "operand_width": (1, None)}),
    (DrainReader, {"config": ENGINE}, {"array_latency": (3, None)}),
]
EACH = [(make, given, name, *ends) for make, given, ranges in RANGES for name, ends in ranges.items()]


def _made(part: object) -> None:
    """A component is elaborated, too."""
    if isinstance(part, wiring.Component):
        Fragment.get(part, None)


@pytest.mark.parametrize(("make", "given", "name", "low", "high"), EACH)
def test_ends_of_the_range(
    make: Callable[..., object], given: dict[str, Any], name: str, low: int, high: int | None
) -> None:
    _made(make(**given | {name: low}))
    with pytest.raises(ValueError, match=f"not {low - 1}$"):
        make(**given | {name: low - 1})
    if high is not None:
        _made(make(**given | {name: high}))
        with pytest.raises(ValueError, match=f"not {high + 1}$"):
            make(**given | {name: high + 1})


@pytest.mark.parametrize(
    ("planes", "bits", "can"), [(1, (16,), True), (2, (16,), False), (2, (8,), True), (1, (4,), True)]
)
def test_digits_have_at_most_eight_bits(planes: int, bits: tuple[int, ...], can: bool) -> None:
    if can:
        assert MacParameters(planes=planes, word_bits=bits).planes == planes
        return
    with pytest.raises(ValueError, match="word_bits must be at most 8 with two planes"):
        MacParameters(planes=planes, word_bits=bits)


@pytest.mark.parametrize(
    ("kind", "planes", "bits", "told"),
    [
        ("dsp", 2, (4, 8), (True, False)),
        ("dsp", 2, (4,), (False, True)),
        ("dsp", 2, (8,), (False, False)),
        ("dsp", 1, (4, 8), (False, False)),
        ("dsp", 1, (4,), (False, False)),
        ("digit", 2, (4, 8), (False, False)),
        ("digit", 2, (4,), (False, False)),
    ],
)
def test_digits_get_their_place_where_multipliers_allow_it(
    kind: str, planes: int, bits: tuple[int, ...], told: tuple[bool, bool]
) -> None:
    """Both widths get it before the product; 4 bits alone lie packed in the memory."""
    mac = MacParameters(kind=kind, planes=planes, word_bits=bits)
    assert (mac.lifts, mac.packs_memory) == told
