"""Sigma and tanh by one interpolated table."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.activation import SEGMENT_BITS, SEGMENTS, SLOPE_BITS, tanh_table
from lstmith.golden.config import H_FRAC, Z_BITS

from .arith import delayed
from .ram import Ram


class Activation(wiring.Component):
    """sigma or tanh of a Q5.12 argument. Latency 6 cycles, throughput one per cycle.

    Members
    -------
    z : signed(17), Q5.12
    is_tanh : which function
    y : signed(16), Q1.15; sigma lies in 0..32767
    """

    z: In(signed(Z_BITS))
    is_tanh: In(1)
    y: Out(signed(16))

    @property
    def latency(self) -> int:
        """Cycles from ``z`` to ``y``."""
        return 6

    def elaborate(self, platform: object) -> Module:
        m = Module()
        segment_layout = data.StructLayout({"value": H_FRAC, "rise": SLOPE_BITS})
        values, rises = tanh_table()
        init = [{"value": int(value), "rise": int(rise)} for value, rise in zip(values, rises, strict=True)]
        m.submodules.table = table = Ram(segment_layout, SEGMENTS, init)

        # Both functions are odd about their centre: look up the magnitude, put the sign back at the end.
        # sigma's argument is halved by reading z, which has 12 fraction bits, as having 13.
        magnitude, doubled, argument = Signal(17), Signal(18), Signal(16)
        m.d.comb += [
            magnitude.eq(Mux(self.z < 0, -self.z, self.z)),
            doubled.eq(magnitude << self.is_tanh),
        ]
        m.d.sync += argument.eq(Mux(doubled[16:].any(), 0xFFFF, doubled))
        m.d.comb += table.r_addr.eq(argument[SEGMENT_BITS:])
        fraction = delayed(m, argument[:SEGMENT_BITS], table.latency, "fraction")

        # rise * fraction from adders: 11 x 8 bits would waste a DSP where the lanes need them all.
        partials = [Mux(fraction[bit], table.r_data.rise, 0) << bit for bit in range(SEGMENT_BITS)]
        halves = [Signal(SLOPE_BITS + 4, name="low_half"), Signal(SLOPE_BITS + 8, name="high_half")]
        for half, terms in zip(halves, (partials[:4], partials[4:]), strict=True):
            m.d.sync += half.eq((terms[0] + terms[1]) + (terms[2] + terms[3]))
        base, value = Signal(H_FRAC), Signal(H_FRAC)
        m.d.sync += base.eq(table.r_data.value)
        product = Signal(SLOPE_BITS + SEGMENT_BITS + 1)
        m.d.comb += product.eq(halves[0] + halves[1] + (1 << (SEGMENT_BITS - 1)))
        m.d.sync += value.eq(base + (product >> SEGMENT_BITS))

        flags = Signal(2)
        m.d.comb += flags.eq(self.is_tanh << 1 | (self.z < 0))
        for stage in range(self.latency - 1):
            later = Signal(2, name=f"flags_{stage}")
            m.d.sync += later.eq(flags)
            flags = later
        signed_value = Signal(signed(H_FRAC + 1))
        m.d.comb += signed_value.eq(Mux(flags[0], -value, value))
        m.d.sync += self.y.eq(Mux(flags[1], signed_value, ((1 << H_FRAC) + 1 + signed_value) >> 1))
        return m
