"""What a MAC is built for."""

from __future__ import annotations

from dataclasses import dataclass

from lstmith.rtl.prim import parameters as check
from lstmith.spec.config import DUAL_OPERAND_BITS, EngineConfig

#: Kinds of MACs: two multipliers per lane, one iCE40 multiplier for both 8-bit rows, carry chains.
KINDS = ("dsp", "dual", "digit")


@dataclass(frozen=True, kw_only=True)
class MacParameters:
    """Parameters that all MACs of an array share.

    Parameters
    ----------
    kind : str
        One of ``KINDS``.
    family : str
        One of ``FAMILIES``: which vendor cells the MAC may instantiate.
    word_bits : tuple of int
        Widths of the digits that a weight word may hold, ascending, some of 4, 8 and 16.
    planes : int
        Digit planes, 1 or 2: with 2 a product may count as one of the top plane, ``2^width`` times as much.
    operand_width : int
        Signed width of a column's operand, 9 to 18.
    acc_width : int
        Width of a row sum, 16 to 48; sums wrap.
    pipelined : bool
        Whether multipliers and the drain chain have the registers that a fast clock needs.
    drain_rows : int
        Row sums that leave a lane together, 2 or 4.

    Raises
    ------
    TypeError
        If a width is no integer.
    ValueError
        If a parameter is out of range, or the kind ``dual`` is asked for what it does not multiply.
    """

    kind: str = "dsp"
    family: str = "generic"
    word_bits: tuple[int, ...] = (8,)
    planes: int = 1
    operand_width: int = 13
    acc_width: int = 24
    pipelined: bool = True
    drain_rows: int = 2

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"MAC kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        check.family("MAC", self.family)
        check.word_bits("MAC", self.word_bits)
        check.integer("MAC planes", self.planes, 1, 2)
        check.integer("MAC operand_width", self.operand_width, 9, 18)
        check.integer("MAC acc_width", self.acc_width, 16, 48)
        if self.planes == 2 and 16 in self.word_bits:
            raise ValueError(f"MAC word_bits must be at most 8 with two planes, not {self.word_bits!r}")
        if self.kind == "dual" and (self.family, self.word_bits, self.planes) != ("ice40", (8,), 1):
            raise ValueError(f"MAC kind dual must have family ice40 and one plane of 8 bits alone, not {self!r}")
        if self.kind == "dual" and self.operand_width > DUAL_OPERAND_BITS:
            raise ValueError(f"MAC operand_width must be {DUAL_OPERAND_BITS} for kind dual, not {self.operand_width!r}")

    @property
    def lifts(self) -> bool:
        """Whether 8-bit digits of the top plane get their place before they are multiplied, not when they are added.

        Then the carry chains need not tell them from those of the low plane. Packed 4-bit digits leave no room for it.
        """
        return self.kind == "dsp" and self.planes == 2 and self.word_bits == (4, 8)

    @property
    def packs_memory(self) -> bool:
        """Whether weight words are packed before they are stored: where nothing but 4-bit digits is."""
        return self.kind == "dsp" and self.planes == 2 and self.word_bits == (4,)

    @classmethod
    def of(cls, config: EngineConfig) -> MacParameters:
        """The MAC of an engine: of the kind that it names, or ``dual`` where its family and operands allow that."""
        return cls(
            kind="dual" if config.dual_rows else config.mac,
            family=config.family,
            word_bits=config.word_bits,
            planes=config.planes,
            operand_width=config.operand_width,
            acc_width=config.acc_width,
            pipelined=config.pipelined,
            drain_rows=config.drain_rows,
        )
