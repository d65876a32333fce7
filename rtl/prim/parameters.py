"""Checks of the parameters that components are made with."""

from __future__ import annotations

from lstmith.spec.config import FAMILIES, PRECISIONS


def integer(name: str, value: object, low: int, high: int | None = None) -> int:
    """The value, if it is an integer from ``low`` to ``high``.

    Parameters
    ----------
    name : str
        The component and its parameter, for the message: ``Weight bank depth``.
    value : object
    low : int
    high : int or None
        None is no upper limit.

    Raises
    ------
    TypeError
        If the value is no integer.
    ValueError
        If it is out of range.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if high is None and value < low:
        raise ValueError(f"{name} must be {low} or more, not {value!r}")
    if high is not None and not low <= value <= high:
        raise ValueError(f"{name} must be between {low} and {high}, not {value!r}")
    return value


def family(name: str, value: str) -> str:
    """The value, if it is one of ``FAMILIES``; ``name`` is the component's, and ValueError is raised otherwise."""
    if value not in FAMILIES:
        raise ValueError(f"{name} family must be one of {', '.join(FAMILIES)}, not {value!r}")
    return value


def word_bits(name: str, value: tuple[int, ...]) -> tuple[int, ...]:
    """The value, if it holds some of ``PRECISIONS`` in their order; ValueError is raised otherwise."""
    if not value or value != tuple(bits for bits in PRECISIONS if bits in value):
        raise ValueError(f"{name} word_bits must be some of 4, 8 and 16, ascending, not {value!r}")
    return value
