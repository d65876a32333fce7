# amaranth: UnusedElaboratable=no
"""Collectors: what the ring is given of the engine's results, events and outcomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.host.link.results import fields
from lstmith.rtl.layouts import event_layout, output_layout
from lstmith.rtl.link.collect import CompactCollector, StepCollector, held_steps
from lstmith.spec.config import EngineConfig
from lstmith.spec.latency import input_ready
from lstmith.spec.link_map import RECORDS, Kind

CONFIG = EngineConfig(lanes=1, precisions=(8,), units=4, inputs=3)
TWO_PLANES = replace(CONFIG, planes=2)
#: Steps whose results have room.
STEPS = 3


def _compact(rng: np.random.Generator) -> Check:
    """A word for each step's outcome, and behind it its results, though outcomes come before."""
    unit = CompactCollector(result=output_layout(CONFIG), layers=CONFIG.layers, outcome_latency=input_ready(CONFIG))
    sheet, cycle = Sheet(4000), 2
    sheet.put("o.ready", slice(None), 1)
    wanted: list[int] = []
    while cycle < sheet.cycles - 60:
        steps = rng.integers(0, 2, int(rng.integers(1, 4))).tolist()
        for place, skipped in enumerate(steps):
            sheet.put("outcome_valid", cycle + place, 1)
            sheet.put("outcome_skipped", cycle + place, skipped)
        at = cycle + len(steps) + 2
        for skipped in steps:
            wanted.append(skipped)
            if not skipped:
                h = rng.integers(-(1 << 15), 1 << 15, CONFIG.units)
                sheet.put("h.valid", at + np.arange(CONFIG.units), 1)
                sheet.put("h.payload.h", at + np.arange(CONFIG.units), h)
                sheet.put("h.payload.last", at + CONFIG.units - 1, 1)
                wanted += (h & 0xFFFF).tolist()
                # The next outcome goes first.
                at += CONFIG.units + 3
        cycle = at + 2

    def verify(outputs: Table) -> None:
        assert_equal("o", outputs["o.payload"][np.flatnonzero(outputs["o.valid"])], wanted)

    return Check(unit, sheet.table, verify)


def _steps(rng: np.random.Generator, config: EngineConfig, *, full: bool) -> Check:
    """Steps in a burst, as far as they have room; then what belongs to each, in order and whole."""
    unit = StepCollector(
        result=output_layout(config), event=event_layout(config), layers=1, units=config.units, steps=STEPS, inputs=4
    )
    sheet, cycle = Sheet(6000), 2
    sheet.put("full", slice(None), full)
    sheet.put("o.ready", slice(None), rng.random(sheet.cycles) < 0.5)
    wanted: list[tuple[Kind, dict[str, int]]] = []
    short: list[int] = []
    steps = 0
    while cycle < sheet.cycles - 300:
        for _ in range(STEPS):
            idle, skipped, quiet = (int(value) for value in rng.integers(0, 2, 3))
            before = int(rng.integers(4))
            sheet.put("fed", cycle, 1)
            sheet.put("before", cycle, before)
            sheet.put("idle", cycle, idle)
            sheet.put("quiet", cycle, quiet)
            sheet.put("outcome_valid", cycle + 2, 1)
            sheet.put("outcome_skipped", cycle + 2, skipped)
            wanted += [(Kind.INPUT, {"cycle": (cycle - before) % (1 << 32), "idle": idle})]
            wanted += [(Kind.OUTCOME, {"cycle": cycle + 2, "skipped": skipped})]
            short += [1 if skipped else 2 * quiet]
            steps += 1
            if not skipped:
                active = int(rng.integers(1, config.units + 1))
                at = cycle + 3 + np.arange(active)
                h, c = rng.integers(-(1 << 15), 1 << 15, active), rng.integers(-900, 900, active)
                for name, values in {"h": h, "c": c, "last": np.arange(active) == active - 1}.items():
                    sheet.put(f"h.payload.{name}", at, values)
                sheet.put("h.valid", at, 1)
                short += [] if quiet else (h & 0xFFFF).tolist()
                wanted += [
                    (Kind.RESULT, {"h": int(h[unit]), "c": int(c[unit]), "last": int(unit == active - 1)})
                    for unit in range(active)
                ]
                event = {"columns": int(rng.integers(8)), "restart": int(rng.integers(2))}
                if config.planes == 2:
                    event |= {"digits": int(rng.integers(16)), "low": int(rng.integers(8))}
                late = cycle + 4 + active
                sheet.put("event_valid", late, 1)
                for name, value in event.items():
                    sheet.put(f"event.{name}", late, value)
                wanted += [(Kind.EVENT, {"cycle": late, "digits": event["columns"], "low": 0} | event)]
            cycle += 6 + config.units
        cycle += 2 * sum(RECORDS[kind].words for kind, _ in wanted[-STEPS * (3 + config.units) :]) + 60

    def verify(outputs: Table) -> None:
        assert outputs["h.ready"].all()
        assert outputs["done"].sum() == steps
        ready = np.zeros(len(outputs["done"]), dtype=bool)
        ready[: sheet.cycles] = sheet.table["o.ready"]
        words = outputs["o.payload"][(outputs["o.valid"] == 1) & ready].tolist()
        if not full:
            assert words == short
            return
        for number, (kind, values) in enumerate(wanted):
            record = RECORDS[kind]
            own, words = words[: record.words], words[record.words :]
            assert Kind(own[0] & 3) is kind, number
            found = dict(zip((field.name for field in record.fields), fields(record, own), strict=True))
            assert {name: found[name] for name in values} == values, number
        assert words == []

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """What waits for the ring, and what does not: words alone, and records."""
    return {
        "compact": _compact(rng),
        "steps": _steps(rng, CONFIG, full=False),
        "records": _steps(rng, CONFIG, full=True),
        "records_of_two_planes": _steps(rng, TWO_PLANES, full=True),
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))


def test_records_of_too_many_columns() -> None:
    wide = replace(TWO_PLANES, units=1 << 14)
    with pytest.raises(ValueError, match=r"^Step collector event\.digits must have 16 bits at most, not 17$"):
        StepCollector(
            result=output_layout(wide), event=event_layout(wide), layers=1, units=wide.units, steps=2, inputs=1
        )


@pytest.mark.parametrize(("units", "steps"), [(4, 8), (64, 8), (128, 4), (512, 2), (4096, 2)])
def test_steps_that_have_room(units: int, steps: int) -> None:
    assert held_steps(units) == steps
