"""Sequencer: every fetch in its cycle, with all that belongs to it."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from hw_tests.fast.rtl.sequencer.walk_model import Fields, Walk
from lstmith.rtl.sequencer.sequencer import Sequencer
from lstmith.spec import latency as timing
from lstmith.spec.codes import Precision
from lstmith.spec.config import PRECISIONS, EngineConfig
from lstmith.spec.policy import Mode

#: Names of the outputs that are not part of the entry.
PORTS = {"x": "fetch.x_address", "h": "fetch.h_address", "list": "fetch.list"}


def _layers(rng: np.random.Generator, config: EngineConfig, shapes: tuple[tuple[int, int, int], ...]) -> list[Fields]:
    """Records of layers given as (code of a digit's width, inputs, units)."""
    descriptors: list[Fields] = []
    bases = np.cumsum([0, *(units for *_, units in shapes)]).tolist()
    for index, (code, inputs, units) in enumerate(shapes):
        folds = config.folds(units)
        values = {
            "word": code,
            "planes": config.planes - 1,
            "mode": int(rng.choice([Mode.SKIP, Mode.DELTA, Mode.DELTA, Mode.DELTA])),
            "last_layer": index == len(shapes) - 1,
            "folds": folds - 1,
            "last_lanes": units - (folds - 1) * config.lanes - 1,
            "inputs": inputs,
            "columns": inputs + units,
            "unit_base": bases[index],
            "x_base": bases[max(index - 1, 0)],
            "units": units - 1,
            "base_top": int(rng.integers(0, 1000)),
            "base_low": int(rng.integers(0, 1000)),
        }
        descriptors.append({name: int(value) for name, value in values.items()})
    return descriptors


def _walk_check(rng: np.random.Generator, config: EngineConfig, *shapes: tuple[int, int, int]) -> Check:
    """Steps with random lists, close together and apart; starts and restarts among them."""
    sheet = Sheet(4000)
    walk = Walk(config, _layers(rng, config, shapes), rng, sheet)
    ready = 5
    while ready < sheet.cycles - 1000:
        start, restart, changed = (bool(rng.random() < chance) for chance in (0.1, 0.1, 0.1))
        start |= not walk.steps
        end = walk.step(ready, start=start, restart=restart and not start, changed=changed and not start)
        # The next input is listed while this step is fetched, or long after it has drained.
        first = next(cycle for cycle, _ in walk.begins[-len(shapes) :])
        ready = int(rng.integers(first + 1, end + 2)) if rng.random() < 0.7 else end + 150

    def verify(outputs: Table) -> None:
        at = np.array([cycle for cycle, _ in walk.fetches])
        assert_equal("cycles of fetches", np.flatnonzero(outputs["fetch.valid"]), at)
        for name in sorted({name for _, seen in walk.fetches for name in seen}):
            some = [(cycle, seen[name]) for cycle, seen in walk.fetches if name in seen]
            cycles, values = np.array(some, dtype=np.int64).T
            port = PORTS.get(name[1:], name[1:]) if name.startswith("@") else f"fetch.entry.{name}"
            assert_equal(port, outputs[port][cycles], values)
        for strobe in ("reload.begins", "program.advance"):
            assert_equal(strobe, np.flatnonzero(outputs[strobe]), [cycle for cycle, _ in walk.begins])
        begun, parity = np.array(walk.begins).T
        assert_equal("list_halves", outputs["list_halves"][begun], parity)
        # A pass is kept until the next one begins to drain.
        kept = [cycle + 1 for cycle, _ in walk.drains] + [walk.active_until]
        for (_, drain), begin, end in zip(walk.drains, kept, kept[1:], strict=False):
            for name, value in drain.items():
                assert (outputs[f"passes.0.{name}"][begin:end] == value).all(), f"{name} of the pass from {begin} on"
        quiet = np.ones(sheet.cycles, dtype=np.int64)
        for first, done in walk.busy:
            quiet[first : done + 1] = 0
        assert_equal("quiet", outputs["reload.quiet"][: sheet.cycles], quiet)

    return Check(Sequencer(config), sheet.table, verify)


def _growing_check(rng: np.random.Generator) -> Check:
    """A start, then a step whose h list grows while it is issued: every entry once, in order, never too soon."""
    folds, x_count, h_count, word = 4, 5, 9, Precision.W8
    config = EngineConfig(lanes=3, precisions=(4, 8, 16), inputs=8, units=16)
    unit, sheet, words = Sequencer(config), Sheet(1200), word.words
    fields = {"word": word, "mode": Mode.DELTA, "last_layer": 1, "folds": folds - 1, "last_lanes": 1}
    fields |= {"base_top": 8, "inputs": 8, "columns": 17, "unit_base": 2}
    for name, setting in fields.items():
        sheet.put(f"program.descriptor.{name}", slice(None), int(setting))
    sheet.put("fetch.offer.ready", slice(None), 1)
    sheet.put("program.loaded", slice(None), 1)
    # Step 0 is in buffer 0; its drain takes long, and meanwhile step 1 from buffer 1 waits for h.
    begin, grow, drained = 5, 300, 700
    sheet.put("steps.full", slice(begin, 250), 1)
    sheet.put("steps.full", slice(250, 1000), 2)
    sheet.put("steps.step.0.lengths.0.count", slice(None), x_count)
    sheet.put("steps.step.0.start", slice(None), 1)
    sheet.put("steps.step.1.lengths.0.count", slice(None), x_count)
    counts = np.zeros(sheet.cycles, dtype=np.int64)
    visible = grow + 20 * np.arange(h_count) + rng.integers(0, 15, h_count)
    for cycle in visible:
        counts[cycle:] += 1
    counts[drained + 1 :] = 0
    sheet.put("lists.growing.0.0.count", slice(None), counts)
    sheet.put("lists.drained", drained, 1)
    sheet.put("lists.done.0.0.count", slice(drained + 1, None), h_count)

    def verify(outputs: Table) -> None:
        fires = np.flatnonzero(outputs["fetch.valid"])
        first, second = fires[fires < 250], fires[fires >= 250]
        entries = np.arange(x_count + h_count)
        assert_equal("step 0 in order", outputs["fetch.x_address"][first], np.tile(np.arange(x_count), folds))
        from_x = np.tile(entries < x_count, folds)
        assert_equal("step 1 kinds", outputs["fetch.entry.from_x"][second], from_x)
        place = outputs["fetch.x_address"][second] & 7
        assert_equal("x in order", place[from_x], np.tile(np.arange(x_count), folds))
        h_place = outputs["fetch.h_address"][second] & 15
        assert_equal("h in order", h_place[~from_x], np.tile(2 + np.arange(h_count), folds))
        h_fires = second[~from_x][: h_count - 1]
        # It leaves a cycle after it is fetched.
        known = visible[1:] + timing.LOOK + 1
        assert (h_fires >= known).all(), "an entry fired before its successor was known"
        assert (h_fires <= known + 1).all(), "an entry waited for nothing"
        for step, (own, width) in enumerate(((first, x_count), (second, x_count + h_count))):
            ends = np.flatnonzero(outputs["fetch.entry.last"][own])
            assert_equal(f"ends of step {step}", ends, width * np.arange(1, folds + 1) - 1)
        assert second[x_count + h_count - 1] > drained, "a step ended before the one before had drained"
        base = outputs["fetch.entry.bases.0"][second].reshape(folds, -1)
        assert_equal("x base", base[:, 0], 8 + 17 * words * np.arange(folds))
        assert_equal("h base", base[:, -1], 8 + 8 * words + 17 * words * np.arange(folds))

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One plane and two, one layer and a stack; a list that grows while it is fetched."""

    def config(layers: int, *, planes: int = 1, monitor: bool = False, rows_per_cycle: int = 2) -> EngineConfig:
        return EngineConfig(
            lanes=3,
            precisions=PRECISIONS,
            rows_per_cycle=rows_per_cycle,
            units=32,
            inputs=8,
            weight_depth=4096,
            layers=layers,
            planes=planes,
            monitor=monitor,
        )

    # With two planes digits have 8 bits at most.
    two = (1, 6, 10), (0, 10, 7)
    checks = {
        "direct_stack": _walk_check(rng, config(2), (2, 6, 10), (1, 10, 7)),
        "planes": _walk_check(rng, config(1, planes=2), (1, 7, 8)),
        "monitor": _walk_check(rng, config(1, planes=2, monitor=True), (0, 7, 11)),
        "monitor_stack": _walk_check(rng, config(3, planes=2, monitor=True), *two, (0, 7, 3)),
    }
    for code in range(3):
        checks[f"direct_{PRECISIONS[code]}"] = _walk_check(rng, config(1, rows_per_cycle=1 + code % 2), (code, 7, 8))
    return checks | {"growing": _growing_check(rng)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
