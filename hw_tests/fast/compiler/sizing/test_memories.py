"""Memories of an engine: blocks of weights, and lists of two sequences."""

from __future__ import annotations

import pytest

from lstmith.boards.catalogue import find_board
from lstmith.compiler.sizing.memories import state_memories, weight_blocks
from lstmith.spec.config import EngineConfig


@pytest.mark.parametrize(("words", "blocks"), [(1, 1), (16_384, 1), (16_385, 2), (3 * 16_384, 3)])
@pytest.mark.parametrize("lanes", [1, 4])
def test_each_lane_has_single_port_memories_of_its_own(words: int, blocks: int, lanes: int) -> None:
    """Of an UP5K: 16,384 words of 16 bits each."""
    assert weight_blocks(lanes, words, find_board("icebreaker")) == lanes * blocks


@pytest.mark.parametrize("inputs", [5, 8])
def test_each_sequence_has_references_of_its_own(inputs: int) -> None:
    depths = []
    for sequences in (1, 2):
        engine = EngineConfig(lanes=2, precisions=(8,), units=8, inputs=inputs, sequences=sequences)
        [memory] = [each for each in state_memories(engine) if each.name == "references of x"]
        depths.append(memory.depth)
    assert depths == [8, 16]
