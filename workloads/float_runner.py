"""The reference engine: the float network, many sequences at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lstmith.golden.network import FloatNetwork, initial_state, padded, run_float
from lstmith.workloads.workload import Bools, Float32, State, Workload

BATCH = 64  #: sequences run side by side; more gain little and cost memory
PADDING = 1.25  #: longest over shortest in a batch, as steps past a sequence's end are wasted


class FloatRunner:
    """Runs a workload's networks in float64 (a `Runner`); hints are ignored, for nothing is left out."""

    def __init__(self, workload: Workload) -> None:
        self._networks = workload.networks

    def sequences(
        self, network: str, xs: list[Float32], hints: list[Bools] | None = None, *, every_layer: bool = False
    ) -> list[Float32]:
        """See `Runner.sequences`."""
        model = self._networks[network]
        results: list[Float32 | None] = [None] * len(xs)
        for members in _batches([len(x) for x in xs]):
            trace = run_float(model, padded([xs[member] for member in members])[0]).h
            h = np.concatenate(trace, axis=2) if every_layer else trace[-1]
            for row, member in enumerate(members):
                results[member] = h[row, : len(xs[member])].astype(np.float32)
        return [h for h in results if h is not None]

    def session(self, network: str, sequences: int, state: State | None = None) -> FloatSession:
        """See `Runner.session`."""
        return FloatSession(self._networks[network], sequences, state)


class FloatSession:
    """Sequences in step (a `Session`)."""

    def __init__(self, network: FloatNetwork, sequences: int, state: State | None) -> None:
        self._network = network
        self._state = _copy(state) if state else [initial_state(layer, sequences) for layer in network.layers]

    def step(self, x: Float32, hint: Bools | None = None) -> Float32:
        """See `Session.step`."""
        trace = run_float(self._network, x[:, None].astype(np.float64), self._state)
        self._state = [(h[:, 0], c[:, 0]) for h, c in zip(trace.h, trace.c, strict=True)]
        return self._state[-1][0].astype(np.float32)

    def state(self) -> State:
        """See `Session.state`."""
        return _copy(self._state)


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Positions of sequences with similar lengths."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    batch: list[int] = []
    for position in order:
        if batch and (len(batch) == BATCH or lengths[position] > PADDING * max(lengths[batch[0]], 1)):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch


def _copy(state: State) -> State:
    return [(h.copy(), c.copy()) for h, c in state]
