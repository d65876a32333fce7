"""What a layer keeps and tells: skipped steps change nothing, entries are counted by plane."""

from __future__ import annotations

from copy import deepcopy

import numpy as np

from hw_tests.cocotb.random_networks import random_network
from lstmith.golden.activity import LayerState, LayerTrace


def test_a_skipped_step_is_undone(rng: np.random.Generator) -> None:
    layer = random_network(rng, [2, 3], (8,), peepholes=False, requant_width=18).layers[0]
    state = LayerState.zero(layer, sequences=2, folds=3)
    before = deepcopy(state)
    for value in vars(state).values():
        values = value if isinstance(value, list) else [value]
        for part in values:
            part[...] = part + 1
    after = deepcopy(state)
    state.keep(np.array([True, False]), before)
    for name, value in vars(state).items():
        olds, news = getattr(before, name), getattr(after, name)
        triples = zip(value, olds, news, strict=True) if isinstance(value, list) else [(value, olds, news)]
        for have, old, new in triples:
            assert (have[0] == new[0]).all(), name
            assert (have[1] == old[1]).all(), name


def test_a_trace_begins_with_nothing_listed(rng: np.random.Generator) -> None:
    """A unit's decisions are of its fold; there is one unless it is told."""
    layer = random_network(rng, [2, 3], (8,), peepholes=False, requant_width=18).layers[0]
    trace = LayerTrace.empty(layer, sequences=4, steps=5)
    assert trace.deferred.shape == (4, 5, 1)
    assert LayerTrace.empty(layer, 4, 5, 2).deferred.shape == (4, 5, 2)
    assert (trace.columns.shape, int(trace.columns.sum())) == ((4, 5), 0)


def test_entries_are_counted_by_plane(rng: np.random.Generator) -> None:
    layer = random_network(rng, [2, 3], (8,), peepholes=False, requant_width=18, planes=2).layers[0]
    trace = LayerTrace.empty(layer, sequences=1, steps=2)
    trace.x_planes[0, 0] = [1, 2]
    trace.h_planes[0, 0] = [0, 3, 2]
    trace.h_planes[0, 1] = [1, 0, 0]
    assert trace.by_plane.tolist() == [[[2, 3], [1, 0]]]
    assert trace.columns.tolist() == [[4, 1]]
