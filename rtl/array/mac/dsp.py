"""MAC of kind `dsp`: the whole operand in one cycle, two multipliers per lane."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring

from lstmith.rtl.array.mac.signature import mac_signature
from lstmith.rtl.array.mac.sums import Term, add_terms
from lstmith.rtl.prim.ecp5 import multiplier
from lstmith.spec.config import PRECISIONS, EngineConfig

#: Distance of the two weights that share a multiplier, in bits: exact for |operand| <= 1023.
PACK_SHIFT = 14


class DspMac(wiring.Component):
    """Two multipliers: two 8-bit rows, one 16-bit row, or four 4-bit rows packed in pairs.

    Throughput one weight word per cycle. On ``ecp5`` the multipliers hold the registers, and the carry chains choose
    between the two kinds of products.

    Parameters
    ----------
    config : EngineConfig
        ``precisions`` decides which modes are built.

    Members
    -------
    See :func:`mac_signature`.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(mac_signature(config))

    @property
    def latency(self) -> int:
        """Cycles from a word to its products, which are added in that cycle."""
        return 3 if self._config.pipelined else 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        results = [self._multiplied(m, half) for half in range(2)]
        if PRECISIONS[0] not in config.precisions:
            terms = [Term(results[row % 2]) for row in range(4)]
        else:
            terms = [self._packed_term(results, row) for row in range(4)]
        add_terms(m, config, self, terms)
        return m

    def _packed_term(self, results: list[Signal], row: int) -> Term:
        """A product of a row's own, or its part of a packed pair."""
        pair = results[row // 2]
        other = pair[PACK_SHIFT:] if row % 2 else pair[:PACK_SHIFT]
        # The low product's sign was taken from the high one: give it back.
        carry = pair[PACK_SHIFT - 1] if row % 2 else Const(0, 0)
        return Term(results[row % 2], other.as_signed(), self.split, carry)

    def _multiplied(self, m: Module, half: int) -> Signal:
        """The half's product, ``latency`` cycles after the word."""
        config = self._config
        packs, widens = 4 in config.precisions, 16 in config.precisions
        width = 18 if packs else max(config.precisions)
        factor = Signal(signed(width), name=f"factor_{half}")
        byte = self.word[8 * half :][:8].as_signed()
        m.d.comb += factor.eq(byte)
        if widens:
            with m.If(self.wide):
                m.d.comb += factor.eq(self.word.as_signed())
        if packs:
            with m.If(self.packed):
                low, high = byte[:4].as_signed(), byte[4:].as_signed()
                # The low product's sign borrows from the high field; take the borrow in advance.
                packed_high = Signal(signed(4), name=f"packed_high_{half}")
                m.d.comb += [
                    packed_high.eq(high - low[-1]),
                    factor.eq(Cat(low, low[-1].replicate(PACK_SHIFT - 4), packed_high).as_signed()),
                ]
        if config.family == "ecp5" and config.pipelined:
            return multiplier(m, f"multiplier_{half}", factor, self.operand, self.run)
        held = Signal.like(factor, name=f"held_{half}", reset_less=True)
        operand = Signal.like(self.operand, name=f"operand_{half}", reset_less=True)
        m.d.sync += [held.eq(factor), operand.eq(self.operand)]
        product: Value = held * operand
        for stage in range(self.latency - 1):
            result = Signal(signed(width + config.operand_width), name=f"result_{half}_{stage}", reset_less=True)
            m.d.sync += result.eq(product)
            product = result
        return result
