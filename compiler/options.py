"""What ``compile`` may be told, checked before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmith.boards.board import Board
from lstmith.boards.catalogue import DEFAULT, find_target
from lstmith.spec.config import PRECISIONS
from lstmith.spec.errors import UserError

AUTO = "auto"
#: Kinds of multiply-accumulate unit.
MACS = ("digit", "dsp", AUTO)
#: Digit planes of an engine.
PLANES = ("1", "2", AUTO)
ACTIVATION_BITS = (8, 16)

#: Active counts: as text, ``96,64`` or ``96,64/48,32``; as numbers for all layers; or as numbers for each layer.
ActiveCounts = str | Sequence[int] | Sequence[Sequence[int]]


@dataclass(frozen=True)
class CompileOptions:
    """How a network is compiled; the command line's options have the same names.

    Parameters
    ----------
    precision : int or str
        Weight bits: 4, 8, 16, or ``auto`` for the lowest with a mean error of h below 0.01.
    activations : int or None
        Operand bits, 8 or 16; None takes 16 for 16-bit weights, else 8.
    target : str
        A board's name, or ``generic``.
    lanes : int or None
        Lanes of the array; None takes the most that are of use.
    mac : str
        ``dsp``, ``digit``, or ``auto`` for the one that takes the fewest nanoseconds per step.
    active : str, sequence of int, or sequence of sequences of int, or None
        Active counts: the network also runs with so many of its most important units.
    skim : bool
        A step of the single active count leaves h and c of the other units as they are, instead of dropping them.
    planes : int or str
        Digit planes of a weight, 1 or 2, each with references of its own; ``auto`` takes 2 where the target has room
        for them and steps may list changes.
    sequences : int
        Sequences that the engine takes in turn, 1 or 2.
    delta : bool
        Without, every step is dense and the engine smaller.
    fixed : bool
        The engine is made for this network alone, in its default policy, and has no register bus.

    Raises
    ------
    UserError
        If a value is none of these, or two options exclude each other.
    """

    precision: int | str = 8
    activations: int | None = None
    target: str = DEFAULT
    lanes: int | None = None
    mac: str = "dsp"
    active: ActiveCounts | None = None
    skim: bool = False
    planes: int | str = AUTO
    sequences: int = 1
    delta: bool = True
    fixed: bool = False

    def __post_init__(self) -> None:
        find_target(self.target)
        _choice("precision", str(self.precision), (*map(str, PRECISIONS), AUTO))
        if self.activations is not None:
            _choice("activations", str(self.activations), tuple(map(str, ACTIVATION_BITS)))
        _choice("mac", self.mac, MACS)
        _choice("planes", str(self.planes), PLANES)
        if self.lanes is not None and self.lanes < 1:
            raise UserError("option --lanes", f"is {self.lanes}", "give a positive number")
        if self.skim and self.active is None:
            raise UserError("option --skim", "is given without --active", "say how many units such a step computes")
        if self.active is not None and not self.delta:
            raise UserError(
                "option --active",
                f"is {self.active_text!r} with --no-delta, whose steps always compute every unit",
                "leave out one of them",
            )
        if self.active is not None and self.fixed:
            raise UserError(
                "option --active",
                f"is {self.active_text!r} with --fixed, which keeps one policy",
                "leave out one of them",
            )
        if self.planes != AUTO and int(self.planes) == 2 and (reason := self._one_plane):
            raise UserError("option --planes", f"is 2, but {reason}", "use 1 or auto")
        if self.active is not None and self.engine_planes == 1:
            raise UserError(
                "option --active",
                f"is {self.active_text!r} on an engine of one plane, which has no list to recompute sums from",
                "leave it out" + ("" if self._one_plane else ", or use two planes"),
            )

    @property
    def _one_plane(self) -> str:
        """Why an engine can have no more than one plane; empty if it can."""
        if self.fixed:
            return "with --fixed no policy takes the shorter of two lists"
        if not self.delta:
            return "with --no-delta steps list no changes"
        if self.board is not None and self.board.small:
            return f"{self.target} has no room for two lists"
        if self.activation_bits == 16 and self.weight_bits != 16:
            return "16-bit operands are too wide for digits of less than 8 bits"
        return ""

    @property
    def engine_planes(self) -> int:
        """Digit planes of the engine."""
        return (1 if self._one_plane else 2) if self.planes == AUTO else int(self.planes)

    @property
    def board(self) -> Board | None:
        """The target; None for ``generic``."""
        return find_target(self.target)

    @property
    def weight_bits(self) -> int | None:
        """Bits of the weights; None if the compiler is to choose."""
        return None if self.precision == AUTO else int(self.precision)

    @property
    def activation_bits(self) -> int | None:
        """Bits of the operands; None if they follow from the weights."""
        return None if self.activations is None else int(self.activations)

    @property
    def active_text(self) -> str | None:
        """Active counts as text."""
        if self.active is None or isinstance(self.active, str):
            return self.active
        layers = [[part] if isinstance(part, int) else list(part) for part in self.active]
        flat = all(isinstance(part, int) for part in self.active)
        return (",", "/")[not flat].join(",".join(map(str, counts)) for counts in layers)


def _choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UserError(f"option --{name}", f"is {value!r}", f"use {', '.join(choices[:-1])} or {choices[-1]}")
