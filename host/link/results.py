"""The words of a device's result ring, as they arrive, to what a simulated core answers."""

from __future__ import annotations

from collections import deque

import numpy as np

from lstmith.host.jobs import EVENT_FIELDS, OUTCOME_FIELDS, RESULT_FIELDS, CoreTrace
from lstmith.spec.codes import Verdict
from lstmith.spec.link_map import PLACES, RECORDS, Kind, Record
from lstmith.spec.quantised import IntArray, QuantNetwork

#: Bits of the device's cycle counter.
_COUNTER = 1 << 32
#: Where records tell their layer.
_LAYER_FIELD = {Kind.EVENT: 1, Kind.RESULT: 2}


class Ring:
    """The host's end of the result ring.

    Attributes
    ----------
    taken : int
        Words received since the session began.
    """

    def __init__(self) -> None:
        self.taken = 0
        self._words: deque[int] = deque()

    def accept(self, place: int, words: IntArray | list[int]) -> int:
        """Take the words of an answer; returns how many of them are new.

        Parameters
        ----------
        place : int
            Of the first word, counted since the session began: answers may repeat what is known, and what does
            not join it is left out.
        words : sequence of int
        """
        known = self.taken - place
        if known < 0 or known >= len(words):
            return 0
        self._words.extend(int(word) for word in words[known:])
        self.taken += len(words) - known
        return len(words) - known

    def __len__(self) -> int:
        return len(self._words)

    def peek(self) -> int:
        """The next word."""
        return self._words[0]

    def pop(self, count: int) -> list[int]:
        """The next words."""
        return [self._words.popleft() for _ in range(count)]

    @staticmethod
    def wire(place: int) -> int:
        """A place as requests name it."""
        return place % PLACES


class RecordReader:
    """FULL mode: records to tables.

    Parameters
    ----------
    network : QuantNetwork
        Whose results come; all layers are sent.
    """

    def __init__(self, network: QuantNetwork):
        self._tables: dict[Kind, list[tuple[int, ...]]] = {kind: [] for kind in Kind}
        # Per layer: passes that drained, and passes whose last result has come.
        self._drained = [0] * len(network.layers)
        self._ended = [0] * len(network.layers)
        self._computed = 0
        #: Steps of which everything has come.
        self.complete = 0

    @staticmethod
    def step_words(network: QuantNetwork, active_index: int = 0) -> int:
        """Words of a computed step at an active count's index."""
        units, layers = sum(layer.active(active_index) for layer in network.layers), len(network.layers)
        verdicts = network.layers[-1].verdict is not Verdict.NONE
        counts = {Kind.RESULT: units + verdicts, Kind.EVENT: layers, Kind.OUTCOME: 1, Kind.INPUT: 1}
        return sum(count * RECORDS[kind].words for kind, count in counts.items())

    def read(self, ring: Ring) -> None:
        """Take every whole record."""
        while len(ring):
            kind = Kind(ring.peek() & 3)
            record = RECORDS[kind]
            if len(ring) < record.words:
                break
            row = fields(record, ring.pop(record.words))
            if kind in _LAYER_FIELD and row[_LAYER_FIELD[kind]] >= len(self._drained):
                raise ValueError(f"a record of layer {row[_LAYER_FIELD[kind]]}")
            self._tables[kind].append(row)
            if kind is Kind.EVENT:
                self._drained[row[1]] += 1
            elif kind is Kind.RESULT:
                self._ended[row[2]] += row[3]
        outcomes = self._tables[Kind.OUTCOME]
        passes = min(*self._drained, *self._ended)
        while self.complete < len(outcomes):
            computed = not outcomes[self.complete][1]
            if computed and self._computed == passes:
                break
            self._computed += computed
            self.complete += 1

    def skipped(self, step: int) -> bool:
        """Whether a complete step was skipped."""
        return bool(self._tables[Kind.OUTCOME][step][1])

    def core_trace(self) -> CoreTrace:
        """Everything that has come, as a simulated core tells it."""
        inputs = _table(self._tables[Kind.INPUT], len(RECORDS[Kind.INPUT].fields))
        first = int(inputs[0, 0]) if len(inputs) else -1
        steps = 1 + np.flatnonzero(inputs[1:, 1])
        return CoreTrace(
            _table(self._tables[Kind.RESULT], len(RESULT_FIELDS)),
            _since(first, _table(self._tables[Kind.EVENT], len(EVENT_FIELDS))),
            _since(first, _table(self._tables[Kind.OUTCOME], len(OUTCOME_FIELDS))),
            0,
            np.empty(0, dtype=np.int64),
            np.stack([steps, _since(first, inputs)[steps, 0]], axis=1),
        )


class HiddenReader:
    """COMPACT mode: h of the last layer, or its verdict, step by step."""

    @staticmethod
    def read(ring: Ring, units: int) -> IntArray | None:
        """A whole step.

        Parameters
        ----------
        ring : Ring
        units : int
            Results of the step, if it was computed.

        Returns
        -------
        int64 [units], or [0] if the step was skipped or quiet; None if it has not come as a whole
        """
        if not len(ring):
            return None
        if ring.peek():
            ring.pop(1)
            return np.empty(0, dtype=np.int64)
        if len(ring) <= units:
            return None
        return np.array(ring.pop(1 + units)[1:], dtype=np.uint16).astype(np.int16).astype(np.int64)


def fields(record: Record, words: list[int]) -> tuple[int, ...]:
    """A record's fields, in order."""
    whole = sum(word << 16 * place for place, word in enumerate(words))
    values = []
    for field in record.fields:
        value = whole >> (16 * field.word + field.bit) & ((1 << field.width) - 1)
        values.append(value - (value >> (field.width - 1) << field.width) if field.signed else value)
    return tuple(values)


def _table(rows: list[tuple[int, ...]], columns: int) -> IntArray:
    return np.array(rows, dtype=np.int64).reshape(-1, columns)


def _since(first: int, table: IntArray) -> IntArray:
    """Cycles, the first column, counted from the first input; the counter may have begun anew in between."""
    table[:, 0] = (table[:, 0] - first) % _COUNTER
    return table
