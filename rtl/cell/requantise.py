"""Requantiser: a row sum to a gate's pre-activation."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import RowScale
from lstmith.rtl.prim.arith import delayed, saturated, shifted_limited
from lstmith.rtl.prim.product import PRODUCT_LATENCY, registered_product
from lstmith.spec.config import (
    BIAS_BITS,
    MANTISSA_BITS,
    PEEP_BITS,
    REQUANT_PRESHIFT,
    SHIFT_BITS,
    Z_BITS,
    EngineConfig,
    bits_for,
)
from lstmith.spec.layer_descriptor import FIELDS

#: Width of a pre-activation with 13 fraction bits, before it is halved and saturated to ``Z_BITS``.
Z13_BITS = 24


class Requantiser(wiring.Component):
    """``z = sat17(((((2 * sat(P << 8 >> shift) + inexact) * mantissa >> s - 1) + bias + peephole) >> 1)``.

    ``inexact`` is 1 if the right shift cuts off any one. It takes one row per cycle.

    Parameters
    ----------
    config : EngineConfig
        The requantiser reads ``acc_width``, ``requant_width``, ``requant_shift``, ``peepholes``, ``c_width``,
        ``pipelined`` and ``family``.
    shifts : sequence of int
        The only shifts that rows have, ascending: then ``shift`` is the place of one of them here. None are named where
        rows may have any.

    Members
    -------
    total : In(signed(acc_width))
        The row's kept sum, P before this step's columns; a new row every cycle.
    added : In(signed(acc_width))
        Sum of this step's columns; beside ``total``.
    shift : In(unsigned)
        The row's shift, or its place, one cycle after ``total``.
    scale : In(RowScale)
        The row's scale, ``scale_delay`` cycles after ``total``.
    updated : Out(signed(acc_width))
        P with this step's columns, one cycle after ``total``.
    z13 : Out(signed(Z13_BITS))
        The pre-activation with 13 fraction bits, one cycle before ``z``, not yet saturated.
    z : Out(signed(Z_BITS))
        The pre-activation, Q5.12, ``latency`` cycles after ``total``.
    peep : In(signed(PEEP_BITS))
        Peephole weight, beside ``total``; 0 for a gate without one. With peepholes only, as the following ports.
    c : In(signed(c_width))
        Cell state that the peephole weight meets; beside ``peep``.
    peep_shift : In(FIELDS["peep_shift"])
        Right shift of their product, which then has 13 fraction bits; beside ``peep``.
    """

    def __init__(self, config: EngineConfig, shifts: Sequence[int] = ()):
        self._config, self._shifts = config, shifts
        members = {
            "total": In(signed(config.acc_width)),
            "added": In(signed(config.acc_width)),
            "shift": In(bits_for(len(shifts)) if shifts else SHIFT_BITS),
            "scale": In(RowScale),
            "updated": Out(signed(config.acc_width)),
            "z13": Out(signed(Z13_BITS)),
            "z": Out(signed(Z_BITS)),
        }
        if config.peepholes:
            members |= {
                "peep": In(signed(PEEP_BITS)),
                "c": In(signed(config.c_width)),
                "peep_shift": In(FIELDS["peep_shift"]),
            }
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Cycles from a sum to ``z``."""
        # Product with the mantissa, bias, with peepholes their share, and the limit of z.
        return self.scale_delay + PRODUCT_LATENCY + 1 + self._config.peepholes + 1

    @property
    def scale_delay(self) -> int:
        """Cycles from a sum to its product with the mantissa, when the scale comes."""
        return 3 + self._config.pipelined

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.d.comb += self.updated.eq(delayed(m, self.total + self.added, 1, "updated"))

        coarse, fine_shift, cut_coarse = self._chosen(m) if self._shifts else self._coarse(m)
        inexact = Signal()
        cut_fine = Cat(coarse[place] & (fine_shift > place) for place in range((1 << len(fine_shift)) - 1)).any()
        m.d.comb += inexact.eq(cut_coarse | cut_fine)
        floor = shifted_limited(m, coarse, fine_shift, config.requant_width - 1, "floor", int(config.pipelined))
        operand = Signal(signed(config.requant_width), reset_less=True)
        m.d.sync += operand.eq(Cat(delayed(m, inexact, int(config.pipelined), "inexact"), floor))

        factor = Signal(signed(MANTISSA_BITS + 1))
        m.d.comb += factor.eq(self.scale.mantissa)
        product = self._product(m, "product", operand, factor)

        bias = Signal(signed(BIAS_BITS), reset_less=True)
        m.d.sync += bias.eq(self.scale.bias)
        total = Signal(signed(Z13_BITS), reset_less=True)
        m.d.sync += total.eq((product >> (config.requant_shift - 1)) + bias)
        if config.peepholes:
            # Beside the scale: peep * c, shifted.
            late = self.scale_delay
            weight, c = delayed(m, self.peep, late, "peep"), delayed(m, self.c, late, "c")
            peep_product = self._product(m, "peep_product", weight, c)
            shifted = Signal(signed(PEEP_BITS + config.c_width), reset_less=True)
            m.d.sync += shifted.eq(peep_product >> delayed(m, self.peep_shift, late + PRODUCT_LATENCY, "peep_shift"))
            summed = Signal(signed(PEEP_BITS + config.c_width + 1), reset_less=True)
            m.d.sync += summed.eq(total + shifted)
            m.d.comb += self.z13.eq(saturated(m, summed, Z13_BITS, "z13_limited"))
        else:
            m.d.comb += self.z13.eq(total)
        m.d.comb += self.z.eq(delayed(m, saturated(m, self.z13 >> 1, Z_BITS, "z_limited"), 1, "z"))
        return m

    def _coarse(self, m: Module) -> tuple[Signal, Value, Signal]:
        """The first cycle of a variable shift: by multiples of eight; the rest, and whether a one was cut off."""
        config = self._config
        width = config.acc_width + REQUANT_PRESHIFT
        coarse = Signal(signed(width), reset_less=True)
        fine_shift = Signal(3, reset_less=True)
        widened = Signal(signed(width))
        m.d.comb += widened.eq(self.updated << REQUANT_PRESHIFT)
        # Whether the coarse shift cuts off a one, byte by byte; what the preshift filled in holds none.
        cut = [
            self.updated[8 * byte : 8 * byte + 8].any() & (self.shift[3:] > byte + REQUANT_PRESHIFT // 8)
            for byte in range(-(-config.acc_width // 8))
        ]
        cut_coarse = Signal(reset_less=True)
        m.d.sync += [
            coarse.eq(widened >> Cat(Const(0, 3), self.shift[3:])),
            fine_shift.eq(self.shift[:3]),
            cut_coarse.eq(Cat(*cut).any()),
        ]
        return coarse, fine_shift, cut_coarse

    def _chosen(self, m: Module) -> tuple[Signal, Value, Signal]:
        """One of a few shifts, in the same cycle; no rest."""
        config, least = self._config, self._shifts[0]
        width = max(config.acc_width + REQUANT_PRESHIFT - least, config.requant_width - 1)
        shifted, cut = Signal(signed(width), reset_less=True), Signal(reset_less=True)
        with m.Switch(self.shift):
            for place, shift in enumerate(self._shifts):
                with m.Case(place) if place + 1 < len(self._shifts) else m.Default():
                    m.d.sync += [
                        shifted.eq((self.updated << REQUANT_PRESHIFT) >> shift),
                        cut.eq(self.updated[: max(0, shift - REQUANT_PRESHIFT)].any()),
                    ]
        return shifted, Const(0, 0), cut

    def _product(self, m: Module, name: str, a: Value, b: Value) -> Signal:
        config = self._config
        return registered_product(m, name, a, b, family=config.family, pipelined=config.pipelined)
