"""MAC of kind `digit`: products from carry chains alone, without multiplier blocks."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring

from lstmith.rtl.array.mac.negated import PARTS, top_operand
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.array.mac.signature import mac_signature
from lstmith.rtl.array.mac.sums import Term, add_terms
from lstmith.rtl.prim.arith import sum_where
from lstmith.rtl.prim.expressed import chain_family

#: Width of a 4-bit weight times the largest operand that meets one.
_PACKED_BITS = 15


class DigitMac(wiring.Component):
    """Four bricks, each a 4-bit part of the weight word times the whole operand: four rows, or joined, two or one.

    A brick is three carry chains whose cells gate and add at once: 19 LUT4 on ECP5 for a 4-bit operand, 43 for one of
    13 bits. What a part's top bit adds comes ready with the operand (``rtl/array/mac/negated.py``).
    It takes one weight word per cycle.

    Parameters
    ----------
    mac : MacParameters
        ``word_bits`` and ``planes`` decide which modes are built.

    Members
    -------
    See :func:`.signature.mac_signature`.
    """

    def __init__(self, mac: MacParameters):
        self._mac = mac
        super().__init__(mac_signature(mac))

    @property
    def latency(self) -> int:
        """Cycles from a word to its products, which are added in that cycle."""
        return 2 if 16 in self._mac.word_bits else 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chains = chain_family(self._mac.family, platform)
        parts = [self._held(m, f"part_{part}", self._brick(m, part, chains)) for part in range(PARTS)]
        rows, widest = parts, self._mac.word_bits[-1]
        if widest > 4:
            rows = [
                self._joined(m, "low_half", parts[0], parts[1], 4, Const(1), chains),
                self._joined(m, "high_half", parts[2], parts[3], 4, Const(1), chains),
            ] * 2
        if widest > 8:
            rows = self._widened(m, rows[0], rows[1], chains) * 2
            parts = [self._held(m, f"held_part_{part}", value[:_PACKED_BITS]) for part, value in enumerate(parts)]
        terms = [self._term(row, part) for row, part in zip(rows, parts, strict=True)]
        add_terms(m, self._mac, self, terms, chains)
        return m

    def _term(self, row: Value, part: Value) -> Term:
        """What a row adds: its own product, or that of its part; of the top plane, in a higher place."""
        widest = self._mac.word_bits[-1]
        if self._mac.planes == 1:
            return Term(row, part, self.split) if widest > 4 and 4 in self._mac.word_bits else Term(row)
        if len(self._mac.word_bits) == 1:
            return Term(row, row << widest, self.raised)
        part = part[:_PACKED_BITS].as_signed()
        return Term(Mux(self.raised, row << 8, row), Mux(self.raised, part << 4, part), self.split)

    def _widened(self, m: Module, low: Signal, high: Signal, chains: str) -> list[Signal]:
        """Products of the word's halves one cycle later; of wide words, the product of both."""
        wide = Signal(name="wide_held", reset_less=True)
        wide_part = Signal(name="wide_part", reset_less=True)
        m.d.sync += [wide_part.eq(self.wide), wide.eq(wide_part)]
        low, high = self._held(m, "low_held", low), self._held(m, "high_held", high)
        whole = self._joined(m, "whole", low, high, 8, wide, chains)
        odd = Signal.like(whole, name="odd_row")
        m.d.comb += odd.eq(Mux(wide, whole, high) if 8 in self._mac.word_bits else whole)
        return [whole, odd]

    def _brick(self, m: Module, part: int, chains: str) -> Value:
        """A part of the word times the operand."""
        bits = self.word[4 * part :][:4]
        top: Value = getattr(self, top_operand(self._mac, part))
        width = len(self.operand) + 1
        # The lowest bit needs no adder. Each chain adds one more bit of the weight to what is above the bits before.
        product: Value = Cat(bits[0] & self.operand[0])
        above: Value = self.operand[1:].as_signed()
        on: Value = bits[0]
        for place, added in enumerate((self.operand, self.operand, top), 1):
            total = self._gated_sum(m, f"part_{part}_{place}", above, on, added, bits[place], width, chains)
            product, above, on = Cat(product[:place], total), total[1:].as_signed(), Const(1)
        return product.as_signed()

    def _joined(self, m: Module, name: str, low: Signal, high: Signal, shift: int, on: Value, chains: str) -> Signal:
        """``low + (high << shift if on else 0)``."""
        joined = Signal(signed(shift + len(high)), name=name)
        kept = low[shift:].as_signed()
        above = self._gated_sum(m, f"{name}_above", kept, Const(1), high, on, len(high), chains)
        m.d.comb += joined.eq(Cat(low[:shift], above))
        return joined

    def _gated_sum(
        self, m: Module, name: str, a: Value, a_on: Value, b: Value, b_on: Value, width: int, chains: str
    ) -> Signal:
        """``(a if a_on else 0) + (b if b_on else 0)``, of ``width`` bits, in a signal of its own."""
        result = Signal(width, name=name)
        m.d.comb += result.eq(sum_where(m, name, a, a_on, b, b_on, width, chains))
        return result

    def _held(self, m: Module, name: str, value: Value) -> Signal:
        """A signed value one cycle later."""
        held = Signal(signed(len(value)), name=name, reset_less=True)
        m.d.sync += held.eq(value)
        return held
