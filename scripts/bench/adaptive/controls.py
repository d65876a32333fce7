"""Controls: what a mechanism must beat, or it shows nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lstmith.compiler.quantise.encode import encode_scales
from lstmith.golden.activity import LayerTrace
from lstmith.golden.encoder import BoolArray
from lstmith.golden.layer_run import LayerRun
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import LAG_H, LAG_INPUT
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork
from lstmith.tuning.engine import GoldenEngine
from lstmith.workloads.workload import Bools

MIDDLE = 6  #: bits of the static width between 8 and 4
#: Scales of six-bit rows that are tried, as parts of the one that covers the largest weight.
SHRINKS = np.linspace(0.6, 1.0, 21)


class RandomSteps:
    """The low plane is deferred after each step with a probability (a :class:`.runner.Forced`).

    Parameters
    ----------
    fraction : dict of float
        Per network.
    seed : int
    """

    def __init__(self, fraction: dict[str, float], seed: int):
        self._fraction, self._rng = fraction, np.random.default_rng(seed)

    def sequences(self, network: str, lengths: list[int]) -> list[Bools]:
        """See :class:`.runner.Forced`."""
        return [self._rng.random(length) < self._fraction[network] for length in lengths]

    def step(self, network: str, index: int, sequences: int) -> Bools:
        """See :class:`.runner.Forced`."""
        return self._rng.random(sequences) < self._fraction[network]


class EverySecond:
    """The low plane is deferred after every second step (a :class:`.runner.Forced`)."""

    def sequences(self, network: str, lengths: list[int]) -> list[Bools]:
        """See :class:`.runner.Forced`."""
        return [np.arange(length) % 2 == 1 for length in lengths]

    def step(self, network: str, index: int, sequences: int) -> Bools:
        """See :class:`.runner.Forced`."""
        return np.full(sequences, index % 2 == 1)


class AfterWarmup:
    """The low plane is deferred in all steps after the first ones (a :class:`.runner.Forced`).

    Parameters
    ----------
    fraction : dict of float
        Per network: the part of a sequence that is deferred.
    typical : dict of float
        Per network: length of a sequence of which only the past is known.
    """

    def __init__(self, fraction: dict[str, float], typical: dict[str, float]):
        self._fraction, self._typical = fraction, typical

    def sequences(self, network: str, lengths: list[int]) -> list[Bools]:
        """See :class:`.runner.Forced`."""
        return [np.arange(length) >= round(length * (1.0 - self._fraction[network])) for length in lengths]

    def step(self, network: str, index: int, sequences: int) -> Bools:
        """See :class:`.runner.Forced`."""
        return np.full(sequences, index >= round(self._typical[network] * (1.0 - self._fraction[network])))


class InvertedRule(GoldenModel):
    """The low plane is deferred where the monitor would serve it; for policies without hysteresis and skipping."""

    def layer_run(self, index: int, *arguments: Any) -> LayerRun:
        """See :meth:`GoldenModel.layer_run`."""
        return _InvertedRun(self.network, self.config, self._matrices[index], index, *arguments)


class _InvertedRun(LayerRun):
    def step(self, t: int, first: bool, trace: LayerTrace) -> None:
        super().step(t, first, trace)
        trace.deferred[:, t] = self._state.deferred[0] = ~self._state.deferred[0]


class RandomColumns(GoldenModel):
    """The low plane's columns are deferred at random instead of by thresholds.

    Parameters
    ----------
    network, config : QuantNetwork, EngineConfig
    fraction : float
        Part of the columns that a step defers.
    seed : int
    """

    def __init__(self, network: QuantNetwork, config: EngineConfig, fraction: float, seed: int):
        super().__init__(network, config)
        self.fraction, self.rng = fraction, np.random.default_rng(seed)

    def layer_run(self, index: int, *arguments: Any) -> LayerRun:
        """See :meth:`GoldenModel.layer_run`."""
        return _RandomRun(self, index, *arguments)


class _RandomRun(LayerRun):
    def __init__(self, model: RandomColumns, index: int, *arguments: Any):
        super().__init__(model.network, model.config, model._matrices[index], index, *arguments)
        self._random = model

    def _held_x(self, steps: IntArray) -> BoolArray:
        return self._drawn(super()._held_x(steps), steps >= LAG_INPUT)

    def _held_h(self, steps: IntArray) -> BoolArray:
        return self._drawn(super()._held_h(steps), steps >= LAG_H)

    def _drawn(self, held: BoolArray, settled: BoolArray) -> BoolArray:
        drawn = self._random.rng.random(held[:, -1].shape) < self._random.fraction
        held[:, -1] = settled[:, None] & drawn
        return held


def with_random_columns(engine: GoldenEngine, fraction: float, seed: int) -> GoldenEngine:
    """The same engine, deferring columns at random under policies with a monitor."""
    return GoldenEngine(
        engine.network, engine.source, engine.config, RandomColumns(engine.network, engine.config, fraction, seed)
    )


def with_inverted_rule(engine: GoldenEngine) -> GoldenEngine:
    """The same engine with a monitor that decides the opposite."""
    return GoldenEngine(engine.network, engine.source, engine.config, InvertedRule(engine.network, engine.config))


def six_bits(engine: GoldenEngine) -> GoldenEngine:
    """The same network with weights of six bits, as an engine of eight; a six-bit one would take 6/8 of the cycles."""
    layers = tuple(_six_bits(layer, engine.config.requant_width) for layer in engine.network.layers)
    # Whole weights: digits leave out levels that six bits have.
    config = replace(engine.config, planes=1, monitor=False)
    return GoldenEngine(replace(engine.network, layers=layers), engine.source, config)


def _six_bits(layer: QuantLayer, requant_width: int) -> QuantLayer:
    """Rows on the six-bit scale of least squared error; the scale moves into the row's multiplier."""
    top = (1 << (MIDDLE - 1)) - 1
    weights = layer.weights.astype(np.float64)
    largest = np.maximum(np.abs(weights).max(axis=1), 1.0) / top
    best, error = largest.copy(), np.full(len(weights), np.inf)
    for shrink in SHRINKS:
        scale = (largest * shrink)[:, None]
        found = ((weights - np.clip(np.rint(weights / scale), -top, top) * scale) ** 2).sum(axis=1)
        best, error = np.where(found < error, scale[:, 0], best), np.minimum(found, error)
    # encode_scales gives (1, shift of 1.0); what a row multiplied by before is mantissa * 2^-shift of that unit.
    unit_mantissa, unit_shift = encode_scales(np.array([2.0**-20]), requant_width, "unit")
    before = layer.mantissa / float(unit_mantissa[0]) * 2.0 ** (unit_shift[0] - layer.shift.astype(np.float64) - 20)
    mantissa, shift = encode_scales(before * best, requant_width, "six bits")
    integers = np.clip(np.rint(weights / best[:, None]), -top, top).astype(np.int64)
    return replace(layer, weights=integers, mantissa=mantissa, shift=shift, planes=1)
