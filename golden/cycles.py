"""The cycle model: predicted cycles equal simulated ones exactly, step by step.

It holds while results are taken at once, and the input of each step either follows that of the step before without a
pause, or finds the engine idle. Times count from a sequence's first input;
a *pass* is one layer's share of a step. The rules are those of the sequencer; since no entry waits for
anything but its predecessor, its successor's visibility and three conditions at a fold's end, a
pass has a closed form, and only the chain of passes is followed step by step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import RECORDS, RELOAD, LayerTrace
from lstmith.golden.breakdown import CycleBreakdown, CycleClass, CycleLedger
from lstmith.golden.encoder import BoolArray
from lstmith.golden.pass_words import NEVER, pass_words
from lstmith.spec import latency as timing
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork

#: Cycles after which nothing of an earlier step is waited for.
LONG = 1 << 16
#: Which row and step of the words: int64 [N] each.
_Place = tuple[IntArray, IntArray]


@dataclass
class _Pass:
    """When one pass happened, in each of N chains."""

    begun: IntArray  # the sequencer took it up
    fetched: IntArray  # its last entry was fetched, or earlier than that if fetching ran far ahead
    captures: IntArray  # [N, F]: when each fold's first sums were captured, less the pipeline
    last_end: IntArray  # its last fold's last entry fired
    last_words: IntArray  # of that entry
    capture: IntArray  # from there to the capture of its first sums
    leaves: IntArray  # the next fold's last entry may fire, as far as the chain is concerned
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
        self,
        traces: list[LayerTrace],
        policies: list[Policy] | None = None,
        hints: BoolArray | None = None,
        valid: BoolArray | None = None,
        idle: BoolArray | None = None,
    ) -> npt.NDArray[np.int64]:
        """Cycles of each step, int64 [N, T].

        Parameters
        ----------
        traces : list of LayerTrace
        policies : list of Policy or None
            What the traces were made with, where steps are skipped.
        hints : bool [N, T] or None
            Steps that the input marks as skipped, as given to the golden model.
        valid : bool [N, T] or None
            Steps that exist, the first ones of each sequence; None means all.
        idle : bool [N, T] or None
            Steps that begin in an idle engine, beside each sequence's first one; None means no other. The input of the
            others follows that of the step before without a pause.

        Notes
        -----
        A step ends when its last layer has drained. It begins where its predecessor ends, but with its own first input
        if the engine is idle then. A skipped step ends when that is known, but not before its predecessor: it takes no
        cycles if its input was looked at while an earlier step computed.

        An engine for two sequences runs those of an even row and the next one in turn, the longer one's last
        steps alone. Its steps follow each other as they are computed, so two steps' cycles are those of both.
        """
        return _Run(self._network, self._config, traces, policies, hints, valid, idle).cycles()

    def breakdown(
        self,
        traces: list[LayerTrace],
        policies: list[Policy] | None = None,
        hints: BoolArray | None = None,
        valid: BoolArray | None = None,
        idle: BoolArray | None = None,
    ) -> CycleBreakdown:
        """Those cycles and what they are spent on; parameters as for :meth:`cycles`."""
        sequences, steps = traces[0].skipped.shape
        ledger = CycleLedger(sequences, steps, self._config.sequences)
        run = _Run(self._network, self._config, traces, policies, hints, valid, idle, ledger)
        return ledger.breakdown(run.cycles(), idle)


class _Run:
    """The chain of passes of one run: of N sequences, or of N pairs of them that take turns."""

    def __init__(
        self,
        network: QuantNetwork,
        config: EngineConfig,
        traces: list[LayerTrace],
        policies: list[Policy] | None,
        hints: BoolArray | None,
        valid: BoolArray | None,
        idle: BoolArray | None,
        ledger: CycleLedger | None = None,
    ):
        self._network, self._config, self._traces, self._ledger = network, config, traces, ledger
        self._visible, self._kinds = timing.capture_to_visible(config), timing.kinds(config)
        self._words = pass_words(network, config, traces)
        # From a capture to the first entry that may follow it, by the layer whose entry it is.
        self._after = [timing.after_capture(words.width, config.rows_per_cycle) for words in self._words]
        self._folds = config.folds(max(layer.units for layer in network.layers))
        self._empty = [trace.columns == 0 for trace in traces] if ledger is not None else []
        self._skipped = traces[0].skipped
        rule = policies[0].skip if policies else None
        self._predicts = bool(rule and rule.predictor)
        self._marked = self._skipped & hints if rule and rule.hints and hints is not None else self._skipped & False
        self._idle = self._skipped & False if idle is None else idle
        # When the last step that began in an idle engine did.
        self._since = np.zeros(-(-len(self._skipped) // config.sequences), dtype=np.int64)
        # Alone, steps beyond a sequence's end disturb nobody.
        counts = valid is not None and config.sequences > 1
        self._valid = valid if counts and valid is not None else np.ones_like(self._skipped)

    def cycles(self) -> npt.NDArray[np.int64]:
        sequences, steps = self._skipped.shape
        together = self._config.sequences
        chains = -(-sequences // together)
        inputs = self._network.inputs
        never = np.full(chains, NEVER)
        first_capture = np.full(chains, timing.capture_delay(2, 8, self._config.rows_per_cycle))
        captures = np.full((chains, self._folds), NEVER)
        nothing = _Pass(never, never, captures, never, np.full(chains, 2), first_capture, never, never)
        before = before_that = nothing
        # The input may go on: by itself, and as far as the predictor's decision is awaited.
        free = np.zeros(chains, dtype=np.int64)
        decided = never
        released = np.stack([never, never])  # by parity of the computed steps
        parity = np.zeros(chains, dtype=np.int64)
        numbers = np.arange(chains)
        # The first input's own cycle counts.
        ended = np.full(chains, -1)
        found = np.zeros((sequences, steps), dtype=np.int64)
        started = np.zeros((together, chains), dtype=bool)  # whether a step of it was computed before this one
        previous = np.full(chains, -1)  # whose the last pass was
        for t, turn in np.ndindex(steps, together):
            row = numbers * together + turn
            rows = np.minimum(row, sequences - 1)
            exists = (row < sequences) & self._valid[rows, t]
            skipped, marked = self._skipped[rows, t], self._marked[rows, t]
            if self._ledger is not None:
                self._ledger.turn(t, rows, exists)
            first_input = np.maximum.reduce([free, released[parity, numbers] + 1, decided])
            idle = exists & self._idle[rows, t]
            first_input = np.where(idle, ended + LONG, first_input)
            ended = np.where(idle, first_input - 1, ended)
            self._since = np.where(idle, first_input, self._since)
            last_input = first_input + inputs - 1
            outcome = np.where(marked, first_input + timing.MARK, last_input + timing.input_ready(self._config))
            follows = np.where(marked, first_input + 1, last_input + 1 + timing.input_gap(self._config))
            free = np.where(exists, follows, free)
            place = (rows, np.full(chains, t))
            first, *others = self._step(place, outcome, started[turn], previous == turn, before, before_that)
            computed = exists & ~skipped
            latest, second = [*reversed(others), first, before][:2]
            before, before_that = _choose(computed, latest, before), _choose(computed, second, before_that)
            end = np.where(exists, np.maximum(ended, np.where(skipped, outcome, before.drained - 1)), ended)
            found[rows[exists], t] = (end - ended)[exists]
            ended = end
            if self._ledger is not None:
                self._ledger.close(skipped, self._free(before), np.maximum(before.drained, self._since), ended + 1)
            if self._predicts:
                capture = first.captures[:, 0]
                decided = np.where(skipped, decided, capture + timing.fire_to_lane(self._config) + timing.PREDICT)
            released[parity[computed], numbers[computed]] = first.last_end[computed]
            parity = np.where(computed, 1 - parity, parity)
            started[turn] |= computed
            previous = np.where(computed, turn, previous)
        return found

    def _step(
        self, place: _Place, outcome: IntArray, started: BoolArray, own: BoolArray, before: _Pass, before_that: _Pass
    ) -> list[_Pass]:
        """The passes of a step, whose input is there at ``outcome``; ``own``: the pass before is of its sequence."""
        passes: list[_Pass] = []
        never = np.full(len(outcome), NEVER)
        for index in range(len(self._network.layers)):
            if index:
                present = self._pass(index, place, never, never, None, None, before, before_that)
            else:
                ready = self._renewed(place, outcome, before.drained)
                # One sequence alone always follows itself.
                alone = self._config.sequences == 1
                present = self._pass(0, place, outcome, ready, started, None if alone else own, before, before_that)
            passes.append(present)
            before, before_that = present, before
        return passes

    def _renewed(self, place: _Place, ready: IntArray, drained: IntArray) -> IntArray:
        """When the first pass may begin if records are fetched anew on a drained engine."""
        if not self._config.renews:
            return ready
        renewal, quiet = self._traces[0].renewal[place], np.maximum(ready, drained)
        records = quiet + timing.renew(self._config, ())
        active = [words.active[place] for words in self._words]
        reload = quiet + timing.renew(self._config, active)
        return np.where(renewal == RECORDS, records, np.where(renewal == RELOAD, reload, ready))

    def _pass(
        self,
        index: int,
        place: _Place,
        outcome: IntArray,
        ready: IntArray,
        started: BoolArray | None,
        own: BoolArray | None,
        before: _Pass,
        before_that: _Pass,
    ) -> _Pass:
        """One pass, from the two before it; its input is there at ``outcome``, and its record too at ``ready``.

        It waits for the drain of the one before where that is its own sequence's (None: always).
        """
        config, words = self._config, self._words[index]
        queue = timing.queue(config)
        begun = np.maximum.reduce(
            [before.fetched + 1, before.begun + timing.fetch(config), before_that.drained, ready]
        ) + timing.settle(config)
        gap = before.capture + self._after[index]
        earliest = np.maximum(begun + timing.OPEN + queue, before.last_end + gap)
        waits = np.ones(len(begun), dtype=bool) if own is None else own
        cleared = np.where(waits, before.drained + timing.LOOK, NEVER)
        # The fold before leaves the chain first; the drain of all of it takes longer still.
        left = np.where(waits, NEVER, before.leaves)
        first_end = np.maximum.reduce([earliest + words.body[place], cleared + queue, left])
        first_fetched = np.maximum(begun + timing.OPEN + words.entries[place] - 1, cleared)
        held = None
        if words.late is not None and words.late_entries is not None:
            kind = 0 if len(self._network.layers) == 1 else 1
            seen = before.captures[:, : words.late.shape[2]] + self._visible + kind + timing.LOOK
            held, held_fetch = (
                (seen + late[place]).max(axis=1, initial=NEVER) for late in (words.late, words.late_entries)
            )
            if started is not None:
                # The very first list is empty and complete.
                held, held_fetch = (np.where(started & waits, until, NEVER) for until in (held, held_fetch))
            first_end = np.maximum(first_end, held + queue)
            first_fetched = np.maximum(first_fetched, held_fetch)
        capture = timing.capture_delay(words.last[place], words.width, config.rows_per_cycle, words.rows)
        pace = timing.unit_place(config, config.lanes - 1) + config.unit_cycles - 1 + capture
        spacing = np.maximum(capture + self._after[index] + words.body[place], pace)
        folds = config.folds(self._network.layers[index].units)
        ends = first_end[:, None] + spacing[:, None] * np.arange(folds)
        # Folds beyond the active ones do not happen.
        active = words.active[place]
        last = -(-active // config.lanes) - 1
        last_end = first_end + spacing * last
        last_lane = active - last * config.lanes - 1
        drained = last_end + capture + self._visible + timing.unit_place(config, last_lane) + self._kinds - 1
        # Entries are fetched one per cycle; where the queue is full, that is never what the next pass waits for.
        fetched = first_fetched + last * words.entries[place] if queue else last_end
        if self._ledger is not None:
            lead = timing.settle(config) + timing.OPEN + queue
            self._ledger.wait(
                self._free(before),
                [
                    (CycleClass.CAPTURE, before.last_end + gap),
                    (CycleClass.OPEN, before.fetched + 1 + lead),
                    (CycleClass.RECORD, before.begun + timing.fetch(config) + lead),
                    (CycleClass.INPUT, outcome + lead),
                    (CycleClass.RENEWAL, ready + lead),
                    (CycleClass.DRAIN, before_that.drained + lead),
                ],
            )
            since = earliest + words.body[place]
            ends_with = [] if held is None else [(CycleClass.FEEDBACK, held + queue)]
            self._ledger.wait(since, [(CycleClass.PACE, left), (CycleClass.DRAIN, cleared + queue), *ends_with])
            self._book_folds(index, place, last, capture, spacing)
        # Passes of all layers have the same shape, for a skipped step leaves whichever was the last.
        captures = np.full((len(last), self._folds), NEVER)
        captures[:, : ends.shape[1]] = ends + capture[:, None]
        leaves = last_end + capture + timing.unit_place(config, last_lane) + config.unit_cycles - 1
        return _Pass(begun, fetched, captures, last_end, words.last[place], capture, leaves, drained)

    def _free(self, before: _Pass) -> IntArray:
        """When the array has had the last entry of a pass; time begins with a step in an idle engine."""
        return np.maximum(before.last_end + before.last_words, self._since)

    def _book_folds(self, index: int, place: _Place, last: IntArray, capture: IntArray, spacing: IntArray) -> None:
        """Book what the folds of a pass take, ``spacing`` [N] from one's last entry to the next one's."""
        assert self._ledger is not None
        words = self._words[index]
        final, body = words.last[place], words.body[place]
        gap = capture + self._after[index]
        taken = (body + final) * (last + 1)
        empty = self._empty[index][place]
        self._ledger.spend(CycleClass.EMPTY, taken * empty)
        self._ledger.spend(CycleClass.BUSY, taken * ~empty)
        self._ledger.spend(CycleClass.CAPTURE, (gap - final) * last)
        self._ledger.spend(CycleClass.PACE, (spacing - gap - body) * last)


def _choose(computed: BoolArray, new: _Pass, old: _Pass) -> _Pass:
    """The new pass where its step was computed."""
    return _Pass(
        **{
            name: np.where(computed if value.ndim == 1 else computed[:, None], value, getattr(old, name))
            for name, value in vars(new).items()
        }
    )


def dense_breakdown(network: QuantNetwork, config: EngineConfig, steps: int, sequences: int = 1) -> CycleBreakdown:
    """What dense steps with waiting inputs spend their cycles on.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
        With one active count.
    steps : int
    sequences : int
        Sequences that the engine takes in turn.

    Returns
    -------
    CycleBreakdown
        From the third step on all steps are the same, but the last ones of two sequences.
    """
    traces = [_dense_trace(layer, config, steps, sequences) for layer in network.layers]
    return CycleModel(network, config).breakdown(traces)


def _dense_trace(layer: QuantLayer, config: EngineConfig, steps: int, sequences: int) -> LayerTrace:
    trace = LayerTrace.empty(layer, sequences, steps, config.folds(layer.units))
    every_plane = (1 << layer.planes) - 1
    trace.x_planes[:] = every_plane
    # At a sequence's start h is zero, and not listed.
    trace.h_planes[:, 1:] = every_plane
    trace.restart[:] = True
    return trace
