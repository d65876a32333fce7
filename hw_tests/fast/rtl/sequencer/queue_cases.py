"""The throttle and the queue before the array: every entry fires in the first cycle that the array is free for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.rtl.sequencer.slot_issuer import QUEUE, SlotIssuer
from lstmith.rtl.sequencer.throttle import IssueThrottle
from lstmith.spec import latency as timing
from lstmith.spec.codes import Kind
from lstmith.spec.config import PRECISIONS, EngineConfig, bits_for


@dataclass(frozen=True)
class Words:
    """Of an entry.

    Attributes
    ----------
    code : int
        The ``Precision`` that is as wide as its digits.
    pair : bool
        It has two digits.
    single : bool
        A unit's single row is in the first word of a digit.
    """

    code: int
    pair: bool
    single: bool = False

    @property
    def width(self) -> int:
        """Bits of a digit."""
        return PRECISIONS[self.code]

    @property
    def count(self) -> int:
        """Weight words."""
        return 1 << (0 if self.single else self.code) + self.pair

    @property
    def rows(self) -> int:
        """Rows of a unit."""
        return 1 if self.single else 4

    def capture_delay(self, config: EngineConfig) -> int:
        """``timing.capture_delay`` of a fold that ends with it."""
        return timing.capture_delay(self.count, self.width, config.rows_per_cycle, self.rows)


def random_words(rng: np.random.Generator, *, single_rows: bool) -> Words:
    """Digits of all widths, pairs of those that a weight of 16 bits may have."""
    code = int(rng.integers(len(PRECISIONS)))
    return Words(code, code < 2 and bool(rng.random() < 0.5), single_rows and bool(rng.random() < 0.5))


@dataclass
class Array:
    """When the array takes an entry, in absolute cycles; results leave the output queue as they are popped."""

    config: EngineConfig
    free: int = 0  # the entry before has had its cycles
    end: tuple[int, Words, int] | None = None  # of the last fold: cycle and words of its last entry, lanes
    #: Places taken in the output queue, by the cycle after which they count.
    outstanding: int = 0
    before: int = 0
    reserved: int = 0
    full: int = field(default=0, init=False)  # cycles in which the queue alone held an entry up

    def takes(self, cycle: int, words: Words, last: bool, lanes: int, emits: bool) -> bool:
        """Whether an entry may fire in this cycle."""
        earliest = self.free
        if self.end:
            end, end_words, end_lanes = self.end
            rows_per_cycle = self.config.rows_per_cycle
            gap = timing.fold_gap(end_words.count, end_words.width, words.width, rows_per_cycle, end_words.rows)
            earliest = max(earliest, end + gap)
            if last:
                apart = timing.unit_place(self.config, end_lanes - 1) + self.config.unit_cycles
                earliest = max(earliest, end + apart + end_words.capture_delay(self.config) - 1)
        if cycle < earliest:
            return False
        # The room is that of the cycle before, and places count a cycle after they are reserved.
        room = self.before <= self.config.out_depth - self.config.lanes - timing.unseen_units(self.config.unit_cycles)
        if last and emits and not room:
            self.full += 1
            return False
        return True

    def fire(self, cycle: int, words: Words, last: bool, lanes: int) -> None:
        """The entry fires."""
        self.free = cycle + words.count
        if last:
            self.end = cycle, words, lanes

    def pass_on(self, reserved: int, popped: int) -> None:
        """The cycle ends."""
        self.before = self.outstanding
        self.outstanding += self.reserved - popped
        self.reserved = reserved
        assert self.outstanding + reserved <= self.config.out_depth, "the output queue would lose results"


def _pops(rng: np.random.Generator, cycle: int, array: Array) -> int:
    """Now and then results are taken slowly."""
    return int(array.outstanding > 0 and rng.random() < (0.02 if cycle // 1000 % 2 else 0.9))


def throttle_check(rng: np.random.Generator, config: EngineConfig, *, issuer: bool = False) -> Check:
    """Entries of all widths, most of them waiting already when the one before has fired.

    The throttle stands alone, or takes what is offered to an issuer of one plane.
    """
    sheet, array, port = Sheet(4000), Array(config), "fetch.offer" if issuer else "entry"
    fires: list[int] = []
    releases: list[tuple[int, int]] = []
    entry: dict[str, int] = {}
    for cycle in range(sheet.cycles):
        # The first cycle after a reset does not know of any room yet.
        if cycle and not entry and rng.random() < 0.8:
            last = rng.random() < 0.5
            lanes = int(rng.choice([1, config.lanes, config.lanes]))
            entry_words = random_words(rng, single_rows=config.single_rows)
            entry = {"word": entry_words.code, "pair": int(entry_words.pair), "last": int(last), "lanes": lanes - 1}
            entry["emits"] = int(rng.random() < 0.8)
            entry |= {"single": int(entry_words.single)} if config.single_rows else {}
            entry |= {"frees": int(rng.random() < 0.2), "x_buffer": int(rng.integers(2))}
        popped, reserved = _pops(rng, cycle, array), 0
        if entry:
            sheet.put(f"{port}.valid", cycle, 1)
            for name, value in entry.items():
                sheet.put(f"{port}.payload.{name}", cycle, value)
            words, lanes, last = entry_words, entry["lanes"] + 1, bool(entry["last"])
            if array.takes(cycle, words, last, lanes, bool(entry["emits"])):
                array.fire(cycle, words, last, lanes)
                fires.append(cycle)
                reserved = lanes if last and entry["emits"] else 0
                releases += [(cycle, 1 << entry["x_buffer"])] if entry["frees"] else []
                entry = {}
        sheet.put("popped", cycle, popped)
        array.pass_on(reserved, popped)

    def verify(outputs: Table) -> None:
        assert array.full, "the output queue was never full"
        taken = outputs[f"{port}.ready"][: sheet.cycles] & sheet.table[f"{port}.valid"]
        assert_equal("fires", np.flatnonzero(taken), fires)
        if issuer:
            cycles, freed = np.array(releases).T
            assert_equal("cycles of releases", np.flatnonzero(outputs["release"]), cycles)
            assert_equal("release", outputs["release"][cycles], freed)

    if issuer:
        return Check(SlotIssuer(config), sheet.table, verify)
    throttle = IssueThrottle(
        lanes=config.lanes,
        unit_cycles=config.unit_cycles,
        slot_lanes=config.slot_lanes,
        out_depth=config.out_depth,
        single_rows=config.single_rows,
    )
    return Check(throttle, sheet.table, verify)


def issuer_check(
    rng: np.random.Generator, *, sequences: int, rows_per_cycle: int = 2, kinds: tuple[int, ...] = (Kind.LSTM,)
) -> Check:
    """Entries in one plane and in two, fetched as far ahead as the queue takes them."""
    config = EngineConfig(
        lanes=3,
        precisions=PRECISIONS,
        operand_width=14,
        weight_depth=1024,
        units=16,
        inputs=8,
        planes=2,
        sequences=sequences,
        rows_per_cycle=rows_per_cycle,
        kinds=kinds,
    )
    unit, sheet, array = SlotIssuer(config), Sheet(4000), Array(config)
    waiting: list[tuple[int, dict[str, Any]]] = []  # with the cycle in which an entry reaches the queue's end
    slots: list[tuple[int, ...]] = []
    captures: list[tuple[int, dict[str, int]]] = []
    releases: list[tuple[int, int]] = []
    rows: list[tuple[int, int | None, int, int, int]] = []
    room: list[bool] = []
    for cycle in range(sheet.cycles - 100):
        room.append(len(waiting) < QUEUE)
        offers = rng.random() < (0.95 if cycle // 300 % 2 else 0.3)
        sheet.put("fetch.offer.valid", cycle, int(offers))
        if offers and room[-1]:
            # What is taken is fetched in the next cycle.
            waiting.append((cycle + 1 + unit.queue_latency, fetched(rng, config, sheet, cycle + 1, rows)))
        popped, reserved = _pops(rng, cycle, array), 0
        if waiting and waiting[0][0] <= cycle:
            entry = waiting[0][1]
            words, lanes = entry["words"], entry["fold"]["lanes"] + 1
            if array.takes(cycle, words, entry["last"], lanes, entry["emits"]):
                array.fire(cycle, words, entry["last"], lanes)
                waiting.pop(0)
                slots += [(cycle + 1 + later, *slot) for later, slot in enumerate(entry["slots"])]
                if entry["last"]:
                    captures.append((cycle + 1 + words.capture_delay(config), entry["fold"]))
                    reserved = lanes if entry["emits"] else 0
                if entry["frees"]:
                    releases.append((cycle, 1 << entry["x_buffer"]))
        sheet.put("popped", cycle, popped)
        array.pass_on(reserved, popped)

    def verify(outputs: Table) -> None:
        assert not all(room), "the queue was never full"
        assert array.full, "the output queue was never full"
        known = slice(0, sheet.cycles - 100)
        assert_equal("room", outputs["fetch.offer.ready"][known], room)
        at, *columns = np.array([slot for slot in slots if slot[0] < known.stop]).T
        assert_equal("cycles of slots", np.flatnonzero(outputs["slot.valid"][known]), at)
        for name, want in zip(SLOT, columns, strict=True):
            assert_equal(f"slot.{name}", outputs[f"slot.{name}"][at], want)
        assert_equal("word_valid", outputs["word_valid"], outputs["slot.valid"])
        assert_equal("word_width", outputs["word_width"][at], columns[SLOT.index("word")])
        ended = [(cycle, fold) for cycle, fold in captures if cycle + 1 < known.stop]
        at = np.array([cycle for cycle, _ in ended])
        assert_equal("first captures", np.flatnonzero(outputs["slot.capture"][known] & 1), [0, *at])
        assert_equal(
            "second captures", np.flatnonzero(outputs["slot.capture"][known] & 2), [0, *(at + (rows_per_cycle < 4))]
        )
        assert_equal("cycles of folds", np.flatnonzero(outputs["fold_valid"][known]), at)
        for name in ended[0][1]:
            assert_equal(f"fold.{name}", outputs[f"fold.{name}"][at], [fold[name] for _, fold in ended])
        cycles, freed = np.array(releases).T
        assert_equal("cycles of releases", np.flatnonzero(outputs["release"][known]), cycles)
        assert_equal("release", outputs["release"][cycles], freed)
        seen = [row for row in rows if row[0] < known.stop]
        assert_equal("cycles of rows", np.flatnonzero(outputs["row_valid"][known]), [cycle for cycle, *_ in seen])
        for cycle, operand, column, empty, clears in seen:
            wanted = {"column": column, "empty": empty, "clears": clears}
            wanted |= {} if operand is None else {"operand": operand}
            for name, value in wanted.items():
                assert outputs[f"row_entry.{name}"][cycle] == value, f"row_entry.{name} in cycle {cycle}"

    return Check(unit, sheet.table, verify)


#: What a slot of a weight word holds.
SLOT = ("address", "operand", "word", "raised", "sub")


def fetched(
    rng: np.random.Generator,
    config: EngineConfig,
    sheet: Sheet,
    cycle: int,
    rows: list[tuple[int, int | None, int, int, int]],
) -> dict[str, Any]:
    """Fetch an entry and answer it from the list memories; what it becomes once it has been read.

    ``rows`` takes what the predictor sees: cycle, operand (None: any, the entry adds nothing), column, empty, clears.
    """
    two = config.planes > 1
    word, operands = int(rng.integers(2 if two else 3)), rng.integers(-8192, 8192, config.planes).tolist()
    flags = {name: bool(rng.random() < 0.5) for name in ("from_x", "last_fold", "first_fold", "counts", "opens")}
    flags |= {name: bool(rng.random() < 0.5) for name in ("clears", "frees", "x_buffer")}
    flags |= {"last": bool(rng.random() < 0.3), "emits": bool(rng.random() < 0.9), "empty": bool(rng.random() < 0.05)}
    column = int(rng.integers(config.inputs if flags["from_x"] else config.units))
    bases, raises = rng.integers(0, 900, config.planes).tolist(), two and (word > 0 or bool(rng.random() < 0.7))
    fetch: dict[str, Any] = flags | {"word": word, "raises": raises, "lanes": int(rng.integers(config.lanes))}
    single = config.single_rows and bool(rng.random() < 0.5)
    fetch |= {"single": int(single)} if config.single_rows else {}
    fetch |= {"sequence": int(rng.integers(2))} if config.sequences > 1 else {}
    planes = int(rng.integers(1, 4)) if raises else 1
    for name, value in (fetch | {f"bases.{plane}": base for plane, base in enumerate(bases)}).items():
        sheet.put(f"fetch.entry.{name}", cycle, int(value))
    sheet.put("fetch.valid", cycle, 1)
    own, other = ("x_list", "h_list") if flags["from_x"] else ("h_list", "x_list")
    answer: dict[str, int] = {"column": column} | ({"planes": planes} if two else {})
    answer |= {f"operands.{plane}": operand for plane, operand in enumerate(operands)}
    for name, value in answer.items():
        sheet.put(f"{own}.entry.{name}", cycle + RAM_LATENCY, value)
        sheet.put(f"{other}.entry.{name}", cycle + RAM_LATENCY, int(rng.integers(2)))
    if flags["counts"]:
        # Recurrent columns of the predictor's row follow the inputs', both from a power of two on.
        place = column if flags["from_x"] else column + (1 << bits_for(config.inputs))
        adds = planes & 1 and not flags["empty"]
        rows.append(
            (
                cycle + RAM_LATENCY,
                operands[0] if adds else None,
                place,
                int(not adds),
                int(flags["opens"] and flags["clears"]),
            )
        )
    if flags["empty"]:
        # One digit of the top plane that adds nothing.
        operands, planes = [0] * config.planes, 1
    slots = [
        (
            (bases[plane] + (column << (0 if single else word)) + sub) % config.weight_depth,
            operands[plane],
            word,
            raises and not plane,
            sub,
        )
        for plane in range(config.planes)
        if planes >> plane & 1
        for sub in range(1 if single else 1 << word)
    ]
    fold = {"first": int(flags["first_fold"]), "last": int(flags["last_fold"]), "lanes": fetch["lanes"]}
    fold |= {"sequence": fetch["sequence"]} if config.sequences > 1 else {}
    entry: dict[str, Any] = {name: flags[name] for name in ("last", "emits", "frees", "x_buffer")}
    return entry | {"words": Words(word, planes == 3, single), "slots": slots, "fold": fold}
