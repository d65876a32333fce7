"""What the sequencer should fetch, and when, for steps with random lists: stimulus and expectation in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hw_tests.checks import Sheet
from lstmith.spec import latency as timing
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode

#: Cycles from fetching a fold's last entry to its first h, at least.
TO_H = 20
Fields = dict[str, int]


@dataclass
class Units:
    """Columns of a segment, and the planes in which the delta and the restart list hold them."""

    listed: np.ndarray  # bool [lists, P, C]

    def count(self, which: int) -> int:
        """Entries of a list."""
        return int(self.columns(which).sum())

    def columns(self, which: int) -> np.ndarray:
        """Columns that a list holds in some plane, bool [C]."""
        found: np.ndarray = self.listed[which].any(axis=0)
        return found

    def lengths(self, which: int) -> Fields:
        """Lengths of a list, as ``length_layout`` has them."""
        return lengths(self.listed[which])


def lengths(listed: np.ndarray) -> Fields:
    """Entries, and with two planes digits and low digits, of columns listed in some planes, bool [P, C]."""
    found = {"count": int(listed.any(axis=0).sum())}
    return found if len(listed) == 1 else found | {"digits": int(listed.sum()), "low": int(listed[1].sum())}


@dataclass
class Drained:
    """A pass on its way out: its units' lists, and when each entry of them can be seen."""

    units: Units
    visible: np.ndarray  # int64 [C]
    done: int  # its last entry is written


