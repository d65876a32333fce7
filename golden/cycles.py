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
from .account import Account, Ledger, Spent
from .activity import RELOAD, START, LayerTrace
from .config import EngineConfig
from .encoder import BoolArray
from .pass_words import NEVER, pass_words
from .policy import Policy
from .quantised import IntArray, QuantNetwork


@dataclass
class _Pass:
    """When one pass happened, for N sequences."""

    begun: IntArray  # the sequencer took it up
    fetched: IntArray  # its last entry was fetched, or earlier than that if fetching ran far ahead
    captures: IntArray  # [N, F]: when each fold's first sums were captured, less the pipeline
    last_end: IntArray  # its last fold's last entry fired
    last_words: IntArray  # of that entry
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

    def cycles(
        self, traces: list[LayerTrace], policies: list[Policy] | None = None, hints: BoolArray | None = None
    ) -> npt.NDArray[np.int64]:
        """Cycles of each step, int64 [N, T].

        Parameters
        ----------
        traces : list of LayerTrace
        policies : list of Policy or None
            What the traces were made with, where steps are skipped.
        hints : bool [N, T] or None
            Steps that the input marks as skipped, as given to the golden model.

        Notes
        -----
        A step ends when its last layer has drained; the first step begins with the first input. A
        skipped step ends when that is known, but not before its predecessor: it takes no cycles if its
        input was looked at while an earlier step computed. Each sequence begins on an idle engine.
        """
        return _Run(self._network, self._config, traces, policies, hints).cycles()

    def account(
        self, traces: list[LayerTrace], policies: list[Policy] | None = None, hints: BoolArray | None = None
    ) -> Account:
        """Those cycles and what they are spent on; parameters as for :meth:`cycles`."""
        ledger = Ledger(*traces[0].skipped.shape)
        return ledger.account(_Run(self._network, self._config, traces, policies, hints, ledger).cycles())


