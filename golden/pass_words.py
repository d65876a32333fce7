"""How many weight words the entries of a pass take, as far as its timing depends on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LayerTrace
from lstmith.spec.config import EngineConfig
from lstmith.spec.latency import unit_place
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork

#: Long before everything.
NEVER = -(1 << 40)

Words = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PassWords:
    """Words of one layer's passes; every fold of a pass takes the same.

    Attributes
    ----------
    width : int
        Bits of a digit in the words.
    rows : int
        Rows per unit of the layer, 4 or 1.
    last : int64 [N, T]
        Words of a fold's last entry.
    body : int64 [N, T]
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

    width: int
    rows: int
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
        segments = [trace.x_planes, trace.h_planes] if index == 0 else [trace.h_planes, trace.x_planes]
        planes = np.concatenate(segments, axis=2)
        words = column_words(layer, planes)
        listed = planes != 0
        some = listed.any(axis=2)
        last_at = planes.shape[2] - 1 - listed[:, :, ::-1].argmax(axis=2)
        last_words = np.take_along_axis(words, last_at[..., None], axis=2)[..., 0]
        # A fold without columns issues one empty entry, of one digit.
        last = np.where(some, last_words, layer.digit_words)
        body = np.where(some, words.sum(axis=2) - last, 0)
        late = late_entries = None
        if single or index:
            live = segments[1].shape[2]
            late = _late(listed, words, last, live, config)
            late_entries = _late(listed, listed.astype(np.int64), np.ones_like(last), live, config)
        entries = np.maximum(listed.sum(axis=2), 1)
        active = np.array([layer.units, *layer.counts])[trace.active_index]
        found.append(PassWords(layer.plane_bits, layer.kind.rows, last, body, late, late_entries, entries, active))
    return found


def column_words(layer: QuantLayer, planes: npt.NDArray[np.int8]) -> Words:
    """Weight words of columns listed in some planes, a set of bits each: int64 in their shape."""
    served = (planes & 1) + (planes >> 1 & 1)
    return served.astype(np.int64) * layer.digit_words


def _late(listed: npt.NDArray[np.bool_], words: Words, last: Words, live: int, config: EngineConfig) -> Words:
    """See :attr:`PassWords.late`.

    Entry i must be visible before entry i - 1 is fetched, and from there to the fold's last entry every
    entry takes its words. For each fold of the producing layer: the maximum over its listed units of
    their place in the drain plus those words.
    """
    from_here = words[:, :, ::-1].cumsum(axis=2)[:, :, ::-1]
    # Words of the entry before: what is left from there, less what is left from here.
    column = np.where(listed, np.arange(listed.shape[2]), -1)
    before = np.maximum.accumulate(column, axis=2)
    previous = np.concatenate([np.full_like(before[:, :, :1], -1), before[:, :, :-1]], axis=2)
    previous_words = np.take_along_axis(words, np.maximum(previous, 0), axis=2)
    # An entry without predecessor holds up nothing but itself, and its successor is later still.
    holds = listed & (previous >= 0)
    place = unit_place(config, np.arange(live) % config.lanes)
    tail = slice(listed.shape[2] - live, None)
    late = (previous_words + from_here - last[..., None])[:, :, tail] + place
    late = np.where(holds[:, :, tail], late, NEVER)
    folds = config.folds(live)
    padded = np.full((*late.shape[:2], folds * config.lanes), NEVER)
    padded[:, :, :live] = late
    return padded.reshape(*late.shape[:2], folds, config.lanes).max(axis=3)
