"""The linear systolic array."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.array.lane import Lane, lane_layout
from lstmith.rtl.array.mac import mac_init, mac_operand, mac_word
from lstmith.rtl.array.mac.negated import negated_operand, negated_operands
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.layouts import drain_layout, slot_layout, word_of
from lstmith.rtl.prim.arith import delayed
from lstmith.spec import latency as timing
from lstmith.spec.codes import Gate, Precision
from lstmith.spec.config import EngineConfig


class SystolicArray(wiring.Component):
    """Lanes in a chain: slots enter lane 0 and move away from it, sums drain towards it.

    A slot reaches ``slot_lanes`` lanes at a time. It is decoded once, before lane 0, and its fields are put in the
    order in which a lane's stages need them.

    Parameters
    ----------
    config : EngineConfig
        The array reads ``lanes``, ``weight_depth`` and what :meth:`.MacParameters.of` takes.
    weights : sequence of sequence of int
        Initial weight words, [lanes, up to ``weight_depth``]; may be empty.

    Members
    -------
    i : In(slot_layout)
        Slot for lane 0; a new one every cycle.
    drain : Out(drain_layout)
        Sums from lane 0. For a capture in the slot of cycle n, the first pair of unit l is here in cycle
        ``n + latency + 2l``, its second pair one cycle later; four sums in cycle ``n + latency + unit_place``.

    Raises
    ------
    ValueError
        If there are weights, but not for every lane.
    """

    def __init__(self, config: EngineConfig, weights: Sequence[Sequence[int]] = ()):
        if len(weights) not in (0, config.lanes):
            raise ValueError(f"Array weights must be for {config.lanes} lanes, not {len(weights)!r}")
        self._config, self._mac = config, MacParameters.of(config)
        self._lanes = [
            Lane(
                index=index,
                lanes=config.lanes,
                depth=config.weight_depth,
                mac=self._mac,
                init=mac_init(self._mac, weights[index] if len(weights) else ()),
            )
            for index in range(config.lanes)
        ]
        super().__init__(
            {
                "i": In(slot_layout(config)),
                "drain": Out(drain_layout(acc_width=config.acc_width, rows=config.drain_rows)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a capturing slot at ``i`` to lane 0's pair at ``drain``."""
        return 1 + timing.lane(self._config) + self._lanes[0].drain_latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = self._lanes
        for index, lane in enumerate(lanes):
            m.submodules[f"lane_{index}"] = lane
            if index:
                m.d.comb += lanes[index - 1].drain_i.eq(lane.drain_o)
            if group := index // self._config.slot_lanes:
                m.d.comb += lane.i.eq(lanes[(group - 1) * self._config.slot_lanes].o)
        first = self._first_slot(m)
        m.d.comb += [lane.i.eq(first) for lane in lanes[: self._config.slot_lanes]]
        m.d.comb += self.drain.eq(lanes[0].drain_o)
        return m

    def _first_slot(self, m: Module) -> Signal:
        """The slot as lanes take it."""
        first, mac = self._lanes[0], self._mac
        word = word_of(self.i, self._config)
        is_width = {code: word == code for code in Precision}
        enables, rows = Signal(len(Gate)), Signal(len(Gate))
        with m.If(is_width[Precision.W4]):
            m.d.comb += rows.eq(0b1111)
        with m.Elif(is_width[Precision.W8]):
            m.d.comb += rows.eq(Mux(self.i.sub[0], 0b1100, 0b0011))
        with m.Elif(is_width[Precision.W16]):
            m.d.comb += rows.eq(1 << self.i.sub)
        m.d.comb += enables.eq(Mux(self.i.valid, rows, 0))

        # MAC kinds of lower latency begin later, so that all take the same cycles.
        waits = timing.lane(self._config) - first.latency
        to_word, to_sum = waits + first.word_latency, waits + first.latency
        load, address, lane, data = (
            delayed(m, value, waits, f"first_{name}")
            for name, value in (
                ("load", self.i.load),
                ("address", self.i.address),
                ("lane", self.i.lane),
                ("data", self.i.operand),
            )
        )
        slot = Signal(lane_layout(lanes=self._config.lanes, depth=self._config.weight_depth, mac=mac))
        m.d.comb += [
            slot.address.eq(address),
            slot.load.eq(load),
            slot.lane.eq(lane),
            # A load comes alone, and whole.
            slot.operand.eq(
                Mux(load, mac_word(mac, data), delayed(m, mac_operand(mac, data), first.word_latency, "operand"))
            ),
            slot.packed.eq(delayed(m, is_width[Precision.W4], to_word, "packed")),
            slot.wide.eq(delayed(m, is_width[Precision.W16], to_word, "wide")),
            slot.enables.eq(delayed(m, enables, to_sum, "enables")),
            slot.split.eq(delayed(m, is_width[Precision.W4], to_sum, "split")),
            slot.capture.eq(delayed(m, self.i.capture, to_sum, "capture")),
        ]
        raised: Value = self.i.raised
        if mac.lifts:
            # These are multiplied in their place, so that nothing is left to raise.
            lifted = self.i.raised & is_width[Precision.W8]
            m.d.comb += slot.lifted.eq(delayed(m, lifted, to_word, "lifted"))
            raised = self.i.raised & is_width[Precision.W4]
        if mac.planes == 2:
            m.d.comb += slot.raised.eq(delayed(m, raised, to_sum, "raised"))
        operand = self.i.operand[: mac.operand_width].as_signed()
        for name, shape in negated_operands(mac).items():
            value = Signal(shape, name=f"first_{name}")
            m.d.comb += value.eq(negated_operand(mac, name, operand, is_width))
            m.d.comb += slot[name].eq(delayed(m, value, to_word, name))
        return slot
