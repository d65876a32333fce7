"""What a run made the engine do, counted from golden's traces; the core counts the same in its registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LayerTrace
from lstmith.spec.config import PRECISIONS, EngineConfig
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork

#: Rows of weights per unit, one for each gate.
GATES = 4


@dataclass(frozen=True)
class Activity:
    """Totals of a run.

    Attributes
    ----------
    words : dict of int to int
        Weight words issued, by the image's bits. Each is read by every lane at once. A fold whose list is
        empty issues one empty entry.
    macs : dict of int to int
        Products of a weight and a listed operand that were added to a unit in use, by the weight's bits.
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
        entries = fold_entries(layer, trace)
        lanes = lanes_in_use(layer, config, trace)
        happens = computed[..., None] & (lanes > 0)
        empty = happens & (trace.columns == 0)[..., None]
        for index, bits in enumerate(PRECISIONS):
            count = entries[..., index] * happens
            per_entry = config.words_per_entry(bits)
            words[bits] += per_entry * int((count + (empty & (trace.fold_precisions == bits))).sum())
            macs[bits] += GATES * int((count * lanes).sum())
            lane_words += per_entry * int((count * lanes).sum())
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


def fold_entries(layer: QuantLayer, trace: LayerTrace) -> IntArray:
    """List entries of every fold by weight bits, int64 [N, T, F, 3]."""
    main, low = trace.entries[..., None, 0], trace.entries[..., None, 1]
    lowered = trace.fold_precisions < layer.precision
    found = [
        np.where(lowered, trace.fold_precisions == bits, bits == layer.precision) * main
        + np.where(lowered, trace.fold_precisions == bits, bits == (layer.entry_variant or layer.precision)) * low
        for bits in PRECISIONS
    ]
    return np.stack(found, axis=-1)


def lanes_in_use(layer: QuantLayer, config: EngineConfig, trace: LayerTrace) -> IntArray:
    """Units computed in each fold, int64 [N, T, F]; 0 for a fold that does not happen."""
    units = np.array([layer.units, *layer.counts])[trace.active_index]
    first = config.lanes * np.arange(trace.fold_precisions.shape[2])
    return np.clip(units[..., None] - first, 0, config.lanes)
