"""Run-time policy: which columns of a step are computed, in how many bits, and which steps at all."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Mode(enum.IntEnum):
    """Which columns a step lists."""

    DENSE = 0  #: every column, value by value
    SKIP = 1  #: columns whose value is not zero
    DELTA = 2  #: columns whose value changed; sums are kept from step to step
    AUTO = 3  #: as DELTA, or as SKIP where that list is expected to be shorter


class Rule(enum.IntEnum):
    """What the cell-state monitor compares with its thresholds."""

    OFF = 0
    RATIO = 1  #: sum |c(t) - c(t-1)| over sum |c(t)|, in 1/256
    COUNT = 2  #: number of units with |c(t) - c(t-1)| * 2^theta > |c(t)|


class Scope(enum.IntEnum):
    """Which units the monitor judges together."""

    LAYER = 0
    FOLD = 1  #: the units that drain together


def bounded(default: int, low: int, high: int) -> int:
    """A policy value with its range, for messages and for checking."""
    value: int = field(default=default, metadata={"low": low, "high": high})
    return value


class _Checked:
    """Refuses values outside the ranges that the fields declare."""

    def __post_init__(self) -> None:
        for name, entry in self.__dataclass_fields__.items():  # type: ignore[attr-defined]
            if entry.metadata:
                low, high, value = entry.metadata["low"], entry.metadata["high"], getattr(self, name)
                if not low <= value <= high:
                    raise ValueError(f"{name} must be between {low} and {high}, not {value!r}")


@dataclass(frozen=True)
class Monitor(_Checked):
    """Precision per step from the cell state's change (Silfa, Arnau, González, HiPC 2020).

    A step whose cell state moved little is followed by steps at a lower precision: the lowest whose
    threshold is above the rule's figure. The decision is taken from the last step that has surely
    drained when the next one begins: with one layer that is the step before the previous one.

    Parameters
    ----------
    rule : Rule
    scope : Scope
    low, middle : int
        Thresholds of the lowest and, with three images, of the middle precision.
    hysteresis : int
        Added to a threshold while its precision, or a lower one, is in use.
    theta : int
        Of the count rule, as a power of two.
    warmup : int
        First steps of a sequence at full precision.
    restart_above : int
        The sums are recomputed if the ratio reaches this, in 1/256; 0 is never.
    """

    rule: Rule = Rule.OFF
    scope: Scope = Scope.LAYER
    low: int = bounded(0, 0, 1023)
    middle: int = bounded(0, 0, 1023)
    hysteresis: int = bounded(0, 0, 1023)
    theta: int = bounded(2, 0, 3)
    warmup: int = bounded(0, 0, 255)
    restart_above: int = bounded(0, 0, 1023)


@dataclass(frozen=True)
class Skip(_Checked):
    """Steps that leave h and c as they are (Sen and Raghunathan, TCAD 2018), of the whole network.

    The first step of a sequence is never skipped.

    Parameters
    ----------
    change : int
        Skips a step if sum |x - x of the last computed step|, in LSBs of the operand grid, is below this
        (see ``golden.encoder.distance``).
    hints : bool
        Skips the steps that the input marks.
    predictor : bool
        Skips the step after one in which the network's predictor row reaches ``threshold``.
    threshold : int
    limit : int
        Most steps in a row that ``change`` and ``predictor`` may skip.
    """

    change: int = bounded(0, 0, (1 << 24) - 1)
    hints: bool = False
    predictor: bool = False
    threshold: int = bounded(0, -(1 << 23), (1 << 23) - 1)
    limit: int = bounded(1, 1, 15)

    @property
    def active(self) -> bool:
        """Whether any step may be skipped."""
        return bool(self.change or self.hints or self.predictor)


@dataclass(frozen=True)
class Policy(_Checked):
    """Policy of one layer; thresholds count LSBs of the operand grid.

    Parameters
    ----------
    mode : Mode
    theta_x, theta_h : int
        A change is listed if ``|value - reference| > theta``; what is not listed stays in the
        difference and is paid later. Of ``DELTA`` and ``AUTO``.
    tau_x, tau_h : int
        Changes up to this use the layer's lower variant.
    restart_tau_x, restart_tau_h : int
        The same for values, in steps that recompute the sums.
    refresh : int
        Sums are recomputed after at most this many steps; 0 is never.
    monitor : Monitor
    skip : Skip
        Of the first layer; the others follow it.
    active : int
        Units computed, one of the layer's counts; 0 is all.
    """

    mode: Mode = Mode.DELTA
    theta_x: int = bounded(0, 0, 0xFFFF)
    theta_h: int = bounded(0, 0, 0xFFFF)
    tau_x: int = bounded(0, 0, 0xFF)
    tau_h: int = bounded(0, 0, 0xFF)
    restart_tau_x: int = bounded(0, 0, 0xFF)
    restart_tau_h: int = bounded(0, 0, 0xFF)
    refresh: int = bounded(0, 0, 0xFFFF)
    monitor: Monitor = Monitor()
    skip: Skip = Skip()
    active: int = bounded(0, 0, 0xFFFF)

    @property
    def keeps_sums(self) -> bool:
        """Whether sums are kept from step to step."""
        return self.mode in (Mode.DELTA, Mode.AUTO)

    @property
    def mixes(self) -> bool:
        """Whether a lower variant may be used."""
        taus = self.tau_x, self.tau_h, self.restart_tau_x, self.restart_tau_h
        return any(taus) or self.monitor.rule is not Rule.OFF
