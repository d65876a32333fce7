"""Interfaces between the engine's parts, each as the side sees it that drives its first member."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import (
    descriptor_layout,
    entry_layout,
    fetch_layout,
    length_layout,
    lists,
    offer_layout,
    step_list_layout,
)
from lstmith.spec.config import ACTIVE_COUNTS, EngineConfig, bits_for
from lstmith.spec.latency import kinds
from lstmith.spec.layer_descriptor import FOLD_BITS


class ListReadSignature(wiring.Signature):
    """Who reads a segment's lists.

    Members
    -------
    address : unsigned(address_bits), out
        Place of an entry; bits above the place choose among lists of the same kind.
    list : unsigned(1), out
        ``DELTA`` or ``RESTART``; not looked at where there is one list only.
    entry : entry_layout, in
        The entry, ``RAM_LATENCY`` cycles after its address.
    """

    def __init__(self, *, columns: int, address_bits: int, operand_width: int, mixed: bool) -> None:
        entry = entry_layout(columns=columns, operand_width=operand_width, mixed=mixed)
        super().__init__({"address": Out(address_bits), "list": Out(1), "entry": In(entry)})


class InputListSignature(ListReadSignature):
    """Lists of the first layer's input: the address is the place and, above it, the buffer."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            columns=config.inputs,
            address_bits=bits_for(config.inputs) + 1,
            operand_width=config.operand_width,
            mixed=config.mixed,
        )


class HiddenListSignature(ListReadSignature):
    """Lists of h: the address is the unit, the half, the sequence, and whether the next layer's x list is meant."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            columns=config.units,
            address_bits=config.state_bits + 2,
            operand_width=config.operand_width,
            mixed=config.mixed,
        )


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
        pair = data.ArrayLayout(length_layout(config.units), lists(config.mixed))
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

    def __init__(self, *, layers: int) -> None:
        super().__init__(
            {"record": Out(descriptor_layout()), "layer": Out(bits_for(layers)), "loaded": Out(1), "advance": In(1)}
        )


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
