"""One lane: a weight bank, a MAC with four row sums, and a place in the drain chain."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.array.mac import make_mac
from lstmith.rtl.array.mac.negated import negated_operands
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.array.weight_bank import WeightBank
from lstmith.rtl.layouts import drain_layout
from lstmith.rtl.prim import parameters as check
from lstmith.spec.codes import Gate
from lstmith.spec.config import WEIGHT_WORD_BITS, bits_for


def lane_layout(*, lanes: int, depth: int, mac: MacParameters) -> data.StructLayout:
    """A slot between lanes, each field in the cycle in which its stage needs it.

    ``address``, ``load`` and ``lane`` come first; ``operand``, the negated operands, ``packed`` (four 4-bit rows),
    ``wide`` (one 16-bit row) and ``lifted`` come with the weight word; ``enables`` of the rows, ``split``, ``raised``
    and ``capture`` come with the word's products. A load has address and operand at once. ``raised`` and ``lifted`` are
    there with two planes alone. Of the other fields those that no width needs are there all the same; synthesis drops
    them.
    """
    return data.StructLayout(
        {
            "address": bits_for(depth),
            "load": 1,
            "lane": unsigned(bits_for(lanes)),
            "operand": signed(max(WEIGHT_WORD_BITS, mac.operand_width)),
            **negated_operands(mac),
            "packed": 1,
            "wide": 1,
            **({"lifted": 1} if mac.lifts else {}),
            "enables": len(Gate),
            "split": 1,
            **({"raised": 1} if mac.planes == 2 else {}),
            "capture": 2,
        }
    )


class Lane(wiring.Component):
    """Accumulates the four gate rows of one unit per fold.

    A slot's weight word is read, multiplied and added in a pipeline without handshakes; what each stage needs
    of the slot arrives when the stage does, so nothing waits in the lane. A capture moves one pair of finished
    sums, or all four, into the drain chain and clears them, so that the next fold's first product may follow in the
    very next cycle. The chain moves one lane per cycle towards lane 0: since lane l finishes l cycles late and its
    sums travel l lanes, unit l's two pairs leave lane 0 in cycles 2l and 2l + 1 after the first. Four sums at once
    leave in cycle ``unit_place`` (``spec.latency``).

    Nothing here is reset, since a reset of all lanes would cross the whole device: a slot
    that captures both pairs clears the sums, and whatever was under way before it is gone by then.

    Parameters
    ----------
    index : int
        Position in the chain, 0 to ``lanes - 1``; weight loads name it.
    lanes : int
        Lanes of the chain.
    depth : int
        Weight words of the lane.
    mac : MacParameters
        What multiplies and adds.
    init : iterable of int
        Initial weight words, as :func:`.mac.mac_init` makes them.

    Members
    -------
    i : In(lane_layout)
        Slot; a new one every cycle. What it loads is as :func:`.mac.mac_word` makes it.
    o : Out(lane_layout)
        The same slot one cycle later, for the next lane.
    drain_i : In(drain_layout)
        Sums from the next lane; valid every cycle in which this lane captures none. Where four leave at once, zero in
        every cycle in which it captures.
    drain_o : Out(drain_layout)
        Sums for the previous lane: ``drain_i`` one cycle later, or ``drain_latency`` cycles after the slot at ``o``
        captures, the captured one.

    Raises
    ------
    TypeError
        If a number is no integer.
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, *, index: int, lanes: int, depth: int, mac: MacParameters, init: Iterable[int] = ()):
        self._lanes = check.integer("Lane lanes", lanes, 1)
        self._index = check.integer("Lane index", index, 0, lanes - 1)
        self._bank, self._mac = WeightBank(depth=depth, family=mac.family, init=init), make_mac(mac)
        self._parameters = mac
        self._slot, self._pair = (
            lane_layout(lanes=lanes, depth=depth, mac=mac),
            drain_layout(acc_width=mac.acc_width, rows=mac.drain_rows),
        )
        super().__init__(
            {
                "i": In(self._slot),
                "o": Out(self._slot),
                "drain_i": In(self._pair),
                "drain_o": Out(self._pair),
            }
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
        return 2 if self._parameters.pipelined and self._parameters.drain_rows == 2 else 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bank, m.submodules.mac = bank, mac = self._bank, self._mac
        slot = Signal(self._slot, reset_less=True)
        m.d.sync += slot.eq(self.i)
        m.d.comb += [
            self.o.eq(slot),
            bank.address.eq(slot.address),
            bank.w_data.eq(slot.operand),
            bank.w_en.eq(slot.load & (slot.lane == self._index)),
            mac.word.eq(bank.word),
            mac.operand.eq(slot.operand),
            mac.packed.eq(slot.packed),
            mac.wide.eq(slot.wide),
            mac.enables.eq(slot.enables),
            mac.split.eq(slot.split),
            mac.clear.eq(slot.capture),
            *(getattr(mac, name).eq(slot[name]) for name in negated_operands(self._parameters)),
            *([mac.raised.eq(slot.raised)] if self._parameters.planes == 2 else []),
            *([mac.lifted.eq(slot.lifted)] if self._parameters.lifts else []),
        ]
        m.d.comb += self.drain_o.eq(self._elaborate_drain(m, slot))
        return m

    def _elaborate_drain(self, m: Module, slot: data.View[data.StructLayout]) -> Signal:
        """What the lane gives to the previous one."""
        mac = self._mac
        drain = Signal(self._pair, reset_less=True)
        if self._parameters.drain_rows == 4:
            # Nothing passes while a lane captures, so what comes from the next one is zero then.
            sums = Cat(mac.sums[row] for row in range(len(Gate)))
            m.d.sync += drain.as_value().eq(Mux(slot.capture[0], sums, 0) | self.drain_i.as_value())
            return drain
        pairs = [Signal(self._pair, name=f"pair_{index}") for index in range(2)]
        for index, pair in enumerate(pairs):
            m.d.comb += [pair.first.eq(mac.sums[2 * index]), pair.second.eq(mac.sums[2 * index + 1])]
        if self._parameters.pipelined and self._index == self._lanes - 1:
            # The last lane passes nothing on: one register for both pairs, and no neighbour's pair to choose.
            captured = Signal(self._pair, reset_less=True)
            m.d.sync += [
                captured.eq(Mux(slot.capture[0], pairs[0], Mux(slot.capture[1], pairs[1], 0))),
                drain.eq(captured),
            ]
        elif self._parameters.pipelined:
            # Registers that are zero but for a captured pair cost no lookup table, and spare the multiplexer one.
            captured = [Signal(self._pair.size, name=f"captured_{index}", reset_less=True) for index in range(2)]
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
        return drain
