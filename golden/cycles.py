"""The cycle model: predicted cycles equal simulated ones exactly, step by step.

It holds while inputs wait and results are taken at once. Times count from a sequence's first input;
a *pass* is one layer's share of a step. The rules are those of the sequencer; since no entry waits for
anything but its predecessor, its successor's visibility and three conditions at a fold's end, a
pass has a closed form, and only the chain of passes is followed step by step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import timing
from .config import EngineConfig
from .model import LayerTrace
from .quantised import IntArray, QuantNetwork

#: Long before everything.
NEVER = -(1 << 40)


@dataclass
class _Pass:
    """When one pass happened, for N sequences."""

    begun: IntArray  # the sequencer took it up
    first_end: IntArray  # its first fold's last entry fired
    fold_cycles: IntArray  # from one fold's last entry to the next one's
    last_end: IntArray  # its last fold's last entry fired
    words: int  # of its entries
    capture: int  # from a fold's last entry to its capture
    drained: IntArray  # visible to the sequencer


class CycleModel:
    """Predicts cycles from what the golden model listed.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
    """

    def __init__(self, network: QuantNetwork, config: EngineConfig):
        self._network, self._config = network, config
        self._visible = timing.capture_to_visible(config)
        self._kinds = timing.kinds(config)

    def cycles(self, traces: list[LayerTrace]) -> npt.NDArray[np.int64]:
        """Cycles of each step, int64 [N, T].

        A step ends when its last layer has drained; the first step begins with the first input.
        Each sequence begins on an idle engine.
        """
        sequences, steps = traces[0].columns.shape
        layers = len(self._network.layers)
        single = layers == 1
        late = [
            self._latest_entries(traces[0].h_listed, traces[0].x_listed.sum(axis=2), 0, 0)
            if single
            else self._latest_entries(trace.x_listed, trace.h_listed.sum(axis=2), index - 1, index)
            for index, trace in enumerate(traces)
            if single or index
        ]
        entries = [np.maximum(trace.columns, 1) for trace in traces]

        never = np.full(sequences, NEVER)
        before = before_that = _Pass(never, never, never, never, 2, 0, never)
        last_input = never
        released = [never, never]  # by step parity: when the first layer had read its x list
        ends = np.empty((sequences, steps), dtype=np.int64)
        for t in range(steps):
            first_input = np.maximum(last_input + 1 + timing.INPUT_GAP, released[t % 2] + 1)
            if t == 0:
                first_input = np.zeros(sequences, dtype=np.int64)
            last_input = first_input + self._network.inputs - 1
            for index in range(layers):
                ready = last_input + timing.INPUT_READY if index == 0 else never
                live = index > 0 or (single and t > 0)
                latest = late[max(index - 1, 0)][:, t] if live else None
                kind = 0 if single else 1
                present = self._run_pass(index, entries[index][:, t], ready, latest, kind, before, before_that)
                before_that, before = before, present
                if index == 0:
                    released[t % 2] = present.last_end
            ends[:, t] = before.drained - 1
        # The first input's own cycle counts.
        return np.diff(ends, axis=1, prepend=-1)

    def _run_pass(
        self,
        index: int,
        entries: IntArray,
        ready: IntArray,
        latest: IntArray | None,
        kind: int,
        before: _Pass,
        before_that: _Pass,
    ) -> _Pass:
        config, layer = self._config, self._network.layers[index]
        words = config.words_per_entry(layer.precision)
        capture = timing.capture_delay(words)
        begun = np.maximum.reduce(
            [before.last_end + 1, before.begun + timing.fetch(config), before_that.drained, ready]
        )
        earliest = np.maximum(begun + 1, before.last_end + timing.fold_gap(before.words, words))
        first_end = np.maximum(earliest + words * (entries - 1), before.drained)
        if latest is not None:
            folds = np.arange(latest.shape[1])
            fold_capture = before.first_end[:, None] + folds * before.fold_cycles[:, None] + before.capture
            first_end = np.maximum(first_end, (fold_capture + self._visible + kind + latest).max(axis=1))
        pace = config.unit_cycles * config.lanes - 1 + capture
        fold_cycles = np.maximum(timing.fold_gap(words, words) + words * (entries - 1), pace)
        folds_left = config.folds(layer.units) - 1
        last_end = first_end + folds_left * fold_cycles
        last_lane = layer.units - folds_left * config.lanes - 1
        drained = last_end + capture + self._visible + config.unit_cycles * last_lane + self._kinds - 1
        return _Pass(begun, first_end, fold_cycles, last_end, words, capture, drained)

    def _latest_entries(
        self, listed: npt.NDArray[np.bool_], others: IntArray, producer: int, consumer: int
    ) -> IntArray:
        """How late a growing list may hold up the fold that reads it, int64 [N, T, folds].

        Entry i must be visible before entry i - 1 fires, and from there to the fold's last entry
        every entry takes its words. For each fold of the producing layer: the maximum over its
        listed units of their place in the drain plus those cycles.
        """
        config = self._config
        words = config.words_per_entry(self._network.layers[consumer].precision)
        units = self._network.layers[producer].units
        remaining = listed[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
        # An entry without predecessor holds up nothing but itself, and its successor is later still.
        first = (listed.cumsum(axis=2) == 1) & (others == 0)[:, :, None]
        lane = np.arange(units) % config.lanes
        late = np.where(listed & ~first, config.unit_cycles * lane + words * remaining, NEVER)
        folds = config.folds(units)
        padded = np.full((*listed.shape[:2], folds * config.lanes), NEVER)
        padded[:, :, :units] = late
        return padded.reshape(*listed.shape[:2], folds, config.lanes).max(axis=3)