class _Run:
    """The chain of passes of one run."""

    def __init__(
        self,
        network: QuantNetwork,
        config: EngineConfig,
        traces: list[LayerTrace],
        policies: list[Policy] | None,
        hints: BoolArray | None,
        ledger: Ledger | None = None,
    ):
        self._network, self._config, self._traces, self._ledger = network, config, traces, ledger
        self._visible, self._kinds = timing.capture_to_visible(config), timing.kinds(config)
        self._words = pass_words(network, config, traces)
        self._folds = config.folds(max(layer.units for layer in network.layers))
        self._empty = [trace.columns == 0 for trace in traces] if ledger is not None else []
        self._skipped = traces[0].skipped
        rule = policies[0].skip if policies else None
        self._predicts = bool(rule and rule.predictor)
        self._marked = self._skipped & hints if rule and rule.hints and hints is not None else self._skipped & False

    def cycles(self) -> npt.NDArray[np.int64]:
        sequences, steps = self._skipped.shape
        layers, inputs = len(self._network.layers), self._network.inputs
        never = np.full(sequences, NEVER)
        nothing = _Pass(never, never, np.full((sequences, self._folds), NEVER), never, np.full(sequences, 2), never)
        before = before_that = nothing
        # The input may go on: by itself, and as far as the predictor's verdict is awaited.
        free = np.zeros(sequences, dtype=np.int64)
        verdict = never
        released = np.stack([never, never])  # by parity of the computed steps
        parity = np.zeros(sequences, dtype=np.int64)
        rows = np.arange(sequences)
        ended = np.full(sequences, -1)
        ends = np.empty((sequences, steps), dtype=np.int64)
        started = np.zeros(sequences, dtype=bool)  # whether a step was computed before this one
        for t in range(steps):
            skipped, marked = self._skipped[:, t], self._marked[:, t]
            first_input = np.maximum.reduce([free, released[parity, rows] + 1, verdict])
            last_input = first_input + inputs - 1
            outcome = np.where(marked, first_input + timing.MARK, last_input + timing.input_ready(self._config))
            free = np.where(marked, first_input + 1, last_input + 1 + timing.input_gap(self._config))
            chain, was = (before, before_that), (before, before_that)
            first_pass = None
            for index in range(layers):
                heard, ready = (outcome, self._renewed(t, outcome, before.drained)) if index == 0 else (never, never)
                present = self._pass(index, t, heard, ready, started if index == 0 else None, *chain)
                first_pass = present if index == 0 else first_pass
                chain = (present, chain[0])
            assert first_pass is not None
            if skipped.any():
                chain = (_choose(skipped, was[0], chain[0]), _choose(skipped, was[1], chain[1]))
            before, before_that = chain
            ended = np.maximum(ended, np.where(skipped, outcome, before.drained - 1))
            ends[:, t] = ended
            if self._ledger is not None:
                self._ledger.close(t, skipped, _free(before), np.maximum(before.drained, 0), ended + 1)
            if self._predicts:
                capture = first_pass.captures[:, 0]
                verdict = np.where(skipped, verdict, capture + timing.fire_to_lane(self._config) + timing.PREDICT)
            computed = ~skipped
            released[parity[computed], rows[computed]] = first_pass.last_end[computed]
            parity = np.where(skipped, parity, 1 - parity)
            started |= computed
        # The first input's own cycle counts.
        return np.diff(ends, axis=1, prepend=-1)

    def _renewed(self, t: int, ready: IntArray, drained: IntArray) -> IntArray:
        """When the first pass may begin if records are fetched anew on a drained engine."""
        if self._config.masks == 1:
            return ready
        renewal, quiet = self._traces[0].renewal[:, t], np.maximum(ready, drained)
        start = quiet + timing.renew(self._config, ())
        active = [words.active[:, t] for words in self._words]
        reload = quiet + timing.renew(self._config, active)
        return np.where(renewal == START, start, np.where(renewal == RELOAD, reload, ready))

    def _pass(
        self,
        index: int,
        t: int,
        outcome: IntArray,
        ready: IntArray,
        started: BoolArray | None,
        before: _Pass,
        before_that: _Pass,
    ) -> _Pass:
        """One pass, from the two before it; its input is there at ``outcome``, and its record too at ``ready``."""
        config, words = self._config, self._words[index]
        queue = timing.queue(config)
        begun = np.maximum.reduce(
            [before.fetched + 1, before.begun + timing.fetch(config), before_that.drained, ready]
        ) + timing.settle(config)
        gap = fold_gap(before.last_words, words.first[:, t, 0])
        earliest = np.maximum(begun + timing.OPEN + queue, before.last_end + gap)
        drained = before.drained + timing.LOOK
        first_end = np.maximum(earliest + words.body[:, t, 0], drained + queue)
        first_fetched = np.maximum(begun + timing.OPEN + words.entries[:, t] - 1, drained)
        held = None
        if words.late is not None and words.late_entries is not None:
            kind = 0 if len(self._network.layers) == 1 else 1
            seen = before.captures[:, : words.late.shape[2]] + self._visible + kind + timing.LOOK
            held, held_fetch = (
                (seen + late[:, t]).max(axis=1, initial=NEVER) for late in (words.late, words.late_entries)
            )
            if started is not None:
                # The very first list is empty and complete.
                held, held_fetch = (np.where(started, waits, NEVER) for waits in (held, held_fetch))
            first_end = np.maximum(first_end, held + queue)
            first_fetched = np.maximum(first_fetched, held_fetch)
        capture = capture_delay(words.last[:, t])
        pace = config.unit_cycles * config.lanes - 1 + capture[:, :-1]
        apart = np.maximum(fold_gap(words.last[:, t, :-1], words.first[:, t, 1:]) + words.body[:, t, 1:], pace)
        ends = (
            first_end[:, None] + np.concatenate([np.zeros_like(apart[:, :1]), apart], axis=1).cumsum(axis=1)
            if (apart.shape[1])
            else first_end[:, None]
        )
        # Folds beyond the active ones do not happen.
        active = words.active[:, t]
        last = -(-active // config.lanes) - 1
        rows = np.arange(len(last))
        last_end = ends[rows, last]
        last_lane = active - last * config.lanes - 1
        drained = last_end + capture[rows, last] + self._visible + config.unit_cycles * last_lane + self._kinds - 1
        # Entries are fetched one per cycle; where the queue is full, that is never what the next pass waits for.
        fetched = first_fetched + last * words.entries[:, t] if queue else last_end
        if self._ledger is not None:
            lead = timing.settle(config) + timing.OPEN + queue
            self._ledger.wait(
                t,
                _free(before),
                [
                    (Spent.CAPTURE, before.last_end + gap),
                    (Spent.OPEN, before.fetched + 1 + lead),
                    (Spent.RECORD, before.begun + timing.fetch(config) + lead),
                    (Spent.INPUT, outcome + lead),
                    (Spent.RENEWAL, ready + lead),
                ],
            )
            since = earliest + words.body[:, t, 0]
            ends_with = [] if held is None else [(Spent.FEEDBACK, held + queue)]
            self._ledger.wait(t, since, [(Spent.DRAIN, before.drained + timing.LOOK + queue), *ends_with])
            self._book_folds(index, t, last, apart)
        # Passes of all layers have the same shape, for a skipped step leaves whichever was the last.
        captures = np.full((len(last), self._folds), NEVER)
        captures[:, : ends.shape[1]] = ends + capture
        return _Pass(begun, fetched, captures, last_end, words.last[rows, t, last], drained)

    def _book_folds(self, index: int, t: int, last: IntArray, apart: IntArray) -> None:
        """Book what the folds of a pass take, ``apart`` [N, F - 1] from one's last entry to the next one's."""
        assert self._ledger is not None
        words = self._words[index]
        fold = np.arange(words.last.shape[2])
        happens, follows = fold <= last[:, None], fold[1:] <= last[:, None]
        gap = fold_gap(words.last[:, t, :-1], words.first[:, t, 1:])
        taken = ((words.body[:, t] + words.last[:, t]) * happens).sum(axis=1)
        empty = self._empty[index][:, t]
        self._ledger.spend(t, Spent.EMPTY, taken * empty)
        self._ledger.spend(t, Spent.BUSY, taken * ~empty)
        self._ledger.spend(t, Spent.CAPTURE, ((gap - words.last[:, t, :-1]) * follows).sum(axis=1))
        self._ledger.spend(t, Spent.PACE, ((apart - gap - words.body[:, t, 1:]) * follows).sum(axis=1))


def _free(before: _Pass) -> IntArray:
    """When the array has had the last entry of a pass; time begins at 0."""
    return np.maximum(before.last_end + before.last_words, 0)


def capture_delay(words: IntArray) -> IntArray:
    """:func:`timing.capture_delay` for arrays."""
    return np.maximum(words - 1, 1)


def fold_gap(words: IntArray, next_words: IntArray) -> IntArray:
    """:func:`timing.fold_gap` for arrays."""
    return capture_delay(words) + np.where(next_words == 1, 2, 1)


def _choose(skipped: BoolArray, old: _Pass, new: _Pass) -> _Pass:
    """The old pass where the step was skipped."""
    return _Pass(
        **{
            name: np.where(skipped if value.ndim == 1 else skipped[:, None], getattr(old, name), value)
            for name, value in vars(new).items()
        }
    )
