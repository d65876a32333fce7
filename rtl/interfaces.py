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
from lstmith.spec.config import ACTIVE_COUNTS, PROGRAMS, EngineConfig, bits_for
from lstmith.spec.latency import kinds
from lstmith.spec.layer_descriptor import FOLD_BITS


class ListReadSignature(wiring.Signature):
    """Who reads a segment's lists.

    Members
    -------
    address : Out(address_bits)
        Place of an entry; bits above the place choose among lists of the same kind.
    list : Out(1)
        ``DELTA`` or ``RESTART``; not looked at where there is one list only.
    entry : In(entry_layout)
        The entry, ``RAM_LATENCY`` cycles after its address.
    """

    def __init__(self, *, columns: int, address_bits: int, operand_width: int, planes: int) -> None:
        entry = entry_layout(columns=columns, operand_width=operand_width, planes=planes)
        super().__init__({"address": Out(address_bits), "list": Out(1), "entry": In(entry)})


class InputListSignature(ListReadSignature):
    """Lists of the first layer's input: the address is the place and, above it, the buffer."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            columns=config.x_columns,
            address_bits=bits_for(config.x_entries) + 1,
            operand_width=config.operand_width,
            planes=config.planes,
        )


class HiddenListSignature(ListReadSignature):
    """Lists of h: the address is the unit, the half, the sequence, and whether the next layer's x list is meant."""

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            columns=config.units,
            address_bits=config.state_bits + 2,
            operand_width=config.operand_width,
            planes=config.planes,
        )


class FetchSignature(wiring.Signature):
    """List entries on their way from the sequencer to the slot issuer.

    Members
    -------
    offer : Out(stream of offer_layout(lanes, single_rows=single_rows))
        An entry that may be fetched; a transfer fetches it.
    valid : Out(1)
        One cycle after a transfer.
    entry : Out(fetch_layout(config))
        What was fetched; while ``valid``.
    x_address : Out(unsigned)
        Where the entry stands in an :class:`InputListSignature`; while ``valid``.
    h_address : Out(unsigned)
        Where it stands in a :class:`HiddenListSignature`; while ``valid``.
    list : Out(1)
        In which list; while ``valid``.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            {
                "offer": Out(stream.Signature(offer_layout(config.lanes, single_rows=config.single_rows))),
                "valid": Out(1),
                "entry": Out(fetch_layout(config)),
                "x_address": Out(bits_for(config.x_entries) + 1),
                "h_address": Out(config.state_bits + 2),
                "list": Out(1),
            }
        )


class WaitingStepsSignature(wiring.Signature):
    """Steps whose inputs are listed, per input buffer.

    Members
    -------
    full : Out(2)
        Whether a buffer holds a finished list.
    step : Out(array of 2 step_list_layout(config))
        What it holds; while its bit of ``full`` is set.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__({"full": Out(2), "step": Out(data.ArrayLayout(step_list_layout(config), 2))})


class ListLengthsSignature(wiring.Signature):
    """How much of the lists of h is known; kind 0 is a layer's own list, kind 1 the next layer's x list.

    Members
    -------
    growing : Out(array by kind and list of length_layout(units))
        Lengths of the lists of the pass that drains; each entry counts from the cycle after it is written.
    done : Out(array by kind and list of length_layout(units))
        Lengths of the lists of the last drained pass, from the cycle after ``drained``.
    own : Out(array by context and list of length_layout(units))
        Lengths of every layer's own lists, likewise; contexts as in ``EngineConfig.contexts``.
    drained : Out(1)
        For one cycle: the last entry of a pass is being written.
    sequence : Out(1)
        Of which sequence; while ``drained``.
    """

    def __init__(self, config: EngineConfig) -> None:
        pair = data.ArrayLayout(length_layout(config.units, config.planes), lists(config.planes))
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
    """The layer descriptor that comes next, from the program store.

    Members
    -------
    descriptor : Out(descriptor_layout(verdicts=verdicts, counts=counts))
        Its fields; while ``loaded``.
    layer : Out(unsigned)
        Its layer.
    loaded : Out(1)
        It has been fetched.
    advance : In(1)
        It is taken: fetch the next layer's, or layer 0's after the last.
    """

    def __init__(self, *, layers: int, verdicts: bool = False, counts: bool = False) -> None:
        super().__init__(
            {
                "descriptor": Out(descriptor_layout(verdicts=verdicts, counts=counts)),
                "layer": Out(bits_for(layers)),
                "loaded": Out(1),
                "advance": In(1),
            }
        )

    @classmethod
    def of(cls, config: EngineConfig) -> ProgramSignature:
        """That of an engine."""
        return cls(layers=config.layers, verdicts=config.verdicts, counts=config.active_counts > 1)


