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
    precisions : tuple of int
        Weight widths, ascending, some of 4, 8 and 16.
    operand_width : int
        Signed width of a column's operand, 9 to 18.
    acc_width : int
        Width of a row sum, 16 to 48; sums wrap.
    pipelined : bool
        Whether multipliers and the drain chain have the registers that a fast clock needs.

    Raises
    ------
    TypeError
        If a width is no integer.
    ValueError
        If a parameter is out of range, or the kind ``dual`` is asked for what it does not multiply.
    """

    kind: str = "dsp"
    family: str = "generic"
    precisions: tuple[int, ...] = (8,)
    operand_width: int = 13
    acc_width: int = 24
    pipelined: bool = True

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"MAC kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        check.family("MAC", self.family)
        check.precisions("MAC", self.precisions)
        check.integer("MAC operand_width", self.operand_width, 9, 18)
        check.integer("MAC acc_width", self.acc_width, 16, 48)
        if self.kind == "dual" and (self.family, self.precisions) != ("ice40", (8,)):
            raise ValueError(f"MAC kind dual must have family ice40 and 8-bit weights alone, not {self!r}")
        if self.kind == "dual" and self.operand_width > DUAL_OPERAND_BITS:
            raise ValueError(f"MAC operand_width must be {DUAL_OPERAND_BITS} for kind dual, not {self.operand_width!r}")

    @classmethod
    def of(cls, config: EngineConfig) -> MacParameters:
        """The MAC of an engine: of the kind that it names, or ``dual`` where its family and operands allow that."""
        return cls(
            kind="dual" if config.dual_rows else config.mac,
            family=config.family,
            precisions=config.precisions,
            operand_width=config.operand_width,
            acc_width=config.acc_width,
            pipelined=config.pipelined,
        )
