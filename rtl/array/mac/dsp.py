"""MAC of kind `dsp`: the whole operand in one cycle, two multipliers per lane."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring

from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.array.mac.signature import mac_signature
from lstmith.rtl.array.mac.sums import Row, add_terms, with_planes
from lstmith.rtl.prim.ecp5 import multiplier

#: Distance of the two weights that share a multiplier, in bits: exact for |operand| <= 1023.
PACK_SHIFT = 14
#: Width of a factor that holds two 4-bit weights.
_PACKED_BITS = PACK_SHIFT + 4


class DspMac(wiring.Component):
    """Two multipliers: two 8-bit rows, one 16-bit row, or four 4-bit rows packed in pairs.

    It takes one weight word per cycle. On ``ecp5`` the multipliers hold the registers, and the carry chains choose
    between the two kinds of products.

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
        return 3 if self._mac.pipelined else 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        mac = self._mac
        results = [self._multiplied(m, half) for half in range(2)]
        add_terms(m, mac, self, [with_planes(mac, self, self._row(results, row)) for row in range(4)])
        return m

    def _row(self, results: list[Signal], row: int) -> Row:
        """A row's own product, and its part of a packed pair."""
        pair = results[row // 2]
        if 4 not in self._mac.word_bits:
            return Row(results[row % 2])
        digit = pair[PACK_SHIFT:] if row % 2 else pair[:PACK_SHIFT]
        # A negative low product borrowed from the high one: the carry gives it back.
        carry = pair[PACK_SHIFT - 1] if row % 2 else Const(0, 0)
        return Row(results[row % 2], digit.as_signed(), carry)

    def _multiplied(self, m: Module, half: int) -> Signal:
        """Product of one half of the word, ``latency`` cycles after it."""
        mac = self._mac
        packs, widens = 4 in mac.word_bits, 16 in mac.word_bits
        width = _PACKED_BITS if packs else max(mac.word_bits)
        factor = Signal(signed(width), name=f"factor_{half}")
        byte = self.word[8 * half :][:8].as_signed()
        low, high = byte[:4].as_signed(), byte[4:].as_signed()
        # A negative low weight borrows from the high field, so that field holds one less than the weight.
        packed_high = Signal(signed(4), name=f"packed_high_{half}")
        m.d.comb += packed_high.eq(high - low[-1])
        packed = Cat(low, low[-1].replicate(PACK_SHIFT - 4), packed_high).as_signed()
        m.d.comb += factor.eq(packed if mac.word_bits == (4,) else byte)
        if widens:
            with m.If(self.wide):
                m.d.comb += factor.eq(self.word.as_signed())
        if mac.lifts:
            with m.If(self.lifted):
                m.d.comb += factor.eq(byte << 8)
        if packs and mac.word_bits != (4,):
            with m.If(self.packed):
                m.d.comb += factor.eq(packed)
        if mac.family == "ecp5" and mac.pipelined:
            return multiplier(m, f"multiplier_{half}", factor, self.operand, self.run)
        held = Signal.like(factor, name=f"held_{half}", reset_less=True)
        operand = Signal.like(self.operand, name=f"operand_{half}", reset_less=True)
        m.d.sync += [held.eq(factor), operand.eq(self.operand)]
        product: Value = held * operand
        for stage in range(self.latency - 1):
            result = Signal(signed(width + mac.operand_width), name=f"result_{half}_{stage}", reset_less=True)
            m.d.sync += result.eq(product)
            product = result
        return result
