"""Small arithmetic that several parts share."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib.memory import Memory

#: Flip-flops from which a delay is worth a block memory on iCE40, which has no shift registers.
DELAY_MEMORY_BITS = 64


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
    # What has no bits needs no registers, and Verilog has no empty wires.
    for stage in range(cycles if len(value) else 0):
        later = Signal(value.shape(), name=f"{name}_{stage}", reset_less=len(value) > 1)
        m.d.sync += later.eq(value)
        value = later
    return value


def delayed_long(m: Module, value: Value, cycles: int, name: str, family: str) -> Value:
    """As :func:`delayed`, for data alone: without flags, and through a memory where that is smaller."""
    if family != "ice40" or len(value) * cycles < DELAY_MEMORY_BITS:
        return delayed(m, value, cycles, name)
    depth = 1 << (cycles - 1).bit_length()
    memory = Memory(shape=unsigned(len(value)), depth=depth, init=[], attrs={"ram_style": "block"})
    m.submodules[f"{name}_line"] = memory
    write, read = memory.write_port(), memory.read_port()
    place = Signal(range(depth), name=f"{name}_place")
    m.d.sync += place.eq(place + 1)
    m.d.comb += [
        write.addr.eq(place),
        write.data.eq(value),
        write.en.eq(1),
        # The read itself takes the last cycle.
        read.addr.eq(place - (cycles - 1)),
        read.en.eq(1),
    ]
    return read.data.as_signed() if value.shape().signed else read.data


def lasting(m: Module, value: Signal, cycles: int) -> Value:
    """Whether it has been so for some cycles before this one."""
    held: Value = value
    for stage in range(cycles):
        before = Signal(name=f"held_{stage}")
        m.d.sync += before.eq(held)
        held = value & before
    return held
