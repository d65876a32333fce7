"""A list entry on its way from the sequencer to the array."""

from __future__ import annotations

from amaranth.hdl import unsigned
from amaranth.lib import data

from lstmith.rtl.layouts import sequence_field
from lstmith.spec.config import EngineConfig, bits_for

#: Entries that may be on their way from the lists to the array, with mixed images.
QUEUE = 16


def fetch_layout(config: EngineConfig) -> data.StructLayout:
    """One list entry on its way to the array; list memories are read beside it."""
    return data.StructLayout(
        {
            "from_x": 1,  # read from the input stage's list
            "empty": 1,  # no entry: a fold without columns still has to drain
            "last": 1,  # of its fold
            "first_fold": 1,
            "last_fold": 1,
            "opens": 1,  # first entry of a pass of the first layer
            "counts": 1,  # the predictor counts it: the first layer's first fold
            "clears": 1,  # the kept sums count as zero
            "emits": 1,  # the fold's units are sent
            "frees": 1,  # the input stage's list has been read
            "parity": 1,
            "precision": 2,
            "base": unsigned(config.address_bits),  # weight word of the segment's column 0
            "low": 2,  # precision of the lower image, and its base
            "low_base": unsigned(config.address_bits),
            "lowered": 1,  # the whole fold is on a lower image
            "shift": 2,  # by how many precisions, in units of 4 bits
            "lanes": unsigned(bits_for(config.lanes)),  # in use in this fold, minus 1
            **sequence_field(config),
        }
    )
