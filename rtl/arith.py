"""Small arithmetic that several parts share."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed


def saturated(m: Module, value: Value, width: int, name: str) -> Signal:
    """``value`` clipped to a signed width."""
    result = Signal(signed(width), name=name)
    overflow = Signal(name=f"{name}_overflow")
    upper = value[width - 1 :]
    m.d.comb += overflow.eq(upper.any() & ~upper.all())
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    m.d.comb += result.eq(Mux(overflow, Mux(value[-1], low, high), value))
    return result


def delayed(m: Module, value: Value, cycles: int, name: str) -> Value:
    """``value`` some cycles later. Only flags are reset, since data without its flag does nothing."""
    for stage in range(cycles):
        later = Signal(value.shape(), name=f"{name}_{stage}", reset_less=len(value) > 1)
        m.d.sync += later.eq(value)
        value = later
    return value
