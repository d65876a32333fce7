"""Thresholds of the cell-state monitor from a wanted share of steps at the lowest precision."""

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
LARGEST_RATIO = 1024


def low_share(trace: LayerTrace, low: int, valid: BoolArray) -> float:
    """Part of the steps (and folds) of a layer at ``low`` bits."""
    return float((trace.fold_precisions == low)[valid].mean())


def with_share(
    network: QuantNetwork, config: EngineConfig, policies: list[Policy], data: TrainingSequences, share: float
) -> list[Policy]:
    """The policies with the smallest threshold per layer that puts at least ``share`` of the steps on the lowest
    variant.

    Layers are set one after the other, as each hears the ones before it. If no threshold reaches the share, the
    largest is taken.
    """
    model, chosen = GoldenModel(network, config), list(policies)
    for index, layer in enumerate(network.layers):
        if chosen[index].monitor.rule is Rule.OFF or not layer.variants:
            continue
        most = layer.units + 1 if chosen[index].monitor.rule is Rule.COUNT else LARGEST_RATIO
        low, high = 0, most
        while low < high:
            middle = (low + high) // 2
            chosen[index] = _threshold(policies[index], middle)
            trace = model.run(data.x, chosen)[index]
            if low_share(trace, layer.variants[0], data.valid) >= share:
                high = middle
            else:
                low = middle + 1
        chosen[index] = _threshold(policies[index], high)
    return chosen


def shares(network: QuantNetwork, config: EngineConfig, policies: list[Policy], data: TrainingSequences) -> list[float]:
    """Per layer: part of the steps on the lowest variant."""
    traces = GoldenModel(network, config).run(data.x, policies)
    return [
        low_share(trace, layer.variants[0], data.valid) if layer.variants else 0.0
        for trace, layer in zip(traces, network.layers, strict=True)
    ]


def halves(
    network: QuantNetwork, config: EngineConfig, policies: list[Policy], data: TrainingSequences
) -> list[tuple[float, float]]:
    """Per layer: part of the steps on the lowest variant in the first and in the second half of the sequences."""
    traces = GoldenModel(network, config).run(data.x, policies)
    late = np.arange(data.valid.shape[1]) * 2 >= data.valid.sum(axis=1)[:, None]
    return [
        (
            low_share(trace, layer.variants[0], data.valid & ~late),
            low_share(trace, layer.variants[0], data.valid & late),
        )
        for trace, layer in zip(traces, network.layers, strict=True)
    ]


def _threshold(policy: Policy, low: int) -> Policy:
    return replace(policy, monitor=replace(policy.monitor, low=low, middle=max(low, policy.monitor.middle)))


def subset(data: TrainingSequences, most: int) -> TrainingSequences:
    """At most so many of the sequences, evenly spread."""
    return data.rows(np.unique(np.linspace(0, len(data) - 1, most).astype(int)))
