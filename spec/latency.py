"""Pipeline latencies of a generated engine, in cycles; the RTL's ``latency`` properties must agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from lstmith.spec.config import EngineConfig
from lstmith.spec.layer_descriptor import DESCRIPTOR_WORDS
from lstmith.spec.quantised import IntArray

T = TypeVar("T", int, IntArray)

#: From a pre-activation to its gate value.
ACTIVATION = 6
#: From beginning a pass to its first fetch, at the earliest.
OPEN = 3
#: From an entry being countable, or a pass being drained, to the fetch that waits for it.
LOOK = 2
#: From another program being asked for to the settings of its input.
SETTINGS = 2
#: From the mark of a skipped step to its outcome.
MARK = 2
#: From reading the last h to its new list being complete.
RELOAD_FLUSH = 9
#: From the end of a fold to the throttle knowing that its places in the output queue are taken.
PLACES_SEEN = 3
#: From the capture of the first layer's first fold to the predictor's decision.
PREDICT = 4


def encode(config: EngineConfig) -> int:
    """From a value to its entry being visible to the sequencer; without delta it is compared with nothing."""
    return 4 + config.delta * (1 + config.pipelined)


def queue(config: EngineConfig) -> int:
    """From fetching a list entry to firing it: with two planes an entry's words are only known when it is read."""
    return 6 if config.planes > 1 else 0


def settle(config: EngineConfig) -> int:
    """For how many cycles a pass could have begun before it does: the decision to restart looks at its lists."""
    return 3 if config.planes > 1 else 0


def fire_to_lane(config: EngineConfig) -> int:
    """From the cycle in which a list entry is fired to that entry's slot in lane 0."""
    return 2 if config.planes > 1 else 5


def lane(config: EngineConfig) -> int:
    """From a slot in a lane to its accumulation: weight memory in two cycles, then the multiplier's registers."""
    return 5 if config.pipelined else 4


def drain(config: EngineConfig) -> int:
    """From a capture to the pair in the drain chain."""
    return 2 if config.rows_per_cycle == 2 else 1


def input_ready(config: EngineConfig) -> int:
    """From a step's last input to its list being ready, or to the decision that it is skipped."""
    return encode(config) + (2 if config.skip else 0)


def input_gap(config: EngineConfig) -> int:
    """Cycles between the last input of a step and the first of the next one.

    A reference is stored before it is read again; where steps may be skipped, it is known which references hold.
    """
    return input_ready(config) - 1 if config.skip else encode(config) - 2


def fetch(config: EngineConfig) -> int:
    """From taking a layer descriptor to having the next; 0 with one layer."""
    return 0 if config.layers == 1 else DESCRIPTOR_WORDS + 3


def renew(config: EngineConfig, units: Sequence[IntArray | int]) -> IntArray:
    """From a waiting step on a drained engine to its first pass, where records are fetched anew.

    Parameters
    ----------
    config : EngineConfig
        With several active counts or programs.
    units : sequence of int or int64 [N]
        Active units of each layer whose h is listed anew: none at a sequence's start.
    """
    fetched = DESCRIPTOR_WORDS + 3
    listed = np.zeros((), dtype=np.int64)
    for active in units:
        listed = listed + (2 + fetched + active + RELOAD_FLUSH)
    # With one layer its record is the right one already.
    return listed + (1 if len(units) == 1 else 2 + fetched)


def kinds(config: EngineConfig) -> int:
    """Lists that each h is encoded for, one per cycle: the own one, in a stack the next layer's too."""
    return 2 if config.layers > 1 else 1


def capture_delay(words: T, width: int, rows_per_cycle: int, rows: int = 4) -> T:
    """Cycles from firing a fold's last entry to capturing its first sums, less the pipeline.

    Sums of gates i and f are whole when the last word that holds them has been added: a word of 4-bit digits holds all
    four rows, one of wider digits i and f or g and o, the latter last. A layer with a single row per unit has it in
    every word. With four rows per cycle all leave together.

    Parameters
    ----------
    words : int or int64 array
        Weight words of the entry.
    width : int
        Bits of a digit.
    rows_per_cycle : int
        Of the engine.
    rows : int
        Rows per unit of the layer, 4 or 1.
    """
    return words if width == 4 or rows_per_cycle == 4 or rows == 1 else words - (words > 1)


def fold_gap(words: int, width: int, next_width: int, rows_per_cycle: int, rows: int = 4) -> int:
    """Cycles from a fold's last entry to the next fold's first.

    Sums of gates g and o leave a cycle after those of i and f. Words of wider digits begin with i and f, so they may
    already be there; a word of 4-bit digits adds to all four rows and has to wait. Sums that leave together take one
    cycle.
    """
    return capture_delay(words, width, rows_per_cycle, rows) + after_capture(next_width, rows_per_cycle)


def after_capture(next_width: int, rows_per_cycle: int) -> int:
    """Cycles from capturing a fold's first sums to the next fold's first entry; see :func:`fold_gap`."""
    return 2 if next_width == 4 and rows_per_cycle < 4 else 1


def unit_place(config: EngineConfig, lane: T) -> T:
    """Cycles from the result of a fold's first unit to that of the unit in a lane.

    A slot reaches a lane one cycle after the lane before, and sums take one cycle from lane to lane, so two pairs of
    sums fit between the units of neighbours. Where a slot reaches ``slot_lanes`` lanes in the same cycle, all four sums
    of a unit leave in one cycle.

    Parameters
    ----------
    config : EngineConfig
    lane : int or int64 array
    """
    return lane + lane // config.slot_lanes if config.rows_per_cycle == 4 else config.unit_cycles * lane


def unseen_units(unit_cycles: int) -> int:
    """Units whose places in the output queue were reserved too recently for the throttle to see.

    The throttle counts the places of folds that ended ``PLACES_SEEN`` cycles ago or earlier. A fold of k units ends at
    least ``unit_cycles * k`` cycles before the next one, so no more units end in fewer cycles.
    """
    return (PLACES_SEEN - 1) // unit_cycles


def drain_reader(config: EngineConfig) -> int:
    """From a pair leaving lane 0 to its first row in the requantiser."""
    return 3 if config.rows_per_cycle == 1 else 0


def requantise(config: EngineConfig) -> int:
    """From a row sum to its pre-activation."""
    return 6 + config.pipelined + config.peepholes


def cell(config: EngineConfig) -> int:
    """From the last gates of a unit to its h."""
    return 15 if config.peepholes else 12 + config.pipelined


def capture_to_visible(config: EngineConfig) -> int:
    """From a fold's capture time to lane 0's unit being visible in the own h list."""
    leave_lane = fire_to_lane(config) + lane(config) + drain(config)
    gates = config.unit_cycles - 1
    return leave_lane + drain_reader(config) + requantise(config) + ACTIVATION + gates + cell(config) + encode(config)
