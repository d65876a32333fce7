"""Feedback: lists of h, of one layer and of a stack."""

from __future__ import annotations

from typing import Any

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from hw_tests.fast.rtl.lists.list_cases import Entries, Ints, assert_entries, entries_of, read_list, widest_grid
from lstmith.golden.encoder import follow
from lstmith.rtl.lists.feedback import Feedback
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec import latency as timing
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode


def _feedback_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """One layer's h, step after step: lengths grow in time, the lists for the next step are complete."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=18, units=16, mixed=mixed)
    unit, units, steps, sheet = Feedback(config), 11, 30, Sheet(4000)
    shift, theta, taus = 5, 40, (60, 250)
    fields = {"h_shift": shift, "mode": Mode.DELTA, "theta_h": theta, "tau_h": taus[0], "restart_tau_h": taus[1]}
    for name, setting in fields.items():
        sheet.put(f"passes.0.descriptor.{name}", slice(None), int(setting))
    reference, cycle = np.zeros((1, units), dtype=np.int64), 0
    expected: list[tuple[int, list[int], list[Entries], list[Ints]]] = []
    for step in range(steps):
        h = np.where(rng.random((1, units)) < 0.3, reference << shift, rng.integers(-32767, 32768, (1, units)))
        h = h >> rng.integers(0, 6, (1, units))
        at = cycle + 1 + np.cumsum(rng.integers(1, 5, units))
        start = step == 0
        end = int(at[-1]) + 60
        sheet.put("passes.0.start", slice(cycle, end), int(start))
        sheet.put("passes.0.list_half", slice(cycle, end), step % 2)
        sheet.put("result.valid", at, 1)
        sheet.put("result.h", at, h[0])
        sheet.put("result.place", at, np.arange(units))
        sheet.put("result.last", at[-1], 1)
        before = np.zeros_like(reference) if start else reference
        reference = follow(widest_grid(shift, 0, unsigned=False).apply(h), before, Mode.DELTA, theta, exact=False)
        entries = entries_of(before, reference, 0, taus, values=False, mixed=mixed)
        visible = [int(at[column]) + timing.encode(config) for column, _, _ in entries[0]]
        read_at = [int(at[-1]) + 10 + which * units + np.arange(units) for which in range(len(entries))]
        for which, read in enumerate(read_at):
            sheet.put("read.address", read, np.arange(units) + ((step % 2 ^ 1) << config.unit_bits))
            sheet.put("read.list", read, which)
        expected.append((int(at[-1]), visible, entries, read_at))
        cycle = end

    def verify(outputs: Table) -> None:
        drained = [last + unit.latency for last, *_ in expected]
        assert_equal("drained", np.flatnonzero(outputs["lists.drained"]), drained)
        for (last, visible, entries, read_at), end in zip(expected, drained, strict=True):
            grown = outputs["lists.growing.0.0.count"]
            for number, cycle in enumerate(visible):
                if cycle <= end:
                    assert grown[cycle] >= number + 1, "an entry is visible late"
                assert grown[cycle - 1] <= number, "an entry is visible early"
            assert grown[end + 1] == 0
            for which, (wanted, read) in enumerate(zip(entries, read_at, strict=True)):
                assert outputs[f"lists.done.0.{which}.count"][end + 1] == len(wanted)
                assert outputs[f"lists.own.0.{which}.count"][last + 20] == len(wanted)
                assert outputs[f"lists.done.0.{which}.low"][end + 1] == sum(low for _, _, low in wanted)
                assert_entries(outputs, read + RAM_LATENCY, wanted, mixed=mixed)

    return Check(unit, sheet.table, verify)


def _stack_check(rng: np.random.Generator, *, mixed: bool) -> Check:
    """Two layers in turn; now and then the host loads the h of one of them."""
    config = EngineConfig(lanes=1, precisions=(4, 8), operand_width=18, units=16, layers=2, mixed=mixed)
    unit, sheet, sizes, bases = Feedback(config), Sheet(5000), (6, 9), (0, 6)
    lists = 1 + mixed
    descriptors: list[dict[str, Any]] = []
    for base in bases:
        fields = {"unit_base": base, "mode": Mode.DELTA, "mode_next": Mode.DELTA, "x_exponent_next": 2}
        fields |= {"h_shift": int(rng.integers(3, 7)), "x_shift_next": int(rng.integers(3, 7))}
        fields |= {name: int(rng.integers(0, 60)) for name in ("theta_h", "theta_x_next")}
        taus = "tau_h", "restart_tau_h", "tau_x_next", "restart_tau_x_next"
        descriptors.append(fields | {name: int(rng.integers(0, 200)) for name in taus})
    kept = {(layer, kind): np.zeros((1, sizes[layer]), dtype=np.int64) for layer in range(2) for kind in range(2)}
    own: dict[int, list[Entries]] = {}
    drained: list[int] = []
    ends: list[tuple[int, int, list[list[Entries]]]] = []  # cycle, layer, lists of each kind
    reads: list[tuple[Ints, Entries]] = []
    owns: list[tuple[int, dict[int, list[Entries]]]] = []

    def lists_of(layer: int, kind: int, h: Ints, *, start: bool, exact: bool) -> list[Entries]:
        fields, name = descriptors[layer], "x" if kind else "h"
        late = "_next" if kind else ""
        grid = widest_grid(fields[f"x_shift{late}"] if kind else fields["h_shift"], 2 if kind else 0)
        # One list alone holds values where the sums are recomputed.
        before = np.zeros_like(h) if start or (exact and not mixed) else kept[layer, kind]
        after = follow(grid.apply(h), before, Mode.DELTA, fields[f"theta_{name}{late}"], exact)
        kept[layer, kind] = after
        taus = fields[f"tau_{name}{late}"], fields[f"restart_tau_{name}{late}"]
        return entries_of(before, after, grid.exponent, taus, mixed=mixed)

    cycle, parity = 2, 0
    for step in range(200):
        if cycle > sheet.cycles - 400:
            break
        start = step == 0 or bool(rng.random() < 0.1)
        exact = start or bool(rng.random() < 0.2)
        loads = step > 0 and not start and bool(rng.random() < 0.2)
        for layer, (size, fields) in enumerate(zip(sizes, descriptors, strict=True)):
            h = rng.integers(-32767, 32768, (1, size)) >> rng.integers(0, 8, (1, size))
            at = cycle + 2 + np.cumsum(rng.integers(2, 5, size))
            end = int(at[-1]) + 100
            settings = {f"descriptor.{name}": int(value) for name, value in fields.items()}
            settings |= {"layer": layer, "list_half": parity, "start": int(start), "exact": int(exact)}
            for name, value in settings.items():
                sheet.put(f"passes.0.{name}", slice(cycle, end), value)
            if loads:
                sheet.put("load.begin", cycle, 1)
                sheet.put("load.valid", at, 1)
                sheet.put("load.h", at, h[0])
                sheet.put("list_halves", slice(cycle, end), 1 - parity)
                done = int(at[-1]) + timing.RELOAD_FLUSH
                sheet.put("load.end", done, 1)
                found = [lists_of(layer, 0, h, start=start, exact=True)]
                half = 1 - parity
            else:
                sheet.put("result.valid", at, 1)
                sheet.put("result.h", at, h[0])
                sheet.put("result.place", at, fields["unit_base"] + np.arange(size))
                sheet.put("result.last", at[-1], 1)
                # The second turn of the last h ends the pass.
                done = int(at[-1]) + unit.latency
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
                    places = places + (kind << config.state_bits + 1)
                    reads.append((read_list(sheet, look, which, places), entries[which]))
                    look += len(places)
            cycle = look + 4
        parity = 1 - parity

    def verify(outputs: Table) -> None:
        assert_equal("drained", np.flatnonzero(outputs["lists.drained"]), drained)
        for done, layer, found in ends:
            for kind, entries in enumerate(found):
                for which, wanted in enumerate(entries):
                    name = f"lists.done.{kind}.{which}"
                    have = outputs[f"{name}.count"][done + 1], outputs[f"{name}.low"][done + 1]
                    assert have == (len(wanted), sum(low for *_, low in wanted)), f"{name} of layer {layer}"
        for at, known in owns:
            for layer, entries in known.items():
                for which, wanted in enumerate(entries):
                    assert outputs[f"lists.own.{layer}.{which}.count"][at] == len(wanted)
        for come, entries_read in reads:
            assert_entries(outputs, come, entries_read, mixed=mixed)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One layer whose lists grow, two layers whose h may be loaded."""
    checks = {}
    for name, mixed in (("single", False), ("mixed", True)):
        checks[f"layer_{name}"] = _feedback_check(rng, mixed=mixed)
        checks[f"stack_{name}"] = _stack_check(rng, mixed=mixed)
    return checks


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
