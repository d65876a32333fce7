"""Negated operands, for lanes without multipliers: the top bit of a signed weight subtracts its operand.

An operand is negated once, before lane 0, and its negative travels with it: the lanes need no logic to negate it.
"""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Cat, Mux, Shape, Value, signed

from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.spec.codes import Precision

#: 4-bit parts of a weight word that hold the top bits of a weight, by the weight's width; part 0 is the lowest.
_SIGNED_PARTS: dict[int, tuple[int, ...]] = {4: (0, 1, 2, 3), 8: (1, 3), 16: (3,)}
#: Parts of a weight word.
PARTS = 4


def top_operand(mac: MacParameters, part: int) -> str:
    """Name of the field that the top bit of a part adds: ``operand``, or a field of :func:`negated_operands`."""
    return _name(_signed_in(mac, part))


def negated_operands(mac: MacParameters) -> dict[str, Shape]:
    """Fields that travel beside the operand.

    Returns
    -------
    dict of str to Shape
        Each field holds the negated operand if the word has digits of a width in its name, else the operand. There
        are none with multipliers, which take signed weights.
    """
    if mac.kind != "digit":
        return {}
    names = [top_operand(mac, part) for part in range(PARTS)]
    # One bit wider than the operand, since the negative of its lowest value does not fit its own width.
    return {name: signed(mac.operand_width + 1) for name in names if name != _name(())}


def negated_operand(mac: MacParameters, name: str, operand: Value, is_width: Mapping[Precision, Value]) -> Value:
    """The value of a field of :func:`negated_operands`.

    Parameters
    ----------
    mac : MacParameters
    name : str
        The field.
    operand : Value
        Signed, ``operand_width`` bits.
    is_width : dict of Precision to Value
        One bit for each width: whether the word's digits have it.
    """
    widths = next(wanted for wanted in (_signed_in(mac, part) for part in range(PARTS)) if _name(wanted) == name)
    if widths == mac.word_bits:
        return -operand
    negates = Cat(is_width[Precision.of(bits)] for bits in widths).any()
    return Mux(negates, -operand, operand)


def _signed_in(mac: MacParameters, part: int) -> tuple[int, ...]:
    """Widths in which a part holds the top bits of a digit."""
    return tuple(bits for bits in mac.word_bits if part in _SIGNED_PARTS[bits])


def _name(widths: tuple[int, ...]) -> str:
    return "_".join(["operand", *(["negative", *map(str, widths)] if widths else [])])
