"""One lane: a weight bank, a MAC, four row sums, and a place in the drain chain."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth.hdl import Array, Cat, Const, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import EngineConfig

from .mac import make_mac
from .types import pair_layout, slot_layout
from .weights import WeightBank


class Lane(wiring.Component):
    """Accumulates the four gate rows of one unit per fold.

    A slot's weight word is read, multiplied and added in a pipeline of ``latency`` cycles without
    handshakes. A capture moves one pair of finished sums into the drain chain and clears them, so
    that the next fold's first product may follow in the very next cycle. The chain moves one lane
    per cycle towards lane 0: since lane l finishes l cycles late and its sums travel l lanes, unit
    l's two pairs leave lane 0 in cycles 2l and 2l + 1 after the first.

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
    """

    def __init__(self, config: EngineConfig, index: int, init: Iterable[int] = ()):
        if not 0 <= index < config.lanes:
            raise ValueError(f"Lane index must be below {config.lanes}, not {index!r}")
        self._config, self._index, self._init = config, index, list(init)
        slot, pair = slot_layout(config), pair_layout(config)
        super().__init__({"i": In(slot), "o": Out(slot), "drain_i": In(pair), "drain_o": Out(pair)})

    @property
    def latency(self) -> int:
        """Cycles from a slot's presence in the lane to its addition."""
        return 4

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.bank = bank = WeightBank(config, self._init)
        m.submodules.mac = mac = make_mac(config)
        if bank.latency + mac.latency != self.latency:
            raise ValueError(f"MAC latency must be {self.latency - bank.latency}, not {mac.latency!r}")

        slot = Signal(slot_layout(config), reset_less=True)
        m.d.sync += slot.eq(self.i)
        m.d.comb += [
            self.o.eq(slot),
            bank.address.eq(slot.address),
            bank.w_data.eq(slot.operand),
            bank.w_en.eq(slot.load & (slot.lane == self._index)),
        ]

        # What the MAC needs beside the word, delayed by the bank; what the sums need, by bank and MAC.
        at_mac = _delayed(m, slot, bank.latency, ("valid", "operand", "precision", "sub", "capture"))
        m.d.comb += [
            mac.valid.eq(at_mac["valid"]),
            mac.word.eq(bank.word),
            mac.operand.eq(at_mac["operand"]),
            mac.precision.eq(at_mac["precision"]),
            mac.sub.eq(at_mac["sub"]),
        ]
        capture = at_mac["capture"]
        for stage in range(mac.latency):
            delayed = Signal(2, name=f"capture_mac_{stage}", reset_less=True)
            m.d.sync += delayed.eq(capture)
            capture = delayed

        sums = Array(Signal(signed(config.acc_width), name=f"sum_{row}", reset_less=True) for row in range(4))
        for row, total in enumerate(sums):
            # A captured row is never added to in the same cycle; the clear is a free synchronous reset.
            with m.If(capture[row // 2]):
                m.d.sync += total.eq(0)
            with m.Elif(mac.enables[row]):
                # The carry enters below the lowest bit: one adder, not two.
                added = Cat(Const(1, 1), total).as_signed() + Cat(mac.carries[row], mac.products[row]).as_signed()
                m.d.sync += total.eq(added >> 1)
        pair = Signal(pair_layout(config), reset_less=True)
        with m.If(capture[0]):
            m.d.sync += [pair.first.eq(sums[0]), pair.second.eq(sums[1])]
        with m.Elif(capture[1]):
            m.d.sync += [pair.first.eq(sums[2]), pair.second.eq(sums[3])]
        with m.Else():
            m.d.sync += pair.eq(self.drain_i)
        m.d.comb += self.drain_o.eq(pair)
        return m


def _delayed(m: Module, slot: Signal, cycles: int, names: tuple[str, ...]) -> dict[str, Signal]:
    """Delay some of a slot's fields."""
    fields = {name: slot[name] for name in names}
    for stage in range(cycles):
        later = {}
        for name, value in fields.items():
            later[name] = Signal.like(value, name=f"{name}_{stage}", reset_less=True)
            m.d.sync += later[name].eq(value)
        fields = later
    return fields
