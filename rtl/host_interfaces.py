"""What control, which the host reaches through the bus, asks of other parts; each interface as control sees it."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import GridFields, RowParameters, SkipFields
from lstmith.spec.config import ACTIVE_COUNTS, PEEP_BITS, EngineConfig, bits_for, index_bits
from lstmith.spec.layer_descriptor import DESCRIPTOR_STRIDE


class ProgramWriteSignature(wiring.Signature):
    """A word of the program, written by the host.

    Members
    -------
    address : unsigned, out
        See ``spec.registers.Region.PROGRAM``; while ``valid``.
    data : unsigned(32), out
        While ``valid``.
    valid : unsigned(1), out
        For one cycle.
    """

    def __init__(self, *, layers: int, active_counts: int) -> None:
        place = index_bits(layers) + index_bits(active_counts)
        super().__init__({"address": Out(place + bits_for(DESCRIPTOR_STRIDE)), "data": Out(32), "valid": Out(1)})


class InputSettingsSignature(wiring.Signature):
    """Registers of the input; they change between steps only.

    Members
    -------
    inputs : unsigned, out
        Elements per step, minus 1.
    grid : GridFields, out
        Grid, mode and thresholds; ``forget`` and ``exact`` are not set here.
    skip : SkipFields, out
        Rule for skipping steps.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__({"inputs": Out(bits_for(config.inputs)), "grid": Out(GridFields), "skip": Out(SkipFields)})


class WeightLoadSignature(wiring.Signature):
    """A weight word, written while the engine is idle.

    Members
    -------
    valid : unsigned(1), out
        For one cycle.
    address : unsigned(address_bits), out
        Place in the lane's memory; while ``valid``, as all that follows.
    lane : unsigned, out
    data : unsigned(16), out
    """

    def __init__(self, config: EngineConfig) -> None:
        lane = bits_for(config.lanes)
        super().__init__({"valid": Out(1), "address": Out(config.address_bits), "lane": Out(lane), "data": Out(16)})


class RowWriteSignature(wiring.Signature):
    """Parameters of a row, written while the engine is idle.

    Members
    -------
    valid : unsigned(1), out
        For one cycle.
    unit : unsigned(unit_bits), out
        While ``valid``, as all that follows.
    gate : unsigned(2), out
        A ``Gate``.
    mask : unsigned, out
        Index of the active count.
    data : RowParameters, out
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "unit": Out(config.unit_bits),
                "gate": Out(2),
                "mask": Out(bits_for(ACTIVE_COUNTS)),
                "data": Out(RowParameters),
            }
        )


class PeepholeWriteSignature(wiring.Signature):
    """A peephole weight, written while the engine is idle.

    Members
    -------
    valid : unsigned(3), out
        For one cycle, of gates i, f and o.
    unit : unsigned(unit_bits), out
        While ``valid``, as all that follows.
    data : signed(16), out
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__({"valid": Out(3), "unit": Out(config.unit_bits), "data": Out(signed(PEEP_BITS))})


class StateAccessSignature(wiring.Signature):
    """Cell state and h of a unit, read or written outside a pass.

    Members
    -------
    place : unsigned(state_bits), out
        Beside a strobe.
    cell_read, cell_write, hidden_read, hidden_write : unsigned(1), out
        Strobes, each for one cycle.
    cell_value : signed(c_width), out
        Beside ``cell_write``.
    hidden_value : signed(16), out
        Beside ``hidden_write``.
    cell : signed(c_width), in
        ``RAM_LATENCY`` cycles after ``cell_read``.
    hidden : signed(16), in
        ``RAM_LATENCY`` cycles after ``hidden_read``.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            {
                "place": Out(config.state_bits),
                "cell_read": Out(1),
                "cell_write": Out(1),
                "cell_value": Out(signed(config.c_width)),
                "hidden_read": Out(1),
                "hidden_write": Out(1),
                "hidden_value": Out(signed(16)),
                "cell": In(signed(config.c_width)),
                "hidden": In(signed(16)),
            }
        )
