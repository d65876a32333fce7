"""Recorded sequences, cut so that many pieces run side by side.

A long sequence costs the golden model one step after the other; pieces of it run together, an order of magnitude
faster. A piece begins in the float network's state some steps before those that count, so that what a policy does
to the state has built up when the count begins. The float state lacks only errors that last longer than that lead.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.quantise.encode import quantised_state
from lstmith.golden.network import FloatArray, FloatNetwork, FloatTrace, initial_state, padded, run_float
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import IntArray, QuantNetwork

Float32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Values = npt.NDArray[Any]
FloatStates = list[tuple[FloatArray, FloatArray]]  #: per layer (h, c), each float64 [N, H]
IntStates = list[tuple[IntArray, IntArray]]  #: per layer (h, c), each int64 [N, H]

ROWS = 48  #: pieces that run side by side; more gain little and cost memory
SHORTEST = 96  #: steps that count of a piece, so that the lead stays a small part of the work
LEAD = 48  #: steps of a piece before those that count: more than between two restarts of the sums
PADDING = 1.25  #: longest over shortest in a batch: steps past a piece's end are wasted


@dataclass(frozen=True)
class Segment:
    """Steps ``begin`` to before ``end`` of the sequence at a position in a list of sequences."""

    sequence: int
    begin: int
    end: int

    @property
    def steps(self) -> int:
        """How many."""
        return self.end - self.begin


@dataclass(frozen=True)
class Span:
    """A piece of a segment.

    Parameters
    ----------
    segment : int
        Position in the list of segments.
    sequence : int
        Position in the list of sequences.
    start : int
        First step that is run.
    begin, end : int
        First step that counts, and the step after the last.
    """

    segment: int
    sequence: int
    start: int
    begin: int
    end: int

    @property
    def steps(self) -> int:
        """Steps that are run."""
        return self.end - self.start


@dataclass(frozen=True)
class Batch:
    """Spans that run side by side.

    Parameters
    ----------
    spans : list of Span
    x : int16 [N, T, I]
        Input stream, zero after a span's end.
    state : IntStates or None
        None starts all of them from zero.
    """

    spans: list[Span]
    x: npt.NDArray[np.int16]
    state: IntStates | None

    @property
    def counted(self) -> Bools:
        """Steps that count, bool [N, T]."""
        step = np.arange(self.x.shape[1])
        first = np.array([span.begin - span.start for span in self.spans])[:, None]
        last = np.array([span.steps for span in self.spans])[:, None]
        return (step >= first) & (step < last)


@dataclass(frozen=True)
class Recorded:
    """Sequences to run.

    Parameters
    ----------
    xs : list of float32 [T, I]
    state : list of (h, c) or None
        States in which they begin, per layer float64 [N, H] each; None is the network's own.
    """

    xs: list[Float32]
    state: FloatStates | None = None

    def everything(self) -> list[Segment]:
        """All steps, a segment per sequence."""
        return [Segment(index, 0, len(x)) for index, x in enumerate(self.xs)]

    def float_trace(self, source: FloatNetwork) -> FloatTrace:
        """The float network's h and c, [N, T, H] per layer."""
        return run_float(source, padded(self.xs)[0], self.state)


def spans_of(segments: list[Segment], *, cuts: bool, rows: int = ROWS, lead: int = LEAD) -> list[Span]:
    """Spans that cover every step once: of about equal size, or a whole segment each; a short one is never cut."""
    size = max(SHORTEST, -(-sum(segment.steps for segment in segments) // rows))
    spans = []
    for index, segment in enumerate(segments):
        pieces = max(1, round(segment.steps / size)) if cuts else 1
        edges = [segment.begin + segment.steps * piece // pieces for piece in range(pieces + 1)]
        spans += [
            Span(index, segment.sequence, max(0, begin - lead), begin, end) for begin, end in itertools.pairwise(edges)
        ]
    return spans


def batches(
    network: QuantNetwork, source: FloatNetwork, config: EngineConfig, recorded: Recorded, spans: list[Span]
) -> list[Batch]:
    """Quantise the inputs, and the states in which spans begin.

    Parameters
    ----------
    network, source : QuantNetwork, FloatNetwork
        The same network in integers and in float.
    config : EngineConfig
    recorded : Recorded
    spans : list of Span
    """
    made = []
    for group in _groups(spans):
        x = np.zeros((len(group), max(span.steps for span in group), network.inputs), dtype=np.int16)
        for row, span in zip(x, group, strict=True):
            row[: span.steps] = network.quantise_input(recorded.xs[span.sequence][span.start : span.end])
        made.append(Batch(group, x, None))
    zero = recorded.state is None and all(layer.h0 is None and layer.c0 is None for layer in source.layers)
    if zero and not any(span.start for span in spans):
        return made
    states = _float_states(source, recorded)
    return [
        replace(batch, state=quantised_state(network, config.c_width, [_picked(*pair, batch.spans) for pair in states]))
        for batch in made
    ]


def joined(values: list[tuple[Span, Values]], segments: list[Segment]) -> list[Values]:
    """What was found for the counted steps of every span, by segment: [T, ...] each."""
    found = [np.zeros((segment.steps, *values[0][1].shape[1:]), dtype=values[0][1].dtype) for segment in segments]
    for span, part in values:
        begin = segments[span.segment].begin
        found[span.segment][span.begin - begin : span.end - begin] = part
    return found


def _groups(spans: list[Span]) -> Iterator[list[Span]]:
    """Spans of similar lengths, at most ``ROWS`` together."""
    group: list[Span] = []
    for span in sorted(spans, key=lambda span: span.steps):
        if group and (len(group) == ROWS or span.steps > PADDING * group[0].steps):
            yield group
            group = []
        group.append(span)
    if group:
        yield group


def _float_states(source: FloatNetwork, recorded: Recorded) -> list[tuple[FloatArray, FloatArray]]:
    """Per layer: h and c before each step of each sequence, [N, T + 1, H]."""
    trace = recorded.float_trace(source)
    initial = recorded.state or [initial_state(layer, len(recorded.xs)) for layer in source.layers]
    return [
        (np.concatenate([h0[:, None], h], axis=1), np.concatenate([c0[:, None], c], axis=1))
        for (h0, c0), h, c in zip(initial, trace.h, trace.c, strict=True)
    ]


def _picked(h: FloatArray, c: FloatArray, spans: list[Span]) -> tuple[FloatArray, FloatArray]:
    rows, starts = [span.sequence for span in spans], [span.start for span in spans]
    return h[rows, starts], c[rows, starts]
