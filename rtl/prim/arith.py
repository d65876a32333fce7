"""Small arithmetic, and delays, that several parts share.

Every function takes the module that it adds to, and the name of the signals that it makes.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib.memory import Memory

from lstmith.rtl.prim.ecp5 import gated_sum, turned_sum

#: Memories that stand for long delays, for families without shift registers: the flip-flops from which on a memory is
#: smaller, its kind, and the bits of its word, beyond which another memory begins.
DELAY_MEMORIES = {"ice40": (64, "block", 16), "ecp5": (160, "distributed", 64)}


def saturated(m: Module, value: Value, width: int, name: str) -> Signal:
    """``value`` clipped to a signed width, in the same cycle."""
    result = Signal(signed(width), name=name)
    overflow = Signal(name=f"{name}_overflow")
    upper = value[width - 1 :]
    m.d.comb += overflow.eq(upper.any() & ~upper.all())
    low, high = -(1 << (width - 1)), (1 << (width - 1)) - 1
    m.d.comb += result.eq(Mux(overflow, Mux(value[-1], low, high), value))
    return result


def negated(m: Module, name: str, value: Value, negative: Value, family: str) -> Value:
    """``-value`` where ``negative`` is set, else ``value``; the result has as many bits as the value."""
    if family == "ecp5":
        return turned_sum(m, name, value, negative).as_signed()
    return Mux(negative, -value, value)[: len(value)].as_signed()


def sum_where(m: Module, name: str, a: Value, a_on: Value, b: Value, b_on: Value, width: int, family: str) -> Value:
    """``(a if a_on else 0) + (b if b_on else 0)`` of ``width`` bits, unsigned.

    Parameters
    ----------
    a, b : Value
        Signed numbers, or others that are not negative and have a sign bit; the longer one has ``width - 1`` bits or
        more.
    a_on, b_on : Value
        One bit each.
    """
    if family == "ecp5":
        return gated_sum(m, name, a, a_on, b, b_on, width)
    return (Mux(a_on, a, 0) + Mux(b_on, b, 0))[:width]


def shifted_limited(m: Module, value: Value, shift: Value, width: int, name: str, cycles: int) -> Signal:
    """``value >> shift`` clipped to a signed width, with ``cycles`` registers between the shift and the clip.

    Only ``width`` bits are shifted. Of the bits above them it only counts whether any differs from the sign.
    """
    sign, places = value[-1], len(value) - width
    beyond = [
        (value[width - 1 + place] ^ sign) & (1 if place + 1 >= 1 << len(shift) else shift <= place)
        for place in range(places)
    ]
    parts = Signal(width + 1, name=f"{name}_parts")
    m.d.comb += parts.eq(Cat((value.as_signed() >> shift)[: width - 1], sign, Cat(*beyond).any()))
    parts = delayed(m, parts, cycles, f"{name}_parts")
    result = Signal(signed(width), name=name)
    limit = Cat((~parts[width - 1]).replicate(width - 1), parts[width - 1])
    m.d.comb += result.eq(Mux(parts[width], limit, parts[:width]).as_signed())
    return result


def delayed(m: Module, value: Value, cycles: int, name: str) -> Value:
    """``value`` some cycles later. Only flags, single bits, are reset, since data without its flag does nothing."""
    # A value without bits needs no registers, and Verilog has no empty wires.
    for stage in range(cycles if len(value) else 0):
        later = Signal(value.shape(), name=f"{name}_{stage}", reset_less=len(value) > 1)
        m.d.sync += later.eq(value)
        value = later
    return value


def delayed_long(m: Module, value: Value, cycles: int, name: str, family: str) -> Value:
    """``value`` some cycles later, through a memory where that is smaller; for data alone, since nothing is reset."""
    bits, kind, word = DELAY_MEMORIES.get(family, (0, "", 0))
    if bits and len(value) > word:
        parts = (value[:word], value[word:])
        late = Cat(delayed_long(m, part, cycles, f"{name}_{at}", family) for at, part in enumerate(parts))
        return late.as_signed() if value.shape().signed else late
    if not bits or len(value) * cycles < bits:
        return delayed(m, value, cycles, name)
    depth = 1 << (cycles - 1).bit_length()
    memory = Memory(shape=unsigned(len(value)), depth=depth, init=[], attrs={"ram_style": kind})
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
    """Whether ``value`` is set now and was set in each of the cycles before, ``cycles`` of them."""
    held: Value = value
    for stage in range(cycles):
        before = Signal(name=f"held_{stage}")
        m.d.sync += before.eq(held)
        held = value & before
    return held
