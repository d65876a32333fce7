"""ECP5 cells that yosys does not use as a MAC wants them."""

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


def multiplier(
    m: Module, name: str, a: Value, b: Value, run: Value, *, registers: tuple[str, ...] = REGISTERS
) -> Signal:
    """``a * b``, signed(36), in a MULT18X18D with some of its registers, whose clock enable is ``run``.

    Three cycles later with all of them, one cycle later with ``OUTPUT`` alone.
    """
    product = Signal(signed(PRODUCT_BITS), name=f"{name}_product")
    factors = {"A": _bits(a), "B": _bits(b)}
    parameters = {
        f"p_REG_{register}_{control}": f"{control}0" for register in registers for control in ("CLK", "CE", "RST")
    }
    m.submodules[name] = Instance(
        "MULT18X18D",
        **parameters,
        i_CLK0=ClockSignal(),
        i_CE0=run,
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
    return [factor[min(bit, len(factor) - 1)] for bit in range(FACTOR_BITS)]


def chosen_sum(m: Module, name: str, total: Signal, plain: Value, other: Value, choice: Value, carry: Value) -> Value:
    """``total + (other + carry if choice else plain)`` in one carry chain, without multiplexers before it.

    Parameters
    ----------
    total : Signal
        Its width is that of the result.
    plain, other : Value
        Signed; extended or cut to that width.
    choice : Value
    carry : Value
        One bit, or none: ``Const(0, 0)``.
    """
    width = len(total)
    terms = [
        (_CHOSEN_SUM, total[bit], other[min(bit, len(other) - 1)], plain[min(bit, len(plain) - 1)], choice)
        for bit in range(width)
    ]
    if len(carry):
        terms.insert(0, (_CHOSEN_CARRY, carry, Const(0), Const(0), choice))
    if len(terms) % 2:
        terms.append((_CHOSEN_SUM, Const(0), Const(0), Const(0), Const(0)))
    chain: Value = Const(0)
    sums: list[Value] = []
    for index in range(0, len(terms), 2):
        low, high, carried = (Signal(name=f"{name}_{index}_{part}") for part in ("low", "high", "carried"))
        ports: dict[str, Value] = {}
        for place, (_, *inputs) in enumerate(terms[index : index + 2]):
            ports |= {f"i_{pin}{place}": value for pin, value in zip("ABCD", inputs, strict=True)}
        m.submodules[f"{name}_{index}"] = Instance(
            "CCU2C",
            p_INIT0=Const(terms[index][0], 16),
            p_INIT1=Const(terms[index + 1][0], 16),
            p_INJECT1_0="NO",
            p_INJECT1_1="NO",
            i_CIN=chain,
            **ports,
            o_S0=low,
            o_S1=high,
            o_COUT=carried,
        )
        chain = carried
        sums += [low, high]
    return Cat(*sums)[len(carry) :][:width]
