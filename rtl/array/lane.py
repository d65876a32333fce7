"""One lane: a weight bank, a MAC with four row sums, and a place in the drain chain."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.array.mac import make_mac
from lstmith.rtl.array.mac.multiples import multiples
from lstmith.rtl.array.weight_bank import WeightBank
from lstmith.rtl.layouts import lane_layout, pair_layout
from lstmith.spec.config import EngineConfig


class Lane(wiring.Component):
    """Accumulates the four gate rows of one unit per fold.

    A slot's weight word is read, multiplied and added in a pipeline without handshakes; what each stage needs
    of the slot arrives when the stage does, so nothing waits in the lane. A capture moves one pair of finished
    sums into the drain chain and clears them, so that the next fold's first product may follow in the
    very next cycle. The chain moves one lane per cycle towards lane 0: since lane l finishes l cycles late and its
    sums travel l lanes, unit l's two pairs leave lane 0 in cycles 2l and 2l + 1 after the first.

    Nothing here is reset, since a reset of all lanes would cross the whole device: a slot
    that captures both pairs clears the sums, and whatever was under way before it is gone by then.

    Parameters
    ----------
    config : EngineConfig
    index : int
        Position in the chain; weight loads name it.
    init : iterable of int
        Initial weight words.

    Members
    -------
    i, o
        Slot in, and the same slot one cycle later for the next lane.
    drain_i, drain_o
        Drain chain from the next lane, and towards the previous one.
    run
        See :func:`.mac.signature.mac_signature`.
    """

    def __init__(self, config: EngineConfig, index: int, init: Iterable[int] = ()):
        if not 0 <= index < config.lanes:
            raise ValueError(f"Lane index must be below {config.lanes}, not {index!r}")
        self._config, self._index = config, index
        self._bank, self._mac = WeightBank(config, init), make_mac(config)
        slot, pair = lane_layout(config), pair_layout(config)
        super().__init__(
            {"i": In(slot), "o": Out(slot), "drain_i": In(pair), "drain_o": Out(pair), "run": In(1, init=1)}
        )

    @property
    def word_latency(self) -> int:
        """Cycles from an address in the lane to its word, when the operand comes."""
        return self._bank.latency

    @property
    def latency(self) -> int:
        """Cycles from an address in the lane to the addition of its products, when enables and captures come."""
        return self._bank.latency + self._mac.latency

    @property
    def drain_latency(self) -> int:
        """Cycles from a capture to its pair in the drain chain."""
        return 2 if self._config.pipelined else 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bank, m.submodules.mac = bank, mac = self._bank, self._mac
        slot = Signal(lane_layout(self._config), reset_less=True)
        m.d.sync += slot.eq(self.i)
        m.d.comb += [
            self.o.eq(slot),
            bank.address.eq(slot.address),
            bank.w_data.eq(slot.operand),
            bank.w_en.eq(slot.load & (slot.lane == self._index)),
            mac.run.eq(self.run),
            mac.word.eq(bank.word),
            mac.operand.eq(slot.operand),
            mac.packed.eq(slot.packed),
            mac.wide.eq(slot.wide),
            mac.enables.eq(slot.enables),
            mac.split.eq(slot.split),
            mac.clear.eq(slot.capture),
            *(getattr(mac, name).eq(slot[name]) for name in multiples(self._config)),
        ]

        layout = pair_layout(self._config)
        pairs = [Signal(layout, name=f"pair_{index}") for index in range(2)]
        for index, pair in enumerate(pairs):
            m.d.comb += [pair.first.eq(mac.sums[2 * index]), pair.second.eq(mac.sums[2 * index + 1])]
        drain = Signal(layout, reset_less=True)
        if self._config.pipelined and self._index == self._config.lanes - 1:
            # The last lane passes nothing on: one register for both pairs, and none of its neighbour's to choose.
            captured = Signal(layout, reset_less=True)
            m.d.sync += [
                captured.eq(Mux(slot.capture[0], pairs[0], Mux(slot.capture[1], pairs[1], 0))),
                drain.eq(captured),
            ]
        elif self._config.pipelined:
            # Registers that are zero but for a captured pair cost no lookup table, and spare the multiplexer one.
            captured = [Signal(layout.size, name=f"captured_{index}", reset_less=True) for index in range(2)]
            captures = Signal(reset_less=True)
            for index, (register, pair) in enumerate(zip(captured, pairs, strict=True)):
                m.d.sync += register.eq(Mux(slot.capture[index], pair, 0))
            m.d.sync += [
                captures.eq(slot.capture.any()),
                drain.eq(Mux(captures, captured[0] | captured[1], self.drain_i)),
            ]
        else:
            with m.If(slot.capture[0]):
                m.d.sync += drain.eq(pairs[0])
            with m.Elif(slot.capture[1]):
                m.d.sync += drain.eq(pairs[1])
            with m.Else():
                m.d.sync += drain.eq(self.drain_i)
        m.d.comb += self.drain_o.eq(drain)
        return m
