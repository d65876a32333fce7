"""The four row sums of a lane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.prim.ecp5 import chosen_sum


class Term(NamedTuple):
    """What is added to a row's sum: ``plain``, or ``other`` where ``choice`` is set, and ``carry`` where it counts.

    Parameters
    ----------
    plain : Value
        A signed number.
    other : Value or None
        A signed number, or None if there is no choice.
    choice : Value
        One bit.
    carry : Value
        One bit, or no bit.
    carries : Value
        One bit: whether the carry counts.
    """

    plain: Value
    other: Value | None = None
    choice: Value = Const(0)
    carry: Value = Const(0, 0)
    carries: Value = Const(1)


def with_planes(mac: MacParameters, unit: Any, row: Row) -> Term:
    """The term of a row: its digit's product, which counts more where it is one of the top plane.

    Where there are digits of both widths, ``unit.split`` tells which; a product of wider ones has its place already.

    Parameters
    ----------
    mac : MacParameters
    unit : Component
        Its ports are those of :func:`.signature.mac_signature`.
    row : Row
    """
    if 4 not in mac.word_bits:
        return Term(row.whole, row.whole << 8, unit.raised) if mac.planes == 2 else Term(row.whole)
    # A carry enters below the lowest bit; above the four bits that raising adds it is a carry out of ones.
    raised = Cat(row.carry.replicate(4) if len(row.carry) else Const(0, 4), row.digit).as_signed()
    if mac.word_bits == (4,):
        if mac.planes == 2:
            return Term(row.digit, raised, unit.raised, row.carry)
        return Term(row.digit, carry=row.carry)
    if mac.planes == 1:
        return Term(row.whole, row.digit, unit.split, row.carry, unit.split)
    return Term(row.whole, Mux(unit.raised, raised, row.digit), unit.split, row.carry, unit.split)


class Row(NamedTuple):
    """Products of a row.

    Parameters
    ----------
    whole : Value
        Of a digit wider than 4 bits, a signed number.
    digit : Value
        Of a 4-bit digit, a signed number that ``carry`` is to be added to.
    carry : Value
        One bit, or no bit.
    """

    whole: Value
    digit: Value = Const(0)
    carry: Value = Const(0, 0)


def add_terms(m: Module, mac: MacParameters, unit: Any, terms: Sequence[Term]) -> None:
    """Add each row's term where ``unit.enables`` names the row, and drive ``unit.sums``.

    Parameters
    ----------
    mac : MacParameters
    unit : Component
        Its ports are those of :func:`.signature.mac_signature`.
    terms : sequence of Term
        One term per gate row.
    """
    for row, term in enumerate(terms):
        total = Signal(signed(mac.acc_width), name=f"sum_{row}", reset_less=True)
        # A captured row is never added to in the same cycle; the clear is a free synchronous reset.
        with m.If(unit.clear[row // 2]):
            m.d.sync += total.eq(0)
        with m.Elif(unit.enables[row]):
            m.d.sync += total.eq(_added(m, mac, f"added_{row}", total, term))
        m.d.comb += unit.sums[row].eq(total)


def _added(m: Module, mac: MacParameters, name: str, total: Signal, term: Term) -> Value:
    if term.other is not None and mac.family == "ecp5":
        return chosen_sum(m, name, total, term.plain, term.other, term.choice, term.carry, term.carries)
    # The carry enters below the lowest bit: one adder, not two.
    added = term.plain if term.other is None else Mux(term.choice, term.other, term.plain)
    carry = term.carry & term.carries.replicate(len(term.carry))
    return (Cat(Const(1, len(carry)), total).as_signed() + Cat(carry, added).as_signed()) >> len(carry)
