"""MAC of kind `dsp`: the whole operand in one cycle, two multipliers per lane."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring

from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.array.mac.signature import mac_signature
from lstmith.rtl.array.mac.sums import Term, add_terms
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
        ``precisions`` decides which modes are built.

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
        if 4 not in mac.precisions:
            terms = [Term(results[row % 2]) for row in range(4)]
        else:
            terms = [self._packed_term(results, row) for row in range(4)]
        add_terms(m, mac, self, terms)
        return m

    def _packed_term(self, results: list[Signal], row: int) -> Term:
        """A row's own product, or its part of a packed pair."""
        pair = results[row // 2]
        other = pair[PACK_SHIFT:] if row % 2 else pair[:PACK_SHIFT]
        # A negative low product borrowed from the high one: the carry gives it back.
        carry = pair[PACK_SHIFT - 1] if row % 2 else Const(0, 0)
        return Term(results[row % 2], other.as_signed(), self.split, carry)

    def _multiplied(self, m: Module, half: int) -> Signal:
        """Product of one half of the word, ``latency`` cycles after it."""
        mac = self._mac
        packs, widens = 4 in mac.precisions, 16 in mac.precisions
        width = _PACKED_BITS if packs else max(mac.precisions)
        factor = Signal(signed(width), name=f"factor_{half}")
        byte = self.word[8 * half :][:8].as_signed()
        m.d.comb += factor.eq(byte)
        if widens:
            with m.If(self.wide):
                m.d.comb += factor.eq(self.word.as_signed())
        if packs:
            with m.If(self.packed):
                low, high = byte[:4].as_signed(), byte[4:].as_signed()
                # A negative low weight borrows from the high field, so that field holds one less than the weight.
                packed_high = Signal(signed(4), name=f"packed_high_{half}")
                m.d.comb += [
                    packed_high.eq(high - low[-1]),
                    factor.eq(Cat(low, low[-1].replicate(PACK_SHIFT - 4), packed_high).as_signed()),
                ]
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
