"""MAC of kind `dsp`: the whole operand in one cycle, two multipliers per lane."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import PRECISIONS, EngineConfig

from .ecp5 import chosen_sum, multiplier

#: Distance of the two weights that share a multiplier, in bits: exact for |operand| <= 1023.
PACK_SHIFT = 14


def mac_signature(config: EngineConfig) -> dict[str, wiring.Member]:
    """Ports that every MAC kind has.

    ``word``, ``operand``, ``packed`` (four 4-bit rows) and ``wide`` (one 16-bit row; else two 8-bit rows)
    enter together; ``latency`` cycles later ``enables`` name the gate rows whose products are added,
    and ``split`` repeats ``packed``. ``clear`` bit 0 clears the sums of gates i and f in that cycle, bit 1 those
    of g and o; a sum is never cleared and added to at once. ``run`` enables the clock of cells that have registers of
    their own, which an ``EnableInserter`` around the engine does not reach.
    """
    return {
        "run": In(1, init=1),
        "word": In(16),
        "operand": In(signed(config.operand_width)),
        "packed": In(1),
        "wide": In(1),
        "enables": In(4),
        "split": In(1),
        "clear": In(2),
        "sums": Out(data.ArrayLayout(signed(config.acc_width), 4)),
    }


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
        packs = PRECISIONS[0] in config.precisions
        sums = Array(Signal(signed(config.acc_width), name=f"sum_{row}", reset_less=True) for row in range(4))
        for row, total in enumerate(sums):
            plain = results[row % 2]
            added: Value = total + plain
            if packs:
                pair = results[row // 2]
                other = (pair[PACK_SHIFT:] if row % 2 else pair[:PACK_SHIFT]).as_signed()
                # The low product's sign was taken from the high one: give it back.
                carry = pair[PACK_SHIFT - 1] if row % 2 else Const(0, 0)
                if config.family == "ecp5":
                    added = chosen_sum(m, f"added_{row}", total, plain, other, self.split, carry)
                else:
                    # The carry enters below the lowest bit: one adder, not two.
                    term = Mux(self.split, Cat(carry, other).as_signed(), plain << len(carry))
                    added = (Cat(Const(1, len(carry)), total).as_signed() + term) >> len(carry)
            # A captured row is never added to in the same cycle; the clear is a free synchronous reset.
            with m.If(self.clear[row // 2]):
                m.d.sync += total.eq(0)
            with m.Elif(self.enables[row]):
                m.d.sync += total.eq(added)
            m.d.comb += self.sums[row].eq(total)
        return m

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
