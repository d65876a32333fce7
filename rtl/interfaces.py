"""Interfaces between the engine's parts, each as the side sees it that drives its first member."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import (
    GridFields,
    RowParameters,
    SkipFields,
    descriptor_layout,
    entry_layout,
    fetch_layout,
    length_layout,
    lists,
    offer_layout,
    step_list_layout,
)
from lstmith.spec.config import ACTIVE_COUNTS, PEEP_BITS, EngineConfig, bits_for
from lstmith.spec.latency import kinds
from lstmith.spec.layer_descriptor import DESCRIPTOR_STRIDE, FOLD_BITS


class ListReadSignature(wiring.Signature):
    """Who reads a segment's lists.

    Members
    -------
    address : unsigned(address_bits), out
        Place of an entry; bits above the place choose among lists of the same kind.
    list : unsigned(1), out
        ``DELTA`` or ``RESTART``; not looked at where there is one list only.
    entry : entry_layout(config, columns), in
        The entry, ``RAM_LATENCY`` cycles after its address.
    """

    def __init__(self, config: EngineConfig, columns: int, address_bits: int) -> None:
        super().__init__({"address": Out(address_bits), "list": Out(1), "entry": In(entry_layout(config, columns))})


class InputListSignature(ListReadSignature):
    """Lists of the first layer's input: the address is the place and, above it, the buffer."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config, config.inputs, bits_for(config.inputs) + 1)


class HiddenListSignature(ListReadSignature):
    """Lists of h: the address is the unit, the half, the sequence, and whether the next layer's x list is meant."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config, config.units, config.state_bits + 2)


class FetchSignature(wiring.Signature):
    """List entries on their way from the sequencer to the slot issuer.

    Members
    -------
    offer : stream of offer_layout(lanes), out
        An entry that may be fetched; a transfer fetches it.
    valid : unsigned(1), out
        One cycle after a transfer.
    entry : fetch_layout(config), out
        What was fetched; while ``valid``.
    x_address, h_address : unsigned, out
        Where the entry stands, for :class:`InputListSignature` and :class:`HiddenListSignature`; while ``valid``.
    list : unsigned(1), out
        In which list; while ``valid``.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            {
                "offer": Out(stream.Signature(offer_layout(config.lanes))),
                "valid": Out(1),
                "entry": Out(fetch_layout(config)),
                "x_address": Out(bits_for(config.inputs) + 1),
                "h_address": Out(config.state_bits + 2),
                "list": Out(1),
            }
        )


class WaitingStepsSignature(wiring.Signature):
    """Steps whose inputs are listed, per input buffer.

    Members
    -------
    full : unsigned(2), out
        Whether a buffer holds a finished list.
    step : array of 2 step_list_layout(config), out
        What it holds; while its bit of ``full`` is set.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__({"full": Out(2), "step": Out(data.ArrayLayout(step_list_layout(config), 2))})


class ListLengthsSignature(wiring.Signature):
    """How much of the lists of h is known; kind 0 is a layer's own list, kind 1 the next layer's x list.

    Members
    -------
    growing : array by kind and list of length_layout(units), out
        Lengths of the lists of the pass that drains; each entry counts from the cycle after it is written.
    done : array by kind and list of length_layout(units), out
        Lengths of the lists of the last drained pass, from the cycle after ``drained``.
    own : array by context and list of length_layout(units), out
        Lengths of every layer's own lists, likewise; contexts as in ``EngineConfig.contexts``.
    drained : unsigned(1), out
        For one cycle: the last entry of a pass is being written.
    sequence : unsigned(1), out
        Of which sequence; while ``drained``.
    """

    def __init__(self, config: EngineConfig) -> None:
        pair = data.ArrayLayout(length_layout(config.units), lists(config))
        super().__init__(
            {
                "growing": Out(data.ArrayLayout(pair, kinds(config))),
                "done": Out(data.ArrayLayout(pair, kinds(config))),
                "own": Out(data.ArrayLayout(pair, config.contexts)),
                "drained": Out(1),
                "sequence": Out(1),
            }
        )


class ProgramSignature(wiring.Signature):
    """The layer record that comes next, from the program store.

    Members
    -------
    record : record_layout(), out
        Its fields; while ``loaded``.
    layer : unsigned, out
        Its layer.
    loaded : unsigned(1), out
        It has been fetched.
    advance : unsigned(1), in
        It is taken: fetch the next layer's, or layer 0's after the last.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            {
                "record": Out(descriptor_layout()),
                "layer": Out(bits_for(config.layers)),
                "loaded": Out(1),
                "advance": In(1),
            }
        )


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

    def __init__(self, config: EngineConfig) -> None:
        place = config.layer_bits + config.active_bits
        super().__init__({"address": Out(place + bits_for(DESCRIPTOR_STRIDE)), "data": Out(32), "valid": Out(1)})


class VerdictSignature(wiring.Signature):
    """The sequencer asks the monitor.

    Members
    -------
    layer, bank, fold : unsigned, out
        Whose verdict.
    level : unsigned(2), in
        The verdict, a ``Precision``, in the same cycle.
    wishes : array of unsigned(2) by layer, in
        Per bank: some judged part moved so much that recomputed sums are wished.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            {
                "layer": Out(bits_for(config.layers)),
                "bank": Out(1),
                "fold": Out(FOLD_BITS),
                "level": In(2),
                "wishes": In(data.ArrayLayout(2, config.layers)),
            }
        )


class StateLoadSignature(wiring.Signature):
    """A layer's h, listed anew.

    Members
    -------
    begin, end : unsigned(1), out
        For one cycle, before the first value and after the last.
    valid : unsigned(1), out
        A value comes; values come in the order of their units.
    sequence : unsigned(1), out
        Whose, from ``begin`` to ``end``.
    h : signed(16), Q1.15, out
        While ``valid``.
    """

    def __init__(self) -> None:
        super().__init__({"begin": Out(1), "end": Out(1), "valid": Out(1), "sequence": Out(1), "h": Out(signed(16))})


class ReloadSignature(wiring.Signature):
    """What pass control and a change of the active count know of each other.

    Members
    -------
    pending : unsigned(1), out
        A step waits.
    start : unsigned(1), out
        It begins a sequence; while ``pending``.
    wanted : unsigned, out
        Index of its active count; while ``pending``.
    quiet : unsigned(1), out
        Nothing is in flight.
    begins : unsigned(1), out
        For one cycle: a pass begins.
    hold : unsigned(1), in
        No step may begin.
    changed : unsigned(1), in
        The step that waits must recompute its sums.
    mask : unsigned, in
        Index of the active count in force.
    """

    def __init__(self) -> None:
        mask = bits_for(ACTIVE_COUNTS)
        super().__init__(
            {
                "pending": Out(1),
                "start": Out(1),
                "wanted": Out(mask),
                "quiet": Out(1),
                "begins": Out(1),
                "hold": In(1),
                "changed": In(1),
                "mask": In(mask),
            }
        )


class ResultSignature(wiring.Signature):
    """A unit's new state.

    Members
    -------
    valid : unsigned(1), out
        At most every ``unit_cycles`` cycles.
    h : signed(16), Q1.15, out
        While ``valid``, as all that follows.
    c : signed(c_width), out
        The cell state, fraction bits by layer.
    place : unsigned(state_bits), out
        Its place in the state memories.
    last : unsigned(1), out
        It is its layer's last active unit.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "h": Out(signed(16)),
                "c": Out(signed(config.c_width)),
                "place": Out(config.state_bits),
                "last": Out(1),
            }
        )


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