class DescriptorSelectSignature(wiring.Signature):
    """The program store is asked for a given descriptor instead of the next.

    Members
    -------
    valid : Out(1)
        For one cycle.
    layer : Out(unsigned)
        Its layer; while ``valid``.
    mask : Out(unsigned)
        Index of its active count; while ``valid``.
    program : Out(unsigned)
        Its program; while ``valid``.
    """

    def __init__(self, *, layers: int) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "layer": Out(bits_for(layers)),
                "mask": Out(bits_for(ACTIVE_COUNTS)),
                "program": Out(bits_for(PROGRAMS)),
            }
        )


class DeferralSignature(wiring.Signature):
    """The monitor tells the encoders where the low plane is deferred, step by step.

    Decisions are kept for as many steps as ``spec.monitor_rule`` has lags; ``step`` numbers counted steps modulo 4.

    Members
    -------
    layer : Out(unsigned)
        The layer whose columns are listed.
    step : Out(2)
        The step that was judged, modulo 4.
    fold : Out(FOLD_BITS)
        The fold of the column's unit, 0 where a layer is judged as a whole.
    defers : In(1)
        The decision, in the same cycle.
    """

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(
            {
                "layer": Out(bits_for(config.layers)),
                "step": Out(2),
                "fold": Out(FOLD_BITS),
                "defers": In(1),
            }
        )


class StateLoadSignature(wiring.Signature):
    """A layer's h, listed anew.

    Members
    -------
    begin : Out(1)
        For one cycle, before the first value.
    end : Out(1)
        For one cycle, after the last value has been listed.
    valid : Out(1)
        A value comes; values come in the order of their units.
    sequence : Out(1)
        Whose, from ``begin`` to ``end``.
    h : Out(signed(16), Q1.15)
        While ``valid``.
    """

    def __init__(self) -> None:
        super().__init__({"begin": Out(1), "end": Out(1), "valid": Out(1), "sequence": Out(1), "h": Out(signed(16))})


class ReloadSignature(wiring.Signature):
    """What pass control and a change of the active count or of the program know of each other.

    Members
    -------
    pending : Out(1)
        A step waits.
    start : Out(1)
        It begins a sequence; while ``pending``.
    restart : Out(1)
        With several active counts: it begins in loaded states; while ``pending``.
    wanted : Out(unsigned)
        Index of its active count; while ``pending``.
    program : Out(unsigned)
        Its program; while ``pending``.
    quiet : Out(1)
        Nothing is in flight.
    begins : Out(1)
        For one cycle: a pass begins.
    hold : In(1)
        No step may begin.
    changed : In(1)
        The step that waits must recompute its sums.
    mask : In(unsigned)
        Index of the active count in force.
    """

    def __init__(self, *, counts: bool) -> None:
        mask = bits_for(ACTIVE_COUNTS)
        super().__init__(
            {
                "pending": Out(1),
                "start": Out(1),
                **({"restart": Out(1)} if counts else {}),
                "wanted": Out(mask),
                "program": Out(bits_for(PROGRAMS)),
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
    valid : Out(1)
        At most every ``unit_cycles`` cycles.
    h : Out(signed(16), Q1.15)
        While ``valid``, as all that follows.
    c : Out(signed(c_width))
        The cell state, fraction bits by layer.
    place : Out(state_bits)
        Its place in the state memories.
    last : Out(1)
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
