"""A registered product of two numbers of the pipeline outside the lanes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, signed

from lstmith.rtl.prim.ecp5 import FACTOR_BITS, multiplier

#: Cycles from the factors to their product.
PRODUCT_LATENCY = 1


def registered_product(m: Module, name: str, a: Value, b: Value, *, family: str, pipelined: bool) -> Signal:
    """``a * b``, ``PRODUCT_LATENCY`` cycles later.

    On ECP5 the register is the multiplier's own, which yosys would leave outside.

    Parameters
    ----------
    m : Module
    name : str
        Of the product's signal, and the beginning of the multiplier's name.
    a, b : Value
        Signed factors of any width.
    family : str
        Whose multipliers may be instantiated.
    pipelined : bool
        Whether the clock is so fast that the register inside the multiplier is needed.

    Returns
    -------
    Signal
        signed(len(a) + len(b)).
    """
    product = Signal(signed(len(a) + len(b)), name=name, reset_less=True)
    if family == "ecp5" and pipelined and max(len(a), len(b)) <= FACTOR_BITS:
        m.d.comb += product.eq(multiplier(m, f"{name}_multiplier", a, b, registers=("OUTPUT",)))
    else:
        m.d.sync += product.eq(a.as_signed() * b.as_signed())
    return product
