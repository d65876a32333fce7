"""Run-time policy: which columns of a step are computed, in how many bits, and which steps at all."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


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
    """Which units the monitor judges together, and whose columns it decides on."""

    LAYER = 0  #: all units: all columns of the layer
    FOLD = 1  #: the units that drain together: their own recurrent columns


def bounded(default: int | None, low: int, high: int) -> Any:
    """A policy value with its range, for messages and for checking; None, where it is the default, is right too."""
    return field(default=default, metadata={"low": low, "high": high})


class _Checked:
    """Refuses values outside the ranges that the fields declare."""

    def __post_init__(self) -> None:
        for name, entry in self.__dataclass_fields__.items():  # type: ignore[attr-defined]
            if entry.metadata:
                low, high, value = entry.metadata["low"], entry.metadata["high"], getattr(self, name)
                if value is None and entry.default is None:
                    continue
                if not low <= value <= high:
                    raise ValueError(f"{name} must be between {low} and {high}, not {value!r}")


@dataclass(frozen=True)
class Monitor(_Checked):
    """Planes served per step, from the cell state's change (after Silfa, Arnau and González, HiPC 2020).

    After a step whose cell state moved little, changes of the low plane are deferred: they stay in the difference
    between values and references, and are paid when the plane is served again. So a wrong decision costs cycles or
    delay, and never leaves an error behind. Which step decides for which is told by ``spec.monitor_rule``.

    Parameters
    ----------
    rule : Rule
    scope : Scope
    low : int
        The low plane is deferred while the rule's figure is below this.
    hysteresis : int
        Added to the threshold while the plane is deferred.
    theta : int
        Of the count rule, as a power of two.
    warmup : int
        First steps of a sequence in which all planes are served.
    """

    rule: Rule = Rule.OFF
    scope: Scope = Scope.LAYER
    low: int = bounded(0, 0, 1023)
    hysteresis: int = bounded(0, 0, 1023)
    theta: int = bounded(2, 0, 3)
    warmup: int = bounded(0, 0, 255)


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
        Of the top plane, or the only one: a change is listed if ``|value - reference| > theta``; what is not listed
        stays in the difference and is paid later. Of ``DELTA`` and ``AUTO``.
    low_theta_x, low_theta_h : int or None
        The same of the low plane, which has references of its own; None is as the top plane.
    monitor : Monitor
    skip : Skip
        Of the first layer; the others follow it.
    active : int
        Units computed, one of the layer's counts; 0 is all.
    """

    mode: Mode = Mode.DELTA
    theta_x: int = bounded(0, 0, 0xFFFF)
    theta_h: int = bounded(0, 0, 0xFFFF)
    low_theta_x: int | None = bounded(None, 0, 0xFFFF)
    low_theta_h: int | None = bounded(None, 0, 0xFFFF)
    monitor: Monitor = Monitor()
    skip: Skip = Skip()
    active: int = bounded(0, 0, 0xFFFF)

    @property
    def keeps_sums(self) -> bool:
        """Whether sums are kept from step to step."""
        return self.mode in (Mode.DELTA, Mode.AUTO)

    @property
    def monitors(self) -> bool:
        """Whether the cell state decides which planes are served."""
        return self.monitor.rule is not Rule.OFF

    def thetas_x(self, planes: int) -> tuple[int, ...]:
        """Thresholds of the input by plane, top plane first."""
        return (self.theta_x, self.theta_x if self.low_theta_x is None else self.low_theta_x)[:planes]

    def thetas_h(self, planes: int) -> tuple[int, ...]:
        """Thresholds of h by plane, top plane first."""
        return (self.theta_h, self.theta_h if self.low_theta_h is None else self.low_theta_h)[:planes]
