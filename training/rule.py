"""Thresholds of the cell-state monitor from a wanted share of steps whose low plane is deferred."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lstmith.golden.activity import LayerTrace
from lstmith.golden.encoder import BoolArray
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Policy, Rule
from lstmith.spec.quantised import QuantNetwork
from lstmith.training.data import TrainingSequences

#: Largest ratio worth a threshold, in 1/256: the cell state changes by four times its size.
LARGEST_RATIO = 1023


def deferred_share(trace: LayerTrace, valid: BoolArray) -> float:
    """Part of the steps (and folds) of a layer after which the monitor defers the low plane."""
    return float(trace.deferred[valid].mean())


def with_share(
    network: QuantNetwork, config: EngineConfig, policies: list[Policy], data: TrainingSequences, share: float
) -> list[Policy]:
    """The policies with the smallest threshold per layer that defers the low plane in at least ``share`` of the steps.

    Layers are set one after the other, as each hears the ones before it. If no threshold reaches the share, the
    largest is taken.
    """
    model, chosen = GoldenModel(network, config), list(policies)
    for index, layer in enumerate(network.layers):
        if chosen[index].monitor.rule is Rule.OFF:
            continue
        most = min(layer.units + 1, LARGEST_RATIO) if chosen[index].monitor.rule is Rule.COUNT else LARGEST_RATIO
        low, high = 0, most
        while low < high:
            middle = (low + high) // 2
            chosen[index] = _threshold(policies[index], middle)
            if deferred_share(data.run(model, chosen)[index], data.valid) >= share:
                high = middle
            else:
                low = middle + 1
        chosen[index] = _threshold(policies[index], high)
    return chosen


def shares(network: QuantNetwork, config: EngineConfig, policies: list[Policy], data: TrainingSequences) -> list[float]:
    """Per layer: part of the steps after which the low plane is deferred."""
    return [deferred_share(each, data.valid) for each in data.run(GoldenModel(network, config), policies)]


def halves(
    network: QuantNetwork, config: EngineConfig, policies: list[Policy], data: TrainingSequences
) -> list[tuple[float, float]]:
    """Per layer: the same in the first and in the second half of the sequences."""
    late = np.arange(data.valid.shape[1]) * 2 >= data.valid.sum(axis=1)[:, None]
    return [
        (deferred_share(each, data.valid & ~late), deferred_share(each, data.valid & late))
        for each in data.run(GoldenModel(network, config), policies)
    ]


def _threshold(policy: Policy, low: int) -> Policy:
    return replace(policy, monitor=replace(policy.monitor, low=low))


def subset(data: TrainingSequences, most: int) -> TrainingSequences:
    """At most so many of the sequences, evenly spread."""
    return data.rows(np.unique(np.linspace(0, len(data) - 1, most).astype(int)))
