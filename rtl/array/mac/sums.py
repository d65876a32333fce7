"""The four row sums of a lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.prim.ecp5 import chosen_sum, extended


class Term(NamedTuple):
    """What is added to a row's sum: ``plain``, or ``other + carry`` where ``choice`` is set.

    Parameters
    ----------
    plain : Value
        A signed number.
    other : Value or None
        A signed number, or None if there is no choice.
    choice : Value
        One bit for all bits of the sum, or one bit for each of the lower ones, the last of them for all above.
    carry : Value
        One bit, or no bit.
    always : bool
        Whether the carry is added to ``plain`` too.
    """

    plain: Value
    other: Value | None = None
    choice: Value = Const(0)
    carry: Value = Const(0, 0)
    always: bool = False


def add_terms(m: Module, mac: MacParameters, unit: Any, terms: Sequence[Term], family: str) -> None:
    """Add each row's term where ``unit.enables`` names the row, and drive ``unit.sums``.

    Parameters
    ----------
    mac : MacParameters
    unit : Component
        Its ports are those of :func:`.signature.mac_signature`.
    terms : sequence of Term
        One term per gate row.
    family : str
        Of :func:`.chain_family`.
    """
    for row, term in enumerate(terms):
        total = Signal(signed(mac.acc_width), name=f"sum_{row}", reset_less=True)
        # A captured row is never added to in the same cycle; the clear is a free synchronous reset.
        with m.If(unit.clear[row // 2]):
            m.d.sync += total.eq(0)
        with m.Elif(unit.enables[row]):
            m.d.sync += total.eq(added(m, f"added_{row}", total, term, family))
        m.d.comb += unit.sums[row].eq(total)


def added(m: Module, name: str, total: Signal, term: Term, family: str) -> Value:
    """``total`` and a term; of ECP5 with a choice in one carry chain, else an expression, which may be wider."""
    if term.other is None:
        return total + term.plain
    if family == "ecp5":
        carries = Const(1) if term.always else term.choice[0]
        return chosen_sum(m, name, total, term.plain, term.other, term.choice, term.carry, carries)
    # The carry enters below the lowest bit: one adder, not two.
    below = len(term.carry)
    plain = Cat(term.carry, term.plain).as_signed() if term.always else term.plain << below
    other = Cat(term.carry, term.other).as_signed()
    if len(term.choice) == 1:
        added: Value = Mux(term.choice, other, plain)
    else:
        # The lowest choice is also the carry's.
        choice = Cat(term.choice[:below], term.choice)
        bits = range(max(len(other), len(plain)))
        added = Cat(Mux(*(extended(value, bit) for value in (choice, other, plain))) for bit in bits).as_signed()
    return (Cat(Const(1, below), total).as_signed() + added) >> below
