# amaranth: UnusedElaboratable=no
"""Collectors: what the ring is given of the engine's results, events and outcomes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.host.link.results import fields
from lstmith.rtl.layouts import event_layout, output_layout
from lstmith.rtl.link.collect import CompactCollector, RecordCollector
from lstmith.spec.config import EngineConfig
from lstmith.spec.latency import input_ready
from lstmith.spec.link_map import RECORDS, Kind

CONFIG = EngineConfig(lanes=1, precisions=(8,), units=4, inputs=3)
TWO_PLANES = replace(CONFIG, planes=2)


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


def _records(rng: np.random.Generator, config: EngineConfig) -> Check:
    """Everything of one of the engine's cycles, a record each, before the cycle may end."""
    unit = RecordCollector(result=output_layout(config), event=event_layout(config), layers=config.layers)
    sheet, cycle, steps = Sheet(6000), 2, 0
    sheet.put("o.ready", slice(None), 1)
    names = {Kind.INPUT: "stamp", Kind.OUTCOME: "outcome_valid", Kind.EVENT: "event_valid", Kind.RESULT: "h.valid"}
    wanted: list[tuple[int, Kind, dict[str, int]]] = []
    done: list[int] = []
    while cycle < sheet.cycles - 60:
        happening = [kind for kind in names if rng.random() < 0.6]
        length = sum(RECORDS[kind].words for kind in happening)
        values = {"columns": int(rng.integers(8)), "restart": int(rng.integers(2))}
        if config.planes == 2:
            values |= {"digits": int(rng.integers(16)), "low": int(rng.integers(8))}
        result = {"h": int(rng.integers(-(1 << 15), 1 << 15)), "c": int(rng.integers(-900, 900)), "last": 1}
        skipped, span = int(rng.integers(2)), slice(cycle, cycle + length + 1)
        for kind in happening:
            sheet.put(names[kind], span, 1)
        sheet.put("outcome_skipped", span, skipped)
        for name, value in values.items():
            sheet.put(f"event.{name}", span, value)
        for name, value in result.items():
            sheet.put(f"h.payload.{name}", span, value)
        event = {"digits": values["columns"], "low": 0} | values
        own = {Kind.INPUT: {}, Kind.OUTCOME: {"skipped": skipped}, Kind.EVENT: event, Kind.RESULT: result}
        at = cycle
        for kind in happening:
            wanted.append((at, kind, own[kind] | ({} if kind is Kind.RESULT else {"cycle": steps})))
            at += RECORDS[kind].words
        sheet.put("step", at, 1)
        done.append(at)
        steps += 1
        cycle = at + 1

    def verify(outputs: Table) -> None:
        for at, kind, values in wanted:
            record = RECORDS[kind]
            assert outputs["done"][at] == 0
            words = outputs["o.payload"][at : at + record.words].tolist()
            assert (outputs["o.valid"][at : at + record.words] == 1).all()
            assert Kind(words[0] & 3) is kind
            found = dict(zip((field.name for field in record.fields), fields(record, words), strict=True))
            for name, value in values.items():
                assert found[name] == value, f"{kind.name} {name} in cycle {at}"
        for at in done:
            assert (outputs["done"][at], outputs["o.valid"][at]) == (1, 0)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Words alone, and records."""
    return {
        "compact": _compact(rng),
        "records": _records(rng, CONFIG),
        "records_of_two_planes": _records(rng, TWO_PLANES),
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))


def test_records_of_too_many_columns() -> None:
    wide = replace(TWO_PLANES, units=1 << 14)
    with pytest.raises(ValueError, match=r"^Record collector event\.digits must have 16 bits at most, not 17$"):
        RecordCollector(result=output_layout(wide), event=event_layout(wide), layers=1)
