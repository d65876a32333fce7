"""What keeps lists and references over more than a step: banks, list pairs, the feedback of a stack, the verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.lib import data

from hw_tests.checks import Check, Sheet, Table, assert_equal
from hw_tests.cocotb.vectors import SIMULATORS, run_checks
from lstmith.golden.encoder import distance, follow
from lstmith.rtl.lists.encoder import Encoder
from lstmith.rtl.lists.feedback import Feedback
from lstmith.rtl.lists.input_stage import InputStage
from lstmith.rtl.lists.list_pair import ListPair
from lstmith.rtl.sequencer.issue import READ
from lstmith.spec import latency as timing
from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.policy import Mode
from lstmith.spec.quantised import Grid

Ints = npt.NDArray[np.int64]
Entries = list[tuple[int, int, int]]


def _grid(shift: int, exponent: int = 0) -> Grid:
    top = (1 << (15 - shift)) - 1
    return Grid(shift, -top - 1, top, exponent)


def _entries(before: Ints, after: Ints, exponent: int, taus: tuple[int, int], *, mixed: bool) -> list[Entries]:
    """(column, operand, low) of each list, from references [1, C] before and after a step."""
    pairs = [(after - before, taus[0]), (after, taus[1])][: 1 + mixed]
    return [
        [
            (column, value << exponent, int(mixed and abs(value) <= tau and tau > 0))
            for column, value in enumerate(operands[0].tolist())
            if value
        ]
        for operands, tau in pairs
    ]


def _read(sheet: Sheet, cycle: int, which: int, places: Ints) -> Ints:
    """Read a list from a cycle on; returns when its entries come."""
    at = cycle + np.arange(len(places))
    sheet.put("r_addr", at, places)
    sheet.put("r_list", at, which)
    return at + READ


def _assert_entries(outputs: Table, at: Ints, wanted: Entries, *, mixed: bool) -> None:
    done = at[: len(wanted)]
    low = outputs["entry.low"][done] if mixed else np.zeros(len(done), dtype=np.int64)
    assert list(zip(outputs["entry.column"][done], outputs["entry.operand"][done], low, strict=True)) == wanted


def _banks_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Steps that are kept and steps that are not: references are those of the last one that was kept."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=18, mixed=mixed, skip=True)
    references, theta, grid = 5, 30, _grid(5)
    unit, sheet = Encoder(config, references, data.StructLayout({"mark": 1}), banks=True), Sheet(2000)
    for name, setting in (("shift", grid.shift), ("theta", theta)):
        sheet.put(f"grid.{name}", slice(None), setting)
    kept, bank, cycle = np.zeros((1, references), dtype=np.int64), 0, 2
    seen: list[tuple[Ints, Ints, Ints]] = []
    while cycle < sheet.cycles - 50:
        value = rng.integers(-32768, 32768, (1, references)) >> rng.integers(0, 8)
        mode = Mode(int(rng.choice([Mode.SKIP, Mode.DELTA, Mode.DELTA])))
        after = follow(grid.apply(value), kept, mode, theta, exact=False)
        # One list alone holds values where the sums are recomputed; how far the value is from its reference stays.
        listed = after if mode is Mode.SKIP and not mixed else after - kept
        at = cycle + np.arange(references)
        sheet.put("grid.mode", at, int(mode))
        sheet.put("valid", at, 1)
        sheet.put("value", at, value[0])
        sheet.put("index", at, np.arange(references))
        sheet.put("bank", slice(cycle, cycle + 12), bank)
        seen.append((at + unit.latency, listed[0], distance(grid.apply(value), kept)[0]))
        if rng.random() < 0.5:
            kept, bank = after, 1 - bank
        cycle += 12

    def verify(outputs: Table) -> None:
        for at, operand, far in seen:
            assert_equal("o_distance", outputs["o_distance"][at], far)
            listed = operand != 0
            assert_equal("listed", outputs["o_candidates.0.listed"][at], listed)
            assert_equal("operand", outputs["o_candidates.0.operand"][at[listed]], operand[listed])

    return Check(unit, sheet.table, verify)


def _pair_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Lists that begin anywhere in either part; lengths count what was listed, entries stay until overwritten."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=12, mixed=mixed)
    columns, lists = 10, 1 + mixed
    unit, sheet, place_bits = ListPair(config, columns, 2), Sheet(3000), bits_for(columns)
    cycle = 2
    lengths: list[tuple[int, str, int, Ints]] = []
    reads: list[tuple[Ints, Entries]] = []
    while cycle < sheet.cycles - 100:
        base, part, count = int(rng.integers(6)), int(rng.integers(2)), int(rng.integers(1, 11))
        held: list[Entries] = [[], []]
        for column in range(count):
            cycle += int(rng.choice([1, 1, 3]))
            values = {"valid": 1, "column": column, "base": base, "part": part, "clear": int(column == count - 1)}
            for name, value in values.items():
                sheet.put(name, cycle, value)
            for which in range(lists):
                before = len(held[which]), sum(low for _, _, low in held[which])
                listed, low = bool(rng.random() < 0.6), int(rng.random() < 0.4) * mixed
                candidate = {"listed": int(listed), "low": low, "operand": int(rng.integers(-2048, 2048))}
                for name, value in candidate.items():
                    sheet.put(f"candidates.{which}.{name}", cycle, value)
                if listed:
                    held[which].append((column, candidate["operand"], low))
                after = len(held[which]), sum(low for _, _, low in held[which])
                lengths += [(cycle, "lengths", which, np.array(before)), (cycle, "totals", which, np.array(after))]
        for which in range(lists):
            places = (base + np.arange(len(held[which]))) % (1 << place_bits) + (part << place_bits)
            reads.append((_read(sheet, cycle + 1, which, places), held[which]))
            cycle += len(places)
        cycle += 1
        lengths += [(cycle, "lengths", which, np.zeros(2, dtype=np.int64)) for which in range(lists)]

    def verify(outputs: Table) -> None:
        for at, port, which, wanted in lengths:
            have = np.array([outputs[f"{port}.{which}.{name}"][at] for name in ("count", "low")])
            assert_equal(f"{port} of list {which} in cycle {at}", have, wanted)
        for come, entries in reads:
            _assert_entries(outputs, come, entries, mixed=mixed)

    return Check(unit, sheet.table, verify)


def _stack_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Two layers in turn; now and then the host loads the h of one of them."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=18, units=16, layers=2, mixed=mixed)
    unit, sheet, sizes, bases = Feedback(config), Sheet(5000), (6, 9), (0, 6)
    lists = 1 + mixed
    records: list[dict[str, Any]] = []
    for base in bases:
        fields = {"unit_base": base, "mode": Mode.DELTA, "mode_next": Mode.DELTA, "x_exponent_next": 2}
        fields |= {"h_shift": int(rng.integers(3, 7)), "x_shift_next": int(rng.integers(3, 7))}
        fields |= {name: int(rng.integers(0, 60)) for name in ("theta_h", "theta_x_next")}
        taus = "tau_h", "restart_tau_h", "tau_x_next", "restart_tau_x_next"
        records.append(fields | {name: int(rng.integers(0, 200)) for name in taus})
    kept = {(layer, kind): np.zeros((1, sizes[layer]), dtype=np.int64) for layer in range(2) for kind in range(2)}
    own: dict[int, list[Entries]] = {}
    drained: list[int] = []
    ends: list[tuple[int, int, list[list[Entries]]]] = []  # cycle, layer, lists of each kind
    reads: list[tuple[Ints, Entries]] = []
    owns: list[tuple[int, dict[int, list[Entries]]]] = []

    def lists_of(layer: int, kind: int, h: Ints, *, start: bool, exact: bool) -> list[Entries]:
        fields, name = records[layer], "x" if kind else "h"
        late = "_next" if kind else ""
        grid = _grid(fields[f"x_shift{late}"] if kind else fields["h_shift"], 2 if kind else 0)
        # One list alone holds values where the sums are recomputed.
        before = np.zeros_like(h) if start or (exact and not mixed) else kept[layer, kind]
        after = follow(grid.apply(h), before, Mode.DELTA, fields[f"theta_{name}{late}"], exact)
        kept[layer, kind] = after
        taus = fields[f"tau_{name}{late}"], fields[f"restart_tau_{name}{late}"]
        return _entries(before, after, grid.exponent, taus, mixed=mixed)

    cycle, parity = 2, 0
    for step in range(200):
        if cycle > sheet.cycles - 400:
            break
        start = step == 0 or bool(rng.random() < 0.1)
        exact = start or bool(rng.random() < 0.2)
        loads = step > 0 and not start and bool(rng.random() < 0.2)
        for layer, (size, fields) in enumerate(zip(sizes, records, strict=True)):
            h = rng.integers(-32767, 32768, (1, size)) >> rng.integers(0, 8, (1, size))
            at = cycle + 2 + np.cumsum(rng.integers(2, 5, size))
            end = int(at[-1]) + 100
            settings = {f"record.{name}": int(value) for name, value in fields.items()}
            settings |= {"layer": layer, "parity": parity, "start": int(start), "exact": int(exact)}
            for name, value in settings.items():
                sheet.put(f"passes.0.{name}", slice(cycle, end), value)
            if loads:
                sheet.put("load_begin", cycle, 1)
                sheet.put("load_valid", at, 1)
                sheet.put("load_h", at, h[0])
                sheet.put("load_parity", slice(cycle, end), 1 - parity)
                done = int(at[-1]) + timing.RELOAD_FLUSH
                sheet.put("load_end", done, 1)
                found = [lists_of(layer, 0, h, start=start, exact=True)]
                half = 1 - parity
            else:
                sheet.put("h_valid", at, 1)
                sheet.put("h", at, h[0])
                sheet.put("h_place", at, fields["unit_base"] + np.arange(size))
                sheet.put("h_last", at[-1], 1)
                # The second turn of the last h ends the pass.
                done = int(at[-1]) + timing.encode(config)
                drained.append(done)
                found = [lists_of(layer, kind, h, start=start, exact=exact and kind == 1) for kind in range(2)]
                half = 1 - parity
            own[layer] = found[0]
            ends.append((done, layer, found))
            owns.append((done + 1, dict(own)))
            look = done + 2
            for kind, entries in enumerate(found):
                for which in range(lists):
                    places = fields["unit_base"] + np.arange(len(entries[which]))
                    # The own list is the next step's, the next layer's x this step's.
                    places = places + ((parity if kind else half) << config.unit_bits)
                    sheet.put("r_kind", look + np.arange(len(places)), kind)
                    reads.append((_read(sheet, look, which, places), entries[which]))
                    look += len(places)
            cycle = look + 4
        parity = 1 - parity

    def verify(outputs: Table) -> None:
        assert_equal("drained", np.flatnonzero(outputs["drained"]), drained)
        for done, layer, found in ends:
            for kind, entries in enumerate(found):
                for which, wanted in enumerate(entries):
                    name = f"done.{kind}.{which}"
                    have = outputs[f"{name}.count"][done + 1], outputs[f"{name}.low"][done + 1]
                    assert have == (len(wanted), sum(low for *_, low in wanted)), f"{name} of layer {layer}"
        for at, known in owns:
            for layer, entries in known.items():
                for which, wanted in enumerate(entries):
                    assert outputs[f"own_lengths.{layer}.{which}.count"][at] == len(wanted)
        for come, entries_read in reads:
            _assert_entries(outputs, come, entries_read, mixed=mixed)

    return Check(unit, sheet.table, verify)


def _verdict_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Inputs that are always there: after a computed step the stage waits for the predictor, then for nothing."""
    config = EngineConfig(lanes=1, precisions=(4, 8), inputs=4, mixed=mixed, skip=True)
    unit, sheet, inputs, limit = InputStage(config), Sheet(3000), 3, 2
    for name, setting in {"inputs": inputs - 1, "skip.predictor": 1, "skip.limit": limit, "x.valid": 1}.items():
        sheet.put(name, slice(None), setting)
    taken: list[int] = []
    outcomes: list[tuple[int, int]] = []
    cycle, run, predicted, buffer = 0, 0, False, 0
    while cycle < sheet.cycles - 150:
        start, restart = (bool(rng.random() < 0.1) for _ in range(2))
        if rng.random() < 0.15:
            sheet.put("x.payload.mark", cycle, 1)
            taken.append(cycle)
            outcomes.append((cycle + timing.MARK, 1))
            cycle += 1
            continue
        sheet.put("x.payload.start", cycle, int(start))
        sheet.put("x.payload.restart", cycle, int(restart))
        taken += range(cycle, cycle + inputs)
        last = cycle + inputs - 1
        outcome = last + timing.input_ready(config)
        skipped = predicted and run < limit and not (start or restart)
        outcomes.append((outcome, int(skipped)))
        cycle = last + 1 + timing.input_gap(config)
        run = run + 1 if skipped else 0
        if not skipped:
            verdict = outcome + int(rng.integers(1, 20))
            predicted = bool(rng.random() < 0.7)
            sheet.put("verdict", verdict, 1)
            sheet.put("predicted", slice(verdict, None), int(predicted))
            sheet.put("release", verdict, 1 << buffer)
            buffer = 1 - buffer
            cycle = verdict + 1
    known = cycle

    def verify(outputs: Table) -> None:
        assert_equal("accepted", np.flatnonzero(outputs["x.ready"][:known]), taken)
        at, skipped = np.array(outcomes).T
        assert_equal("outcomes", np.flatnonzero(outputs["outcome_valid"][:known]), at[at < known])
        assert_equal("outcome_skipped", outputs["outcome_skipped"][at], skipped)
        assert 0 < skipped.sum() < len(skipped)

    return Check(unit, sheet.table, verify)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_stores(simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    checks = {}
    for name, mixed in (("single", False), ("mixed", True)):
        checks[f"banks_{name}"] = _banks_check(rng, mixed=mixed)
        checks[f"pair_{name}"] = _pair_check(rng, mixed=mixed)
        checks[f"stack_{name}"] = _stack_check(rng, mixed=mixed)
        checks[f"verdict_{name}"] = _verdict_check(rng, mixed=mixed)
    run_checks(checks, simulator, tmp_path)
