"""Sigma and tanh by one interpolated table."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.prim import parameters as check
from lstmith.rtl.prim.arith import delayed, negated, sum_where
from lstmith.rtl.prim.expressed import chain_family
from lstmith.rtl.prim.product import registered_product
from lstmith.rtl.prim.ram import RAM_LATENCY, Ram
from lstmith.spec.activation_table import SEGMENT_BITS, SEGMENTS, SLOPE_BITS, tanh_table
from lstmith.spec.config import H_FRAC, Z_BITS, bits_for

#: Width of a gate value, of tanh(c) and of h: Q1.15.
GATE_BITS = H_FRAC + 1
#: Width of the table's argument, a magnitude: the segment, and the fraction within it.
_ARGUMENT_BITS = bits_for(SEGMENTS) + SEGMENT_BITS


class Activation(wiring.Component):
    """sigma or tanh of a Q5.12 argument; one argument per cycle.

    Parameters
    ----------
    family : str
        One of ``FAMILIES``: whose carry cells, or multipliers, may be instantiated.
    multiplies : bool
        Whether a multiplier interpolates; else adders do, where the lanes need all multipliers.

    Members
    -------
    z : In(signed(Z_BITS))
        Argument, Q5.12; a new one every cycle.
    is_tanh : In(1)
        The function: tanh, or else sigma; beside ``z``.
    y : Out(signed(GATE_BITS))
        The function's value, Q1.15, ``latency`` cycles after ``z``; sigma lies in 0..32767.

    Raises
    ------
    ValueError
        If there is no such family.
    """

    z: In(signed(Z_BITS))
    is_tanh: In(1)
    y: Out(signed(GATE_BITS))

    def __init__(self, *, family: str = "generic", multiplies: bool = False):
        self._family, self._multiplies = check.family("Activation", family), multiplies
        super().__init__()

    @property
    def latency(self) -> int:
        """Cycles from ``z`` to ``y``."""
        # The argument; the table; the product, or its parts; the sum; the sign.
        return 1 + RAM_LATENCY + 1 + 1 + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        chains = chain_family(self._family, platform)
        segment_layout = data.StructLayout({"value": H_FRAC, "rise": SLOPE_BITS})
        values, rises = tanh_table()
        init = [{"value": int(value), "rise": int(rise)} for value, rise in zip(values, rises, strict=True)]
        m.submodules.table = table = Ram(segment_layout, SEGMENTS, init)

        # Both functions are odd about their centre: look up the magnitude, put the sign back at the end.
        # sigma's argument is halved by reading z, which has 12 fraction bits, as having 13.
        magnitude, doubled = Signal(Z_BITS), Signal(Z_BITS + 1)
        argument = Signal(_ARGUMENT_BITS, reset_less=True)
        m.d.comb += [
            magnitude.eq(negated(m, "magnitude", self.z, self.z[-1], chains)),
            doubled.eq(magnitude << self.is_tanh),
        ]
        m.d.sync += argument.eq(Mux(doubled[_ARGUMENT_BITS:].any(), (1 << _ARGUMENT_BITS) - 1, doubled))
        m.d.comb += table.r_addr.eq(argument[SEGMENT_BITS:])
        fraction = delayed(m, argument[:SEGMENT_BITS], table.latency, "fraction")

        product = self._product(m, table.r_data.rise, fraction, chains)
        base, value = Signal(H_FRAC, reset_less=True), Signal(H_FRAC, reset_less=True)
        m.d.sync += base.eq(table.r_data.value)
        # Rounded by a carry into the sum's lowest bit: the bit below it, beside a one.
        rounds = product[SEGMENT_BITS - 1]
        m.d.sync += value.eq((Cat(rounds, base) + Cat(Const(1, 1), product[SEGMENT_BITS:])) >> 1)

        flags = Signal(2)
        m.d.comb += flags.eq(self.is_tanh << 1 | (self.z < 0))
        flags_late = delayed(m, flags, self.latency - 1, "flags")
        # Two's complement in one adder: all bits turned over, and a carry. Where sigma = (2^15 + 1 +- value) / 2, the
        # carry is the bit that rounding up leaves over.
        negative, is_tanh = flags_late[0], flags_late[1]
        turned = Signal(signed(H_FRAC + 1))
        m.d.comb += turned.eq(Cat(value, Const(0, 1)) ^ negative.replicate(H_FRAC + 1))
        # Half of a value of either sign, and one half in Q0.15.
        halved = Cat(turned[1:H_FRAC], ~turned[H_FRAC], Const(0, 1))
        carry = negative | (~is_tanh & value[0])
        m.d.comb += self.y.eq(delayed(m, Mux(is_tanh, turned, halved.as_signed()) + carry, 1, "y"))
        return m

    def _product(self, m: Module, rise: Value, fraction: Value, chains: str) -> Value:
        """``rise * fraction``, SLOPE_BITS + SEGMENT_BITS bits, one cycle later."""
        rise = Cat(rise, Const(0, 1))
        if self._multiplies:
            factor = Cat(fraction, Const(0, 1)).as_signed()
            product = registered_product(m, "product", rise.as_signed(), factor, family=self._family, pipelined=True)
            return product[: SLOPE_BITS + SEGMENT_BITS]
        halves = [Signal(SLOPE_BITS + 4, name=f"half_{index}", reset_less=True) for index in range(2)]
        for index, half in enumerate(halves):
            bits = fraction[4 * index :][:4]
            twice = Cat(Const(0, 1), rise)
            low, high = (
                sum_where(m, f"pair_{index}_{bit}", rise, bits[bit], twice, bits[bit + 1], len(twice), chains)
                for bit in (0, 2)
            )
            m.d.sync += half.eq(low + (high << 2))
        return (halves[0] + (halves[1] << 4))[: SLOPE_BITS + SEGMENT_BITS]
