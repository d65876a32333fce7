"""What lanes without multipliers need of an operand beside itself: its negative, for the top bits of signed weights.

Negated once before lane 0, it travels with the operand and costs the lanes no logic.
"""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Mux, Shape, Value, signed

from lstmith.spec.config import PRECISIONS, EngineConfig

#: The 4-bit parts of a weight word, lowest first, that end a weight and so are signed.
_SIGNED_PARTS: dict[int, tuple[int, ...]] = {4: (0, 1, 2, 3), 8: (1, 3), 16: (3,)}
#: Parts of a weight word.
PARTS = 4


def top_name(config: EngineConfig, part: int) -> str:
    """The multiple that the top bit of a part of the word counts: ``operand`` or a name of :func:`multiples`."""
    return _name(_signed_in(config, part))


def multiples(config: EngineConfig) -> dict[str, Shape]:
    """Fields of a slot that hold an operand or its negative, as the word's precision asks; none with multipliers."""
    if config.mac == "dsp":
        return {}
    names = [top_name(config, part) for part in range(PARTS)]
    # One bit more than the operand: its lowest value has a negative, too.
    return {name: signed(config.operand_width + 1) for name in names if name != _name(())}


def multiple(config: EngineConfig, name: str, operand: Value, is_precision: Sequence[Value]) -> Value:
    """A field of :func:`multiples`.

    Parameters
    ----------
    is_precision : sequence of Value
        Whether the word has the precision, in the order of ``PRECISIONS``.
    """
    precisions = next(wanted for wanted in (_signed_in(config, part) for part in range(PARTS)) if _name(wanted) == name)
    if precisions == config.precisions:
        return -operand
    negates = Cat(is_precision[PRECISIONS.index(bits)] for bits in precisions).any()
    return Mux(negates, -operand, operand)


def _signed_in(config: EngineConfig, part: int) -> tuple[int, ...]:
    return tuple(bits for bits in config.precisions if part in _SIGNED_PARTS[bits])


def _name(precisions: tuple[int, ...]) -> str:
    return "_".join(["operand", *(["negative", *map(str, precisions)] if precisions else [])])
