"""ECP5 cells that yosys does not use so well by itself: multipliers with registers, carry chains that choose."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, signed

#: Factor and product widths of MULT18X18D.
FACTOR_BITS, PRODUCT_BITS = 18, 36
#: Its registers.
REGISTERS = ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT")
#: LUT4 of a carry cell for ``A + (B if D else C)``. The carry logic looks at A and B alone, with C and D at 0,
#: where the sum must be A.
_CHOSEN_SUM = 0x665A
#: The same for a carry: where D is set, A goes into the chain; else nothing does.
_CHOSEN_CARRY = 0x00AA
#: ``(A if B) + (C if D)``: without C and D the sum must be what the carry logic makes of A and B.
_GATED_SUM = 0x7888
#: ``A + (B ^ C)`` if D, which is what yosys makes of a subtraction; without D the sum must be A.
_TURNED_SUM = 0x96AA


def multiplier(m: Module, name: str, a: Value, b: Value, *, registers: tuple[str, ...] = REGISTERS) -> Signal:
    """``a * b``, signed(36), in a MULT18X18D with some of its registers.

    Parameters
    ----------
    m : Module
    name : str
        Of the cell.
    a, b : Value
        Signed factors of up to ``FACTOR_BITS`` bits.
    registers : tuple of str
        Some of ``REGISTERS``. The product comes three cycles after the factors with all of them, one cycle after
        them with ``OUTPUT`` alone.

    Raises
    ------
    ValueError
        If a factor is too wide, or there is no such register.
    """
    if max(len(a), len(b)) > FACTOR_BITS:
        raise ValueError(f"Multiplier factors must have at most {FACTOR_BITS} bits, not {max(len(a), len(b))!r}")
    if unknown := set(registers) - set(REGISTERS):
        raise ValueError(f"Multiplier registers must be some of {', '.join(REGISTERS)}, not {sorted(unknown)!r}")
    product = Signal(signed(PRODUCT_BITS), name=f"{name}_product")
    factors = {"A": _bits(a), "B": _bits(b)}
    parameters = {
        f"p_REG_{register}_{control}": f"{control}0" for register in registers for control in ("CLK", "CE", "RST")
    }
    m.submodules[name] = Instance(
        "MULT18X18D",
        **parameters,
        i_CLK0=ClockSignal(),
        i_CE0=1,
        i_RST0=0,
        i_SIGNEDA=1,
        i_SIGNEDB=1,
        i_SOURCEA=0,
        i_SOURCEB=0,
        **{f"i_C{bit}": 0 for bit in range(FACTOR_BITS)},
        **{f"i_{side}{bit}": value for side, bits in factors.items() for bit, value in enumerate(bits)},
        **{f"o_P{bit}": product[bit] for bit in range(PRODUCT_BITS)},
    )
    return product


def _bits(factor: Value) -> list[Value]:
    """All bits of a factor, its sign repeated."""
    return [extended(factor, bit) for bit in range(FACTOR_BITS)]


def chosen_sum(
    m: Module, name: str, total: Signal, plain: Value, other: Value, choice: Value, carry: Value, carries: Value
) -> Value:
    """``total + (other if choice else plain) + (carry if carries else 0)`` in one carry chain.

    It needs no multiplexers before it.

    Parameters
    ----------
    total : Signal
        The sum so far; the result has its width.
    plain, other : Value
        Signed numbers, extended or cut to that width.
    choice : Value
        One bit for all bits, or one bit for each of the lower ones, the last of them for all above.
    carry : Value
        One bit, or no bit: ``Const(0, 0)``.
    carries : Value
        One bit.
    """
    width = len(total)
    cells = [
        (_CHOSEN_SUM, total[bit], *(extended(value, bit) for value in (other, plain, choice))) for bit in range(width)
    ]
    if len(carry):
        cells.insert(0, (_CHOSEN_CARRY, carry, Const(0), Const(0), carries))
    return _chain(m, name, cells)[len(carry) :][:width]


def gated_sum(m: Module, name: str, a: Value, a_on: Value, b: Value, b_on: Value, width: int) -> Value:
    """``(a if a_on else 0) + (b if b_on else 0)`` in one carry chain, without gates before it.

    Parameters
    ----------
    a, b : Value
        Signed numbers, extended or cut to ``width``.
    a_on, b_on : Value
        One bit each.
    """
    return _chain(m, name, [(_GATED_SUM, extended(a, bit), a_on, extended(b, bit), b_on) for bit in range(width)])


def turned_sum(m: Module, name: str, value: Value, negative: Value) -> Value:
    """``-value`` where ``negative`` is set, else ``value``, in one carry chain, with as many bits as the value."""
    cells: list[tuple[int, Value, Value, Value, Value]]
    # A cell below the lowest bit takes the carry.
    cells = [(_CHOSEN_CARRY, negative, Const(0), Const(0), Const(1))]
    cells += [(_TURNED_SUM, Const(0), value[bit], negative, Const(1)) for bit in range(len(value))]
    return _chain(m, name, cells)[1:]


def extended(value: Value, bit: int) -> Value:
    """A bit of a value of any width, whose last bit is repeated."""
    return value[min(bit, len(value) - 1)]


def _chain(m: Module, name: str, cells: list[tuple[int, Value, Value, Value, Value]]) -> Value:
    """Sum bits of a carry chain, unsigned; a cell is its LUT4 and inputs A to D."""
    padded = cells + [(0, Const(0), Const(0), Const(0), Const(0))] * (len(cells) % 2)
    carry: Value = Const(0)
    sums: list[Value] = []
    for index in range(0, len(padded), 2):
        low, high, carried = (Signal(name=f"{name}_{index}_{part}") for part in ("low", "high", "carried"))
        ports: dict[str, Value] = {}
        for place, (_, *inputs) in enumerate(padded[index : index + 2]):
            ports |= {f"i_{pin}{place}": value for pin, value in zip("ABCD", inputs, strict=True)}
        m.submodules[f"{name}_{index}"] = Instance(
            "CCU2C",
            p_INIT0=Const(padded[index][0], 16),
            p_INIT1=Const(padded[index + 1][0], 16),
            p_INJECT1_0="NO",
            p_INJECT1_1="NO",
            i_CIN=carry,
            **ports,
            o_S0=low,
            o_S1=high,
            o_COUT=carried,
        )
        carry = carried
        sums += [low, high]
    return Cat(*sums)[: len(cells)]
