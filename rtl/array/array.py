"""The linear systolic array."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.array.lane import Lane
from lstmith.rtl.array.mac import mac_operand
from lstmith.rtl.array.mac.multiples import multiple, multiples
from lstmith.rtl.layouts import lane_layout, pair_layout, slot_layout
from lstmith.rtl.prim.arith import delayed
from lstmith.spec import latency as timing
from lstmith.spec.config import PRECISIONS, EngineConfig


class SystolicArray(wiring.Component):
    """Lanes in a chain: slots enter lane 0 and move away from it, sums drain towards it.

    A slot is decoded and its fields are put in the order in which a lane's stages need them once for all lanes.

    Parameters
    ----------
    config : EngineConfig
    weights : sequence of sequence of int
        Initial weight words per lane.

    Members
    -------
    i
        Slot for lane 0.
    drain
        Pairs of sums from lane 0: for a capture in the slot of cycle n, unit l's first pair is here
        in cycle ``n + latency + 2l``, its second one cycle later.
    run
        See :func:`.mac.signature.mac_signature`.
    """

    def __init__(self, config: EngineConfig, weights: Sequence[Sequence[int]] = ()):
        self._config = config
        self._lanes = [Lane(config, index, weights[index] if len(weights) else ()) for index in range(config.lanes)]
        super().__init__({"i": In(slot_layout(config)), "drain": Out(pair_layout(config)), "run": In(1, init=1)})

    @property
    def latency(self) -> int:
        """Cycles from a capturing slot at ``i`` to lane 0's pair at ``drain``."""
        return 1 + timing.lane(self._config) + self._lanes[0].drain_latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes = self._lanes
        for index, lane in enumerate(lanes):
            m.submodules[f"lane_{index}"] = lane
            m.d.comb += lane.run.eq(self.run)
            if index:
                m.d.comb += [lane.i.eq(lanes[index - 1].o), lanes[index - 1].drain_i.eq(lane.drain_o)]
        m.d.comb += [lanes[0].i.eq(self._first_slot(m)), self.drain.eq(lanes[0].drain_o)]
        return m

    def _first_slot(self, m: Module) -> Signal:
        """The slot as lanes take it."""
        first = self._lanes[0]
        is_4bit, is_8bit, is_16bit = (self.i.precision == index for index in range(len(PRECISIONS)))
        enables, rows = Signal(4), Signal(4)
        with m.If(is_4bit):
            m.d.comb += rows.eq(0b1111)
        with m.Elif(is_8bit):
            m.d.comb += rows.eq(Mux(self.i.sub[0], 0b1100, 0b0011))
        with m.Elif(is_16bit):
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
        slot = Signal(lane_layout(self._config))
        m.d.comb += [
            slot.address.eq(address),
            slot.load.eq(load),
            slot.lane.eq(lane),
            # A load comes alone, and whole.
            slot.operand.eq(
                Mux(load, data, delayed(m, mac_operand(self._config, data), first.word_latency, "operand"))
            ),
            slot.packed.eq(delayed(m, is_4bit, to_word, "packed")),
            slot.wide.eq(delayed(m, is_16bit, to_word, "wide")),
            slot.enables.eq(delayed(m, enables, to_sum, "enables")),
            slot.split.eq(delayed(m, is_4bit, to_sum, "split")),
            slot.capture.eq(delayed(m, self.i.capture, to_sum, "capture")),
        ]
        operand = self.i.operand[: self._config.operand_width].as_signed()
        for name, shape in multiples(self._config).items():
            value = Signal(shape, name=f"first_{name}")
            m.d.comb += value.eq(multiple(self._config, name, operand, (is_4bit, is_8bit, is_16bit)))
            m.d.comb += slot[name].eq(delayed(m, value, to_word, name))
        return slot
