"""MAC of kind `dsp`: the whole operand in one cycle, two multipliers per lane."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring

from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.array.mac.signature import mac_signature
from lstmith.rtl.array.mac.sums import Term, add_terms
from lstmith.rtl.prim.ecp5 import multiplier
from lstmith.rtl.prim.expressed import chain_family

#: Distance of the two digits that share a multiplier, in bits: exact for |operand| <= 1023.
PACK_SHIFT = 14
#: Registers that a multiplier of the lanes has of its own.
BESIDE = ("INPUTA", "INPUTB", "OUTPUT")


def packed_word(word: Value) -> Value:
    """A word of 4-bit digits as memories hold it: an upper digit has already lent what a negative lower one borrows."""
    lent = ((word[8 + 4 * half :][:4] - word[4 * half + 3])[:4] for half in range(2))
    return Cat(word[:8], *lent)


def packed_init(word: int) -> int:
    """The same of a number."""
    for half in range(2):
        place = 8 + 4 * half
        lent = (word >> place) - (word >> (4 * half + 3) & 1)
        word = word & ~(15 << place) | (lent & 15) << place
    return word


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

    @property
    def _pack_shift(self) -> int:
        """Distance of the two digits that share a multiplier, in bits.

        With two planes it is as short as the operand allows, so that narrow operands take narrow multipliers.
        """
        return PACK_SHIFT if self._mac.planes == 1 else min(PACK_SHIFT, self._mac.operand_width + 3)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        results = [self._multiplied(m, half) for half in range(2)]
        terms = [self._term(results, row) for row in range(4)]
        add_terms(m, self._mac, self, terms, chain_family(self._mac.family, platform))
        return m

    def _term(self, results: list[Signal], row: int) -> Term:
        """What a row adds: its own product, or its part of a packed pair; of the top plane, in a higher place."""
        mac, own = self._mac, results[row % 2]
        if 4 not in mac.word_bits:
            return Term(own, own << 8, self.raised) if mac.planes == 2 else Term(own)
        half = next(half for half in range(2) if row in self._pair(half))
        pair, upper = results[half], row == self._pair(half)[1]
        digit = (pair[self._pack_shift :] if upper else pair[: self._pack_shift]).as_signed()
        # A negative low product borrowed from the high one: the carry gives it back.
        carry = pair[self._pack_shift - 1] if upper else Const(0, 0)
        if mac.planes == 1:
            return Term(own, digit, self.split, carry)
        # The carry still enters below the lowest bit: it passes through ones to the product's place.
        raised = Cat(carry.replicate(4) if upper else Const(0, 4), digit).as_signed()
        if mac.word_bits == (4,):
            return Term(digit, raised, self.raised, carry, always=True)
        if upper:
            return Term(own, Mux(self.raised, raised, digit), self.split, carry)
        # Low products of a pair lie where 8-bit ones do: only their signs, and bits beside these, differ.
        signs = Mux(self.split, digit[-1].replicate(4), own[self._pack_shift :][:4])
        plain = Cat(own[: self._pack_shift], signs, own[self._pack_shift + 4 :]).as_signed()
        return Term(plain, raised, Cat(self.raised.replicate(self._pack_shift + 4), self.split))

    def _pair(self, half: int) -> tuple[int, int]:
        """Rows whose 4-bit digits share a multiplier, the lower one first.

        With two planes both are rows whose 8-bit digits it takes, so that more products lie on the same wires.
        """
        return (half, half + 2) if self._mac.planes == 2 else (2 * half, 2 * half + 1)

    def _multiplied(self, m: Module, half: int) -> Signal:
        """Product of one half of the word, ``latency`` cycles after it."""
        mac = self._mac
        packs, widens = 4 in mac.word_bits, 16 in mac.word_bits
        width = self._pack_shift + 4 if packs else max(mac.word_bits)
        factor = Signal(signed(width), name=f"factor_{half}")
        byte = self.word[8 * half :][:8].as_signed()
        m.d.comb += factor.eq(byte)
        if widens:
            with m.If(self.wide):
                m.d.comb += factor.eq(self.word.as_signed())
        if mac.lifts:
            with m.If(self.lifted):
                m.d.comb += factor.eq(byte << 8)
        if packs:
            with m.If(Const(1) if mac.packs_memory else self.packed):
                low, high = (self.word[4 * row :][:4].as_signed() for row in self._pair(half))
                # A negative low weight borrows from the high field, so that field holds one less than the weight.
                packed_high = Signal(signed(4), name=f"packed_high_{half}")
                m.d.comb += [
                    packed_high.eq(high if mac.packs_memory else high - low[-1]),
                    factor.eq(Cat(low, low[-1].replicate(self._pack_shift - 4), packed_high).as_signed()),
                ]
        if mac.family == "ecp5" and mac.pipelined:
            # Multipliers stand in columns; the flip-flops of the last stage may stand beside the sum.
            far = multiplier(m, f"multiplier_{half}", factor, self.operand, registers=BESIDE)
            near = Signal.like(far, name=f"near_{half}", reset_less=True)
            m.d.sync += near.eq(far)
            return near
        held = Signal.like(factor, name=f"held_{half}", reset_less=True)
        operand = Signal.like(self.operand, name=f"operand_{half}", reset_less=True)
        m.d.sync += [held.eq(factor), operand.eq(self.operand)]
        product: Value = held * operand
        for stage in range(self.latency - 1):
            result = Signal(signed(width + mac.operand_width), name=f"result_{half}_{stage}", reset_less=True)
            m.d.sync += result.eq(product)
            product = result
        return result
