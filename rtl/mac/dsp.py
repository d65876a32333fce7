"""MAC of kind `dsp`: the whole operand in one cycle, two multipliers per lane."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import PRECISIONS, EngineConfig

#: Distance of the two weights that share a multiplier, in bits: exact for |operand| <= 1023.
PACK_SHIFT = 14


def mac_signature(config: EngineConfig) -> dict[str, wiring.Member]:
    """Ports that every MAC kind has.

    ``word``, ``operand``, ``precision``, ``sub`` and ``valid`` enter together; for each of the four
    gate rows ``products[r] + carries[r]``, to be added if ``enables[r]``, leaves ``latency`` cycles later.
    """
    width = product_width(config)
    return {
        "valid": In(1),
        "word": In(16),
        "operand": In(signed(config.operand_width)),
        "precision": In(2),
        "sub": In(2),
        "products": Out(data.ArrayLayout(signed(width), 4)),
        "carries": Out(4),
        "enables": Out(4),
    }


def product_width(config: EngineConfig) -> int:
    """Signed width of a row's product; never wider than the accumulator, whose sums are modular."""
    return min(max(config.precisions) + config.operand_width, config.acc_width)


class DspMac(wiring.Component):
    """Two multipliers: two 8-bit rows, one 16-bit row, or four 4-bit rows packed in pairs.

    Latency 2 cycles, throughput one weight word per cycle.

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
        """Cycles from a word to its products."""
        return 2

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        is_4bit, is_8bit, is_16bit = (self.precision == index for index in range(len(PRECISIONS)))
        width = product_width(config)
        has = {bits: bits in config.precisions for bits in PRECISIONS}

        factors, results = [], []
        for half in range(2):
            factor_width = 18 if has[4] else max(config.precisions) if half == 0 else 8
            factor = Signal(signed(factor_width), name=f"factor_{half}", reset_less=True)
            result = Signal(
                signed(factor_width + config.operand_width),
                name=f"result_{half}",
                reset_less=True,
            )
            factors.append(factor)
            results.append(result)
        operand = Signal(signed(config.operand_width), reset_less=True)
        m.d.sync += operand.eq(self.operand)
        for half, factor in enumerate(factors):
            with m.If(Mux(has[4], is_4bit, 0)):
                low = self.word[8 * half :][:4].as_signed()
                high = self.word[8 * half + 4 :][:4].as_signed()
                # The low product's sign borrows from the high field; take the borrow in advance.
                packed_high = Signal(signed(4), name=f"packed_high_{half}")
                m.d.comb += packed_high.eq(high - low[-1])
                m.d.sync += factor.eq(Cat(low, low[-1].replicate(PACK_SHIFT - 4), packed_high).as_signed())
            with m.Elif(Mux(has[16] and half == 0, is_16bit, 0)):
                m.d.sync += factor.eq(self.word.as_signed())
            with m.Else():
                m.d.sync += factor.eq(self.word[8 * half :][:8].as_signed())
            m.d.sync += results[half].eq(factor * operand)

        # Which rows the word holds, two cycles later beside its products.
        enables = Signal(4)
        with m.If(is_4bit):
            m.d.comb += enables.eq(0b1111)
        with m.Elif(is_8bit):
            m.d.comb += enables.eq(Mux(self.sub[0], 0b1100, 0b0011))
        with m.Elif(is_16bit):
            m.d.comb += enables.eq(1 << self.sub)
        gated, gated_next = Signal(4, reset_less=True), Signal(4, reset_less=True)
        packed, packed_next = Signal(reset_less=True), Signal(reset_less=True)
        wide, wide_next = Signal(reset_less=True), Signal(reset_less=True)
        m.d.sync += [
            gated_next.eq(Mux(self.valid, enables, 0)),
            packed_next.eq(is_4bit),
            wide_next.eq(is_16bit),
            gated.eq(gated_next),
            packed.eq(packed_next),
            wide.eq(wide_next),
        ]
        m.d.comb += self.enables.eq(gated)
        for row in range(4):
            plain = Signal(signed(width), name=f"plain_{row}")
            # At 8 bit rows 0 and 2 come from the first multiplier, 1 and 3 from the second; at 16 all from the first.
            m.d.comb += plain.eq(Mux(Mux(has[16] and row % 2, wide, 0), results[0], results[row % 2]))
            if has[4]:
                source = results[row // 2]
                split = Signal(signed(18), name=f"split_{row}")
                if row % 2:
                    m.d.comb += [
                        split.eq(source[PACK_SHIFT:].as_signed()),
                        self.carries[row].eq(packed & source[PACK_SHIFT - 1]),
                    ]
                else:
                    m.d.comb += split.eq(source[:PACK_SHIFT].as_signed())
                m.d.comb += self.products[row].eq(Mux(packed, split, plain))
            else:
                m.d.comb += self.products[row].eq(plain)
        return m
