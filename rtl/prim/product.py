"""A registered product of two numbers of the pipeline outside the lanes."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, signed

from lstmith.rtl.prim.ecp5 import FACTOR_BITS, multiplier
from lstmith.spec.config import EngineConfig


def registered_product(m: Module, name: str, a: Value, b: Value, config: EngineConfig, run: Value) -> Signal:
    """``a * b`` one cycle later; on ECP5 in the multiplier's own register, which yosys would leave outside.

    Parameters
    ----------
    a, b : Value
        Signed.
    run : Value
        The clock enable of cells that have registers of their own.

    Returns
    -------
    signed(len(a) + len(b))
    """
    product = Signal(signed(len(a) + len(b)), name=name, reset_less=True)
    if config.family == "ecp5" and config.pipelined and max(len(a), len(b)) <= FACTOR_BITS:
        m.d.comb += product.eq(multiplier(m, f"{name}_multiplier", a, b, run, registers=("OUTPUT",)))
    else:
        m.d.sync += product.eq(a.as_signed() * b.as_signed())
    return product
