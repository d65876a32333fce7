"""Requantiser: a row sum to a gate's pre-activation."""

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import RowScale
from lstmith.rtl.prim.arith import delayed, saturated, shifted_limited
from lstmith.rtl.prim.product import registered_product
from lstmith.spec.config import BIAS_BITS, MANTISSA_BITS, PEEP_BITS, REQUANT_PRESHIFT, SHIFT_BITS, Z_BITS, EngineConfig
from lstmith.spec.latency import requantise


class Requantiser(wiring.Component):
    """``z = sat17(((((2 * sat(P << 8 >> shift) + inexact) * mantissa >> s - 1) + bias + peephole) >> 1)``.

    ``inexact`` is 1 if the right shift cuts off any one. Throughput one row per cycle.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    total : signed(acc_width)
        The row's sum in the previous step's terms: P before this step's columns.
    added : signed(acc_width)
        This step's columns.
    shift : unsigned(6)
        Of the row, one cycle later.
    scale : RowScale
        Of the row, ``scale_delay`` cycles later.
    peep, c, peep_shift
        Peephole weight, cell state and shift (with peepholes only); ``peep`` is 0 where none applies.
    run
        Clock enable of multipliers that have registers.
    updated : signed(acc_width)
        P, one cycle later.
    z13 : signed(24)
        The pre-activation with 13 fraction bits, one cycle before ``z``, unsaturated.
    z : signed(17), Q5.12
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        members = {
            "total": In(signed(config.acc_width)),
            "added": In(signed(config.acc_width)),
            "shift": In(SHIFT_BITS),
            "scale": In(RowScale),
            "run": In(1, init=1),
            "updated": Out(signed(config.acc_width)),
            "z13": Out(signed(24)),
            "z": Out(signed(Z_BITS)),
        }
        if config.peepholes:
            members |= {
                "peep": In(signed(PEEP_BITS)),
                "c": In(signed(config.c_width)),
                "peep_shift": In(5),
            }
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Cycles from a sum to ``z``."""
        return requantise(self._config)

    @property
    def scale_delay(self) -> int:
        """Cycles from a sum to its product with the mantissa, when the scale comes."""
        return 3 + self._config.pipelined

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.d.sync += self.updated.eq(self.total + self.added)

        # The variable shift takes two cycles: by multiples of eight, then by the rest.
        width = config.acc_width + REQUANT_PRESHIFT
        coarse = Signal(signed(width))
        fine_shift = Signal(3)
        widened = Signal(signed(width))
        m.d.comb += widened.eq(self.updated << REQUANT_PRESHIFT)
        # Whether the coarse shift cuts off a one, byte by byte; what the preshift filled in holds none.
        cut = [
            self.updated[8 * byte : 8 * byte + 8].any() & (self.shift[3:] > byte + REQUANT_PRESHIFT // 8)
            for byte in range(-(-config.acc_width // 8))
        ]
        cut_coarse = Signal()
        m.d.sync += [
            coarse.eq(widened >> Cat(Const(0, 3), self.shift[3:])),
            fine_shift.eq(self.shift[:3]),
            cut_coarse.eq(Cat(*cut).any()),
        ]
        inexact = Signal()
        cut_fine = Cat(coarse[place] & (fine_shift > place) for place in range(7)).any()
        m.d.comb += inexact.eq(cut_coarse | cut_fine)
        floor = shifted_limited(m, coarse, fine_shift, config.requant_width - 1, "floor", int(config.pipelined))
        operand = Signal(signed(config.requant_width), reset_less=True)
        m.d.sync += operand.eq(Cat(delayed(m, inexact, int(config.pipelined), "inexact"), floor))

        factor = Signal(signed(MANTISSA_BITS + 1))
        m.d.comb += factor.eq(self.scale.mantissa)
        product = registered_product(m, "product", operand, factor, config, self.run)

        bias = Signal(signed(BIAS_BITS))
        m.d.sync += bias.eq(self.scale.bias)
        total = Signal(signed(24))
        m.d.sync += total.eq((product >> (config.requant_shift - 1)) + bias)
        if config.peepholes:
            # Beside the scale: peep * c, shifted.
            late = self.scale_delay
            weight, c = delayed(m, self.peep, late, "peep"), delayed(m, self.c, late, "c")
            peep_product = registered_product(m, "peep_product", weight, c, config, self.run)
            shifted = Signal(signed(PEEP_BITS + config.c_width))
            m.d.sync += shifted.eq(peep_product >> delayed(m, self.peep_shift, late + 1, "peep_shift"))
            summed = Signal(signed(PEEP_BITS + config.c_width + 1))
            m.d.sync += summed.eq(total + shifted)
            m.d.comb += self.z13.eq(saturated(m, summed, 24, "z13_limited"))
        else:
            m.d.comb += self.z13.eq(total)
        m.d.sync += self.z.eq(saturated(m, self.z13 >> 1, Z_BITS, "z_limited"))
        return m
