"""What a run made the engine do, counted from golden's traces; the core counts the same in its registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LayerTrace
from lstmith.spec.config import PRECISIONS, EngineConfig
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork


@dataclass(frozen=True)
class Activity:
    """Totals of a run.

    Attributes
    ----------
    words : dict of int to int
        Weight words issued, by the width of their digits. Each is read by every lane at once. A fold whose list is
        empty issues one empty entry.
    macs : dict of int to int
        Products of a digit and a listed operand that were added to a unit in use, by the digit's bits.
    weight_bits : int
        Bits read from the weight memories.
    lane_words : int
        Weight words read by lanes in use for listed operands: their busy cycles.
    computed_steps, skipped_steps : int
    restarts : int
        Passes that recomputed their sums.
    units : int
        Units computed, over all layers and steps.
    """

    words: dict[int, int]
    macs: dict[int, int]
    weight_bits: int
    lane_words: int
    computed_steps: int
    skipped_steps: int
    restarts: int
    units: int

    def summary(self) -> dict[str, int]:
        """The counters of R.json."""
        return {
            **{f"words_{bits}": count for bits, count in self.words.items()},
            **{f"macs_{bits}": count for bits, count in self.macs.items()},
            "weight_bits": self.weight_bits,
            "skipped_steps": self.skipped_steps,
            "restarts": self.restarts,
        }


def count_activity(
    network: QuantNetwork, config: EngineConfig, traces: Sequence[LayerTrace], valid: npt.NDArray[np.bool_]
) -> Activity:
    """Count what traces tell.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
    traces : sequence of LayerTrace, one per layer
    valid : bool [N, T]
        Steps that exist.
    """
    words, macs = dict.fromkeys(PRECISIONS, 0), dict.fromkeys(PRECISIONS, 0)
    lane_words = restarts = units = 0
    computed = valid & ~traces[0].skipped
    for layer, trace in zip(network.layers, traces, strict=True):
        digits = trace.by_plane.sum(axis=2)
        lanes = lanes_in_use(layer, config, trace)
        happens = computed[..., None] & (lanes > 0)
        empty = happens & (trace.columns == 0)[..., None]
        bits = layer.plane_bits
        words[bits] += layer.digit_words * int(((digits[..., None] + empty) * happens).sum())
        macs[bits] += layer.kind.rows * int((digits[..., None] * lanes * happens).sum())
        lane_words += layer.digit_words * int((digits[..., None] * lanes * happens).sum())
        units += int((lanes * computed[..., None]).sum())
        restarts += int((trace.restart & computed).sum())
    return Activity(
        words=words,
        macs=macs,
        weight_bits=16 * config.lanes * sum(words.values()),
        lane_words=lane_words,
        computed_steps=int(computed.sum()),
        skipped_steps=int((valid & traces[0].skipped).sum()),
        restarts=restarts,
        units=units,
    )


def step_words(layer: QuantLayer, config: EngineConfig, trace: LayerTrace) -> IntArray:
    """Weight words that every lane reads in a step, by plane, int64 [N, T, PLANES], top plane first."""
    folds = (lanes_in_use(layer, config, trace) > 0).sum(axis=2)
    words: IntArray = trace.by_plane * (folds * layer.digit_words)[..., None]
    return words


def lanes_in_use(layer: QuantLayer, config: EngineConfig, trace: LayerTrace) -> IntArray:
    """Units computed in each fold, int64 [N, T, F]; 0 for a fold that does not happen."""
    units = np.array([layer.units, *layer.counts])[trace.active_index]
    first = config.lanes * np.arange(config.folds(layer.units))
    return np.clip(units[..., None] - first, 0, config.lanes)
