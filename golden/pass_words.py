"""How many weight words the entries of a pass take, as far as its timing depends on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LOW, MAIN, LayerTrace
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork

#: Long before everything.
NEVER = -(1 << 40)

Words = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PassWords:
    """Words of one layer's passes.

    Attributes
    ----------
    first, last : int64 [N, T, F]
        Of each fold's first and last entry.
    body : int64 [N, T, F]
        Of all entries but the last.
    late : int64 [N, T, F'] or None
        For a list that grows while it is read: how late each fold of its producer may hold up the first
        fold's last entry, after the fold's capture and the way to the list.
    late_entries : int64 [N, T, F'] or None
        The same for fetching it, one entry per cycle.
    entries : int64 [N, T]
        Entries of each fold, at least one.
    active : int64 [N, T]
        Units computed.
    """

    first: Words
    last: Words
    body: Words
    late: Words | None
    late_entries: Words | None
    entries: Words
    active: IntArray


def pass_words(network: QuantNetwork, config: EngineConfig, traces: list[LayerTrace]) -> list[PassWords]:
    """Words of every layer's passes."""
    single = len(network.layers) == 1
    found = []
    for index, (layer, trace) in enumerate(zip(network.layers, traces, strict=True)):
        # The first layer takes x first; later ones their own h, since their x is the h that now drains.
        segments = [trace.x_class, trace.h_class] if index == 0 else [trace.h_class, trace.x_class]
        classes = np.concatenate(segments, axis=2)
        costs = entry_words(layer, trace.fold_precisions)  # [N, T, F, 2]
        own = costs[..., 0]
        main, low = ((classes == kind).sum(axis=2)[..., None] for kind in (MAIN, LOW))
        total = main * costs[..., 0] + low * costs[..., 1]
        listed = classes != 0
        some = listed.any(axis=2)
        first_class = np.take_along_axis(classes, listed.argmax(axis=2)[..., None], axis=2)
        last_at = classes.shape[2] - 1 - listed[:, :, ::-1].argmax(axis=2)
        last_class = np.take_along_axis(classes, last_at[..., None], axis=2)
        # A fold without columns issues one empty entry.
        first = np.where(some[..., None], np.where(first_class == LOW, costs[..., 1], own), own)
        last = np.where(some[..., None], np.where(last_class == LOW, costs[..., 1], own), own)
        body = np.where(some[..., None], total - last, 0)
        late = late_entries = None
        if single or index:
            live = segments[1].shape[2]
            late = _late(classes, costs[:, :, 0], last[..., 0], live, config)
            late_entries = _late(classes, np.ones_like(costs[:, :, 0]), np.ones_like(last[..., 0]), live, config)
        entries = np.maximum(listed.sum(axis=2), 1)
        active = np.array([layer.units, *layer.counts])[trace.active_index]
        found.append(PassWords(first, last, body, late, late_entries, entries, active))
    return found


def entry_words(layer: QuantLayer, fold_precisions: npt.NDArray[np.integer]) -> Words:
    """Weight words of an entry by fold and class (main, low): int64 [..., F, 2]."""
    low = layer.entry_variant or layer.precision
    lowered = fold_precisions < layer.precision
    main = np.maximum(fold_precisions.astype(np.int64) // 4, 1)
    return np.stack([main, np.where(lowered, main, low // 4)], axis=-1)


def _late(classes: npt.NDArray[np.int8], costs: Words, last: Words, live: int, config: EngineConfig) -> Words:
    """See :attr:`PassWords.late`.

    Entry i must be visible before entry i - 1 is fetched, and from there to the fold's last entry every
    entry takes its words. For each fold of the producing layer: the maximum over its listed units of
    their place in the drain plus those words.
    """
    listed = classes != 0
    words = np.where(classes == LOW, costs[..., None, 1], costs[..., None, 0]) * listed
    from_here = words[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
    # Words of the entry before: what is left from there, less what is left from here.
    column = np.where(listed, np.arange(classes.shape[2]), -1)
    before = np.maximum.accumulate(column, axis=2)
    previous = np.concatenate([np.full_like(before[:, :, :1], -1), before[:, :, :-1]], axis=2)
    previous_words = np.take_along_axis(words, np.maximum(previous, 0), axis=2)
    # An entry without predecessor holds up nothing but itself, and its successor is later still.
    holds = listed & (previous >= 0)
    place = config.unit_cycles * (np.arange(live) % config.lanes)
    tail = slice(classes.shape[2] - live, None)
    late = (previous_words + from_here - last[..., None])[:, :, tail] + place
    late = np.where(holds[:, :, tail], late, NEVER)
    folds = config.folds(live)
    padded = np.full((*late.shape[:2], folds * config.lanes), NEVER)
    padded[:, :, :live] = late
    return padded.reshape(*late.shape[:2], folds, config.lanes).max(axis=3)
