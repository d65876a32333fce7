"""What a workload is: trained networks, recorded inputs, and a quality that any engine can be judged by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lstmith.golden.network import FloatNetwork

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
State = list[tuple[Float64, Float64]]  #: per layer (h, c), each float64 [N, H]

SPLITS = ("tune", "heldout")
INTERVAL = (2.5, 97.5)  #: percentiles that bound a 95 % interval


class Session(Protocol):
    """Sequences that run side by side, one step per call, for networks whose input depends on their output."""

    def step(self, x: Float32, hint: Bools | None = None) -> Float32:
        """One step of all sequences.

        Parameters
        ----------
        x : float32 [N, I]
        hint : bool [N], optional
            Host's advice for this step, for policies that read one.

        Returns
        -------
        float32 [N, H]
            h of the last layer.
        """

    def state(self) -> State:
        """State after the last step; a copy."""


class Runner(Protocol):
    """Runs the networks of a workload on some engine."""

    def sequences(
        self, network: str, xs: list[Float32], hints: list[Bools] | None = None, *, every_layer: bool = False
    ) -> list[Float32]:
        """Run whole sequences, each from the network's initial state.

        Parameters
        ----------
        network : str
            Which of the workload's networks.
        xs : list of float32 [T, I]
        hints : list of bool [T], optional
            Host's advice per step, for policies that read one.
        every_layer : bool
            Give h of all layers, first layer first, for heads that read inner layers.

        Returns
        -------
        list of float32 [T, H]
            h of the last layer, or with ``every_layer`` [T, sum of all H].
        """

    def session(self, network: str, sequences: int, state: State | None = None) -> Session:
        """Start ``sequences`` sequences in ``state``; default is the network's initial state."""


@dataclass(frozen=True)
class Metric:
    """What quality means: a name, its unit (empty for a fraction) and its direction."""

    name: str
    unit: str
    higher_is_better: bool


@dataclass(frozen=True)
class Scores:
    """Quality as a ratio of sums over units that may be resampled.

    Parameters
    ----------
    numerator, denominator : float64 [U]
        Per unit, such as a sequence, a sentence or a stretch of a recording.
    """

    numerator: Float64
    denominator: Float64

    def __post_init__(self) -> None:
        if self.numerator.ndim != 1 or self.numerator.shape != self.denominator.shape or not self.numerator.size:
            raise ValueError(
                f"Scores must be two vectors of one length, not {self.numerator.shape!r} and {self.denominator.shape!r}"
            )

    @property
    def value(self) -> float:
        """Sum of the numerators over the sum of the denominators."""
        return float(self.numerator.sum() / self.denominator.sum())

    def bootstrap(self, seed: int, draws: int = 1000) -> tuple[float, float]:
        """95 % interval of `value`, by drawing as many units as there are, with replacement.

        Parameters
        ----------
        seed : int
        draws : int

        Returns
        -------
        low, high : float
        """
        return _interval(self._values(seed, draws))

    def paired(self, other: Scores, seed: int, draws: int = 1000) -> tuple[float, float]:
        """The same interval of ``self.value - other.value``, of the same units drawn for both.

        Parameters
        ----------
        other : Scores
            Of the same units.
        seed : int
        draws : int

        Returns
        -------
        low, high : float
        """
        return _interval(self._values(seed, draws) - other._values(seed, draws))

    def _values(self, seed: int, draws: int) -> Float64:
        drawn = np.random.default_rng(seed).integers(self.numerator.size, size=(draws, self.numerator.size))
        values: Float64 = self.numerator[drawn].sum(axis=1) / self.denominator[drawn].sum(axis=1)
        return values


def _interval(values: Float64) -> tuple[float, float]:
    low, high = np.percentile(values, INTERVAL)
    return float(low), float(high)


@dataclass(frozen=True)
class Workload(ABC):
    """Trained networks with data: one to calibrate on, one to tune on, one to judge on, none shared.

    Parameters
    ----------
    name : str
    networks : dict of FloatNetwork
    calibration : dict of lists of float32 [T, I]
        Per network; of nothing else is the quantiser told.
    metric : Metric
    source, licence : str
        Where network and data come from, and under which terms.
    """

    name: str
    networks: dict[str, FloatNetwork]
    calibration: dict[str, list[Float32]]
    metric: Metric
    source: str
    licence: str

    @abstractmethod
    def evaluate(self, split: str, runner: Runner) -> Scores:
        """Quality of what ``runner`` computes, on ``tune`` or ``heldout``."""

    @property
    def closeness(self) -> str | None:
        """The metric of :meth:`judged` that tells best how near to float the output is; None: nothing but the error of
        h does.
        """
        return None

    def judged(self, split: str, runner: Runner) -> dict[str, Scores]:
        """Quality as :meth:`evaluate` has it, first, then by finer metrics, all of one run."""
        return {self.metric.name: self.evaluate(split, runner)}

    @abstractmethod
    def inputs(self, split: str) -> dict[str, list[Float32]]:
        """Recorded inputs per network, each float32 [T, I]; of a closed loop, those that float produces."""

    def training(self) -> dict[str, list[Float32]]:
        """Inputs to train on without labels, per network, each float32 [T, I]; nothing that judges is among them."""
        tuned = self.inputs("tune")
        return {name: [*self.calibration[name], *tuned[name]] for name in self.networks}

    def starts(self, inputs: dict[str, list[Float32]] | None = None) -> dict[str, State]:
        """What sequences start in, for networks that do not begin in their own initial state.

        Parameters
        ----------
        inputs : dict of list of float32 [T, I] or None
            Sequences of every network, those of one word or recording at the same place; None: those of calibration.
        """
        return {}


def chosen(split: str) -> str:
    """``split``, if there is such a split."""
    if split not in SPLITS:
        raise ValueError(f"Split must be one of {SPLITS!r}, not {split!r}")
    return split
