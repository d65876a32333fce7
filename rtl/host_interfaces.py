"""What control, which the host reaches through the bus, asks of other parts; each interface as control sees it."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import GridFields, MonitorFields, RowParameters, SkipFields, state_bits
from lstmith.spec.config import ACTIVE_COUNTS, H_FRAC, PEEP_BITS, PROGRAMS, EngineConfig, bits_for, index_bits
from lstmith.spec.layer_descriptor import DESCRIPTOR_STRIDE


class ProgramWriteSignature(wiring.Signature):
    """A word of the program, written by the host.

    Members
    -------
    address : Out(unsigned)
        See ``spec.registers.Region.PROGRAM``; while ``valid``.
    data : Out(32)
        While ``valid``.
    valid : Out(1)
        For one cycle.
    """

    def __init__(self, *, layers: int, active_counts: int, programs: int = 1) -> None:
        place = index_bits(layers) + index_bits(active_counts) + index_bits(programs)
        super().__init__({"address": Out(place + bits_for(DESCRIPTOR_STRIDE)), "data": Out(32), "valid": Out(1)})


class InputSettingsSignature(wiring.Signature):
    """Registers of the input; they change between steps only.

    Members
    -------
    program : In(unsigned)
        With several programs: whose settings these are, from two cycles after a change on.
    inputs : Out(unsigned)
        Elements per step, minus 1.
    symbols : Out(1)
        With symbols: a step is one symbol.
    grid : Out(GridFields)
        Grid, mode and thresholds; ``defers``, ``forget`` and ``exact`` are not set here.
    skip : Out(SkipFields)
        Rule for skipping steps.
    monitor : Out(MonitorFields)
        With a monitor: when it decides on the input.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            {
                **({"program": In(config.program_bits)} if config.programs > 1 else {}),
                "inputs": Out(bits_for(config.inputs)),
                **({"symbols": Out(1)} if config.symbols else {}),
                "grid": Out(GridFields),
                "skip": Out(SkipFields),
                **({"monitor": Out(MonitorFields)} if config.monitor else {}),
            }
        )


class WeightLoadSignature(wiring.Signature):
    """A weight word, written while the engine is idle.

    Members
    -------
    valid : Out(1)
        For one cycle.
    address : Out(address_bits)
        Place in the lane's memory; while ``valid``, as all that follows.
    lane : Out(unsigned)
    data : Out(16)
    """

    def __init__(self, config: EngineConfig) -> None:
        lane = bits_for(config.lanes)
        super().__init__({"valid": Out(1), "address": Out(config.address_bits), "lane": Out(lane), "data": Out(16)})


class RowWriteSignature(wiring.Signature):
    """Parameters of a row, written while the engine is idle.

    Members
    -------
    valid : Out(1)
        For one cycle.
    unit : Out(unit_bits)
        While ``valid``, as all that follows.
    gate : Out(2)
        A ``Gate``.
    mask : Out(unsigned)
        Index of the active count.
    program : Out(unsigned)
    data : Out(RowParameters)
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "unit": Out(config.unit_bits),
                "gate": Out(2),
                "mask": Out(bits_for(ACTIVE_COUNTS)),
                "program": Out(bits_for(PROGRAMS)),
                "data": Out(RowParameters),
            }
        )


class PeepholeWriteSignature(wiring.Signature):
    """A peephole weight, written while the engine is idle.

    Members
    -------
    valid : Out(3)
        For one cycle, of gates i, f and o.
    unit : Out(unit_bits)
        While ``valid``, as all that follows.
    program : Out(unsigned)
    data : Out(signed(16))
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            {
                "valid": Out(3),
                "unit": Out(config.unit_bits),
                "program": Out(bits_for(PROGRAMS)),
                "data": Out(signed(PEEP_BITS)),
            }
        )


class StateAccessSignature(wiring.Signature):
    """Cell state and h of a unit, read or written outside a pass.

    Members
    -------
    place : Out(state_bits)
        Beside a strobe.
    cell_read : Out(1)
        Read the cell state, for one cycle.
    cell_write : Out(1)
        Write it, for one cycle.
    hidden_read : Out(1)
        Read h, for one cycle.
    hidden_write : Out(1)
        Write it, for one cycle.
    cell_value : Out(signed(c_width))
        Beside ``cell_write``.
    hidden_value : Out(signed(16))
        Beside ``hidden_write``.
    cell : In(signed(c_width))
        ``RAM_LATENCY`` cycles after ``cell_read``.
    hidden : In(signed(16))
        ``RAM_LATENCY`` cycles after ``hidden_read``.
    """

    def __init__(self, *, units: int, sequences: int, c_width: int) -> None:
        super().__init__(
            {
                "place": Out(state_bits(units=units, sequences=sequences)),
                "cell_read": Out(1),
                "cell_write": Out(1),
                "cell_value": Out(signed(c_width)),
                "hidden_read": Out(1),
                "hidden_write": Out(1),
                "hidden_value": Out(signed(H_FRAC + 1)),
                "cell": In(signed(c_width)),
                "hidden": In(signed(H_FRAC + 1)),
            }
        )


class HostStatesSignature(wiring.Signature):
    """The host reads and writes states, and loads a layer's h between ``begin`` and ``end``.

    Members
    -------
    begin : Out(1)
        A load begins, for one cycle.
    end : Out(1)
        All h of the layer have been written, for one cycle.
    layer : Out(unsigned)
        The layer that is loaded; beside ``begin``, as ``mask``, ``sequence`` and ``program``.
    mask : Out(unsigned)
        Index of the active count that it is loaded at.
    sequence : Out(1)
        The sequence that it is loaded for.
    program : Out(unsigned)
        The program whose descriptors tell how.
    place : Out(state_bits)
        Place in the state memories; beside the following strobes.
    value : Out(signed(32))
        Beside the strobes of writes.
    cell_read : Out(1)
        Read a cell state, for one cycle.
    cell_write : Out(1)
        Write a cell state, for one cycle.
    hidden_read : Out(1)
        Read an h, for one cycle.
    hidden_write : Out(1)
        Write an h, for one cycle; within a load it is listed too.
    cell : In(signed(c_width))
        ``RAM_LATENCY`` cycles after ``cell_read``.
    hidden : In(signed(16))
        ``RAM_LATENCY`` cycles after ``hidden_read``.
    """

    def __init__(self, *, layers: int, units: int, sequences: int, c_width: int) -> None:
        super().__init__(
            {
                "begin": Out(1),
                "end": Out(1),
                "layer": Out(bits_for(layers)),
                "mask": Out(bits_for(ACTIVE_COUNTS)),
                "sequence": Out(1),
                "program": Out(bits_for(PROGRAMS)),
                "place": Out(state_bits(units=units, sequences=sequences)),
                "value": Out(signed(32)),
                "cell_read": Out(1),
                "cell_write": Out(1),
                "hidden_read": Out(1),
                "hidden_write": Out(1),
                "cell": In(signed(c_width)),
                "hidden": In(signed(H_FRAC + 1)),
            }
        )
