"""Small numbers that fields of the hardware hold, by name."""

from __future__ import annotations

from enum import IntEnum


class Precision(IntEnum):
    """Code of a weight width; a field of a descriptor, a slot or an event that tells a precision holds it."""

    W4 = 0
    W8 = 1
    W16 = 2

    @property
    def bits(self) -> int:
        """Width of a weight: 4, 8 or 16."""
        return 4 << self

    @property
    def words(self) -> int:
        """16-bit weight words, and cycles, that one column of one fold takes: 1, 2 or 4."""
        return 1 << self

    @classmethod
    def of(cls, bits: int) -> Precision:
        """The code of a width.

        Raises
        ------
        ValueError
            If ``bits`` is not 4, 8 or 16.
        """
        for code in cls:
            if code.bits == bits:
                return code
        raise ValueError(f"Precision must be 4, 8 or 16 bits, not {bits!r}")


class Gate(IntEnum):
    """Order of a unit's gates in every array, row memory and drain; PyTorch's names and order (i, f, g, o)."""

    INPUT = 0
    FORGET = 1
    CELL = 2
    OUTPUT = 3


class Kind(IntEnum):
    """What a layer computes from its rows; a field of a layer descriptor holds it."""

    LSTM = 0
    GRU = 1
    RNN = 2
    DENSE = 3

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Where each row of a unit stands among its four sums: i, f, g, o; r, z, nx, nh of a GRU; else a single one.

        The single row of a plain or dense layer is in the first word of every width.
        """
        match self:
            case Kind.LSTM:
                return tuple(Gate)
            case Kind.GRU:
                return Gate.FORGET, Gate.OUTPUT, Gate.INPUT, Gate.CELL
            case _:
                return (Gate.INPUT,)

    @property
    def rows(self) -> int:
        """Rows of weights that belong to a unit: 4 or 1."""
        return len(self.gates)


class Squash(IntEnum):
    """Function of a pre-activation; a field of a layer descriptor holds it."""

    LINEAR = 0
    RELU = 1
    SIGMOID = 2
    TANH = 3


class Verdict(IntEnum):
    """What is made of the h of a program's last layer, once all are there; a field of a layer descriptor holds it."""

    NONE = 0
    ARGMAX = 1  #: the index of the largest h, of equal ones the lowest
    THRESHOLD = 2  #: bit k is set if the h of unit k is above the layer's threshold
    AT_MOST = 3  #: bit k is set if it is not

    @property
    def compares(self) -> bool:
        """Whether it has a bit for each unit."""
        return self in (Verdict.THRESHOLD, Verdict.AT_MOST)


#: Bits of a verdict: the most units that a threshold takes.
VERDICT_BITS = 16