@dataclass
class Walk:
    """Fetches and passes of a run."""

    config: EngineConfig
    layers: list[Fields]
    rng: np.random.Generator
    sheet: Sheet
    fetches: list[tuple[int, Fields]] = field(default_factory=list)
    drains: list[tuple[int, Fields]] = field(default_factory=list)
    begins: list[tuple[int, int]] = field(default_factory=list)
    busy: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lists = self.config.planes
        self.number = 0  # of the step since an exact one
        self.own: list[Units | None] = [None] * len(self.layers)
        self.before: list[Drained] = []  # passes, oldest first
        self.active_until = 0
        self.steps = 0
        self.fetched = 0  # cycle of the last fetch

    def columns(self, count: int) -> Units:
        """Random candidates."""
        chance = self.rng.choice([0.0, 0.3, 0.7, 1.0])
        return Units(self.rng.random((self.lists, self.config.planes, count)) < chance)

    def put_lengths(self, name: str, cycle: slice, units: Units) -> None:
        """Lengths of both lists."""
        for which in range(self.lists):
            for part, value in units.lengths(which).items():
                self.sheet.put(f"{name}.{which}.{part}", cycle, value)

    def step(self, ready: int, *, start: bool, restart: bool, changed: bool) -> int:
        """One step whose inputs are listed in cycle ``ready``; returns when its last pass has been fetched."""
        sheet, parity = self.sheet, self.steps % 2
        inputs = self.columns(self.layers[0]["inputs"])
        begun = ready
        exact = start or restart or changed
        if exact:
            self.number = 0
        for index, fields in enumerate(self.layers):
            single = len(self.layers) == 1
            # At most one pass may still drain.
            earliest = [begun, self.active_until + 1] + ([self.before[-2].done + 1] if len(self.before) > 1 else [])
            begun = max(earliest)
            if index == 0:
                held = int(self.rng.choice([0, 0, 7]))
                sheet.put("reload.hold", slice(ready, begun + held), int(held > 0))
                begun += held
            begun += timing.settle(self.config)
            own = None if start else self.own[index]
            nothing = Units(np.zeros((self.lists, self.config.planes, 1), dtype=bool))
            if index == 0:
                first, second, growing = inputs, own or nothing, single and not start
                sheet.put(f"steps.step.{parity}.start", slice(ready, begun + 1), int(start))
                sheet.put(f"steps.step.{parity}.restart", slice(ready, begun + 1), int(restart))
                self.put_lengths(f"steps.step.{parity}.lengths", slice(ready, begun + 1), inputs)
                sheet.put("steps.full", slice(ready, begun + 1), 1 << parity)
                sheet.put("reload.changed", slice(ready, begun + 1), int(changed))
            else:
                first, second, growing = own or nothing, self.before[-1].units, True
            mask = int(self.rng.integers(8))
            sheet.put("reload.mask", begun, mask)
            sheet.put("program.loaded", slice(self.active_until + 1, begun + 1), 1)
            sheet.put("program.layer", slice(self.active_until + 1, begun + 1), index)
            for name, value in fields.items():
                # The only descriptor of a program stays.
                present = slice(None) if self.config.descriptors == 1 else slice(self.active_until + 1, begun + 1)
                sheet.put(f"program.descriptor.{name}", present, value)
            clears = bool(exact or fields["mode"] != Mode.DELTA)
            self.begins.append((begun, parity))
            state: dict[str, Any] = {"index": index, "parity": parity, "clears": clears}
            end = self._pass(fields, state, begun, first, second, growing)
            self.drains[-1][1].update({f"descriptor.{name}": value for name, value in fields.items()})
            self.drains[-1][1].update(start=start, exact=exact, clear=clears, layer=index, list_half=parity, mask=mask)
            if self.config.monitor:
                self.drains[-1][1].update(step=min(self.number, 255), step_low=self.steps % 4)
            self._drain(index, fields, end)
            self.busy.append((begun + 1, self.before[-1].done))
            self.active_until = end
            begun = end + 1
        self.number += 1
        self.steps += 1
        return self.active_until

    def _pass(
        self, fields: Fields, state: dict[str, Any], begun: int, first: Units, second: Units, growing: bool
    ) -> int:
        """Fetch the folds of a pass; returns the cycle of the last fetch."""
        config, which = self.config, int(state["clears"]) if self.config.planes > 1 else 0
        index, parity = state["index"], state["parity"]
        producer = self.before[-1] if growing else None
        segments = [
            [(segment, place) for place in range(units.count(which))] for segment, units in enumerate((first, second))
        ]
        visible = [] if producer is None else producer.visible[np.flatnonzero(second.columns(which))].tolist()
        entries = [*segments[0], *segments[1]] or [(1, 0)]
        empty = not segments[0] and not segments[1]
        cycle = begun + timing.OPEN - 1
        folds = fields["folds"] + 1
        for fold in range(folds):
            lanes = fields["last_lanes"] if fold == folds - 1 else config.lanes - 1
            for number, (segment, place) in enumerate(entries):
                last = number == len(entries) - 1
                cycle += 1
                # It must be known whether another entry follows.
                if producer is not None and fold == 0:
                    follower = number + 1 - len(segments[0])
                    if 0 <= follower < len(visible):
                        cycle = max(cycle, visible[follower] + timing.LOOK)
                    if last:
                        cycle = max(cycle, producer.done + 1 + timing.LOOK)
                if last and fold == 0 and self.before:
                    cycle = max(cycle, self.before[-1].done + 1 + timing.LOOK)
                cycle = self._taken(cycle)
                x_list = index == 0 and segment == 0
                from_inputs = (segment == 0) == (index == 0)
                column = fold * fields["columns"] + (0 if from_inputs else fields["inputs"])
                seen: Fields = {
                    "from_x": x_list,
                    "empty": empty,
                    "last": last,
                    "first_fold": fold == 0,
                    "last_fold": fold == folds - 1,
                    "opens": fold == 0 and number == 0,
                    "counts": fold == 0 and index == 0,
                    "clears": state["clears"],
                    "emits": fields["last_layer"],
                    "frees": last and fold == folds - 1 and index == 0,
                    "x_buffer": parity,
                    "word": fields["word"],
                    "bases.0": fields["base_top"] + (column << fields["word"]),
                    "lanes": lanes,
                }
                if config.planes > 1:
                    seen |= {"bases.1": fields["base_low"] + (column << fields["word"]), "raises": fields["planes"]}
                    seen |= {"@list": which}
                address = {} if empty else {"x": parity << 3 | place} if x_list else {"h": place}
                if "h" in address:
                    base = fields["x_base"] if segment and index else fields["unit_base"]
                    address["h"] += base + (parity << config.unit_bits)
                    address["h"] += int(bool(segment and index)) << config.state_bits + 1
                seen |= {f"@{name}": value for name, value in address.items()}
                # It leaves one cycle later.
                self.fetches.append((cycle + 1, seen))
            if fold == 0:
                segment_lengths = first.lengths(which), second.lengths(which)
                reads = {name: sum(length[name] for length in segment_lengths) for name in segment_lengths[0]}
                self.drains.append((cycle + 1, {"columns": reads.pop("count"), **reads}))
        return cycle

    def _taken(self, cycle: int) -> int:
        """When an entry is fetched that is offered from some cycle on: whoever takes it may be slow."""
        likes = self.fetched + 1 + int(self.rng.choice([0, 0, 0, 1, 4, 15]))
        self.fetched = max(cycle, likes)
        self.sheet.put("fetch.offer.ready", slice(likes, self.fetched + 1), 1)
        return self.fetched

    def _drain(self, index: int, fields: Fields, end: int) -> None:
        """The pass drains: its own list grows, in a stack the next layer's x list beside it."""
        units = self.columns(fields["units"] + 1)
        # The first fold drains while others are still fetched, the last one does not.
        begin = max(self.drains[-1][0], self.before[-1].done if self.before else 0) + TO_H
        visible = begin + np.cumsum(self.rng.integers(2, 9, fields["units"] + 1))
        visible[-1] = max(visible[-1], end + TO_H)
        done = int(visible[-1]) + int(self.rng.integers(0, 3)) - 1
        single = len(self.layers) == 1
        kinds = 1 if single else 2
        for kind in range(kinds):
            # The other kind is of other columns.
            own = units if kind == kinds - 1 else self.columns(fields["units"] + 1)
            for which in range(self.lists):
                for column, cycle in enumerate(visible.tolist()):
                    for name, value in lengths(own.listed[which, :, : column + 1]).items():
                        self.sheet.put(f"lists.growing.{kind}.{which}.{name}", slice(cycle, done + 1), value)
            self.put_lengths(f"lists.done.{kind}", slice(done + 1, None), own)
            if kind == 0:
                self.put_lengths(f"lists.own.{index}", slice(done + 1, None), own)
                self.own[index] = own
        self.sheet.put("lists.drained", done, 1)
        self.before = [*self.before[-1:], Drained(units, visible, done)]
