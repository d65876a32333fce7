"""Feedback: lists of h, of one layer and of a stack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from hw_tests.fast.rtl.lists.list_cases import (
    Entries,
    Ints,
    assert_entries,
    assert_lengths,
    entries_of,
    put_all,
    read_list,
    references_after,
    widest_grid,
)
from lstmith.golden.encoder import BoolArray
from lstmith.rtl.layouts import STEP_BITS, lists
from lstmith.rtl.lists.feedback import Feedback
from lstmith.spec import latency as timing
from lstmith.spec.codes import Kind
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import LAG_H
from lstmith.spec.policy import Mode, Rule, Scope

#: What a layer's monitor does: rule, scope, warm-up.
_Monitor = tuple[Rule, Scope, int]


class _Decisions:
    """What the monitor answers in each cycle, and what it must have been asked."""

    def __init__(self, rng: np.random.Generator, sheet: Sheet, lanes: int, *, monitor: bool):
        self._answers = rng.random(sheet.cycles) < 0.6
        self._lanes, self._monitor, self._sheet = lanes, monitor, sheet
        self._asked: list[tuple[Ints, int, int, Ints]] = []
        self.held = 0
        if monitor:
            sheet.put("deferral.defers", slice(None), self._answers)

    def number(self, cycles: slice, step: int, counted: int) -> None:
        """The numbers of a pass's step: since its sequence's start, and of all steps."""
        if self._monitor:
            fields = {"step": min(step, (1 << STEP_BITS) - 1), "step_low": counted % 4}
            put_all(self._sheet, "passes.0.", cycles, fields)

    def of(self, at: Ints, rule: Rule, scope: Scope, warmup: int, *, layer: int, step: int, judged: int) -> BoolArray:
        """Where columns of a step are deferred, whose values come in some cycles; ``judged`` counts all steps."""
        if not self._monitor:
            return np.zeros(len(at), dtype=bool)
        folds = np.arange(len(at)) // self._lanes if scope is Scope.FOLD else np.zeros(len(at), dtype=np.int64)
        self._asked.append((at, layer, judged % 4, folds))
        deferred: BoolArray = self._answers[at] & (rule is not Rule.OFF) & (step >= max(LAG_H, warmup))
        self.held += int(deferred.sum())
        return deferred

    def verify(self, outputs: Table) -> None:
        for at, layer, judged, folds in self._asked:
            assert_equal("layer", outputs["deferral.layer"][at], np.full(len(at), layer))
            assert_equal("step", outputs["deferral.step"][at], np.full(len(at), judged))
            assert_equal("fold", outputs["deferral.fold"][at], folds)
        assert not self._monitor or self.held > 0


def _layer_check(rng: np.random.Generator, *, planes: int, monitor: _Monitor | None = None) -> Check:
    """One layer's h, step after step: lengths grow in time, the lists for the next step are complete."""
    lanes, units, steps, sheet = 3, 11, 30, Sheet(3200)
    config = EngineConfig(
        lanes=lanes, precisions=(4, 8), operand_width=18, units=16, planes=planes, monitor=bool(monitor)
    )
    unit, decisions = Feedback(config), _Decisions(rng, sheet, lanes, monitor=bool(monitor))
    shift, thetas, (rule, scope, warmup) = 5, (40, 200), monitor or (Rule.OFF, Scope.LAYER, 0)
    mode = Mode(int(rng.choice([Mode.DELTA, Mode.AUTO] if planes > 1 else [Mode.DELTA])))
    fields = {"h_shift": shift, "mode": mode, "theta_h": thetas[0], "low_theta_h": thetas[1], "planes": planes - 1}
    put_all(sheet, "passes.0.descriptor.", slice(None), fields | {"rule": rule, "scope": scope, "warmup": warmup})
    reference, cycle, number = np.zeros((planes, units), dtype=np.int64), 0, 0
    expected: list[tuple[int, list[int], list[Entries], list[Ints]]] = []
    for step in range(steps):
        h = np.where(rng.random(units) < 0.3, reference[0] << shift, rng.integers(-32767, 32768, units))
        h = h >> rng.integers(0, 6, units)
        at = cycle + 1 + np.cumsum(rng.integers(1, 5, units))
        start = step == 0 or bool(rng.random() < 0.1)
        number = 0 if start else number + 1
        end = int(at[-1]) + 60
        put_all(sheet, "passes.0.", slice(cycle, end), {"start": start, "exact": start, "list_half": step % 2})
        decisions.number(slice(cycle, end), number, step)
        put_all(sheet, "result.", at, {"valid": 1})
        sheet.put("result.h", at, h)
        sheet.put("result.place", at, np.arange(units))
        sheet.put("result.last", at[-1], 1)
        before = np.zeros_like(reference) if start else reference
        held = decisions.of(at, rule, scope, warmup, layer=0, step=number + 1, judged=step - 1)
        reference = references_after(widest_grid(shift).apply(h), before, thetas, held=held)
        entries = entries_of(before, reference, 0)
        visible = [int(at[column]) + timing.encode(config) for column, _ in entries[0]]
        comes = [
            read_list(
                sheet,
                int(at[-1]) + 10 + which * units,
                which,
                np.arange(units) + ((step % 2 ^ 1) << config.unit_bits),
            )
            for which in range(len(entries))
        ]
        expected.append((int(at[-1]), visible, entries, comes))
        cycle = end

    def verify(outputs: Table) -> None:
        drained = [last + unit.latency for last, *_ in expected]
        assert_equal("drained", np.flatnonzero(outputs["lists.drained"]), drained)
        for (last, visible, entries, comes), end in zip(expected, drained, strict=True):
            grown = outputs["lists.growing.0.0.count"]
            for number, cycle in enumerate(visible):
                if cycle <= end:
                    assert grown[cycle] >= number + 1, "an entry is visible late"
                assert grown[cycle - 1] <= number, "an entry is visible early"
            assert grown[end + 1] == 0
            assert_lengths(outputs, "lists.done.0", end + 1, entries, planes)
            assert_lengths(outputs, "lists.own.0", last + 20, entries, planes)
            for wanted, come in zip(entries, comes, strict=True):
                assert_entries(outputs, come, wanted, planes=planes)
        decisions.verify(outputs)

    return Check(unit, sheet.table, verify)


def _stack_descriptors(
    rng: np.random.Generator, bases: tuple[int, int], planes: tuple[int, ...], monitors: tuple[_Monitor, ...]
) -> list[dict[str, Any]]:
    """A descriptor for each layer; the last layer's h feeds a list too, as if the first one came next."""
    descriptors: list[dict[str, Any]] = []
    for layer, base in enumerate(bases):
        fields = {"unit_base": base, "mode": Mode.DELTA, "mode_next": Mode.DELTA, "x_exponent_next": 2}
        # An engine without dense layers does not look at this.
        fields["x_unsigned_next"] = layer
        fields |= {"h_shift": int(rng.integers(3, 7)), "x_shift_next": int(rng.integers(3, 7))}
        fields |= {name: int(rng.integers(0, 60)) for name in ("theta_h", "theta_x_next")}
        fields |= {name: int(rng.integers(0, 200)) for name in ("low_theta_h", "low_theta_x_next")}
        for late, whose in (("", layer), ("_next", 1 - layer)):
            fields[f"planes{late}"] = planes[whose] - 1
            for name, value in zip(("rule", "scope", "warmup"), monitors[whose], strict=True):
                fields[f"{name}{late}"] = value
        descriptors.append(fields)
    return descriptors


def _stack_check(
    rng: np.random.Generator,
    *,
    planes: int,
    layer_planes: tuple[int, ...],
    monitors: tuple[_Monitor, ...] = (),
    unsigned: bool = False,
) -> Check:
    """Two layers in turn; now and then the host loads the h of one of them.

    With ``unsigned`` the engine runs dense layers, and a list of the next layer's x may have no negative values.
    """
    monitor = bool(monitors)
    lanes, sheet, sizes, bases = 4, Sheet(3500), (6, 9), (0, 6)
    two = EngineConfig(lanes=lanes, precisions=(4, 8), operand_width=18, units=16, layers=2, planes=planes)
    config = replace(two, monitor=monitor, kinds=(Kind.LSTM, Kind.DENSE) if unsigned else (Kind.LSTM,))
    unit, decisions = Feedback(config), _Decisions(rng, sheet, lanes, monitor=monitor)
    off = (Rule.OFF, Scope.LAYER, 0)
    descriptors = _stack_descriptors(rng, bases, layer_planes, monitors or (off, off))
    kept = {(layer, kind): np.zeros((planes, sizes[layer]), dtype=np.int64) for layer in range(2) for kind in range(2)}
    own: dict[int, list[Entries]] = {}
    drained: list[int] = []
    ends: list[tuple[int, list[list[Entries]]]] = []  # cycle, lists of each kind
    reads: list[tuple[Ints, Entries]] = []
    owns: list[tuple[int, dict[int, list[Entries]]]] = []

    def lists_of(layer: int, kind: int, h: Ints, *, start: bool, exact: bool, held: BoolArray) -> list[Entries]:
        fields, name = descriptors[layer], "x" if kind else "h"
        late = "_next" if kind else ""
        grid = widest_grid(
            fields[f"x_shift{late}"] if kind else fields["h_shift"],
            2 if kind else 0,
            unsigned=bool(kind and unsigned and fields["x_unsigned_next"]),
        )
        # One list alone holds values where the sums are recomputed.
        forgets = start or (exact and planes == 1)
        held = (held & (not exact)) | (not fields[f"planes{late}"])
        before = np.zeros_like(kept[layer, kind]) if forgets else kept[layer, kind].copy()
        thetas = (0, 0) if exact else (fields[f"theta_{name}{late}"], fields[f"low_theta_{name}{late}"])
        after = references_after(grid.apply(h), before, thetas, held=held)
        kept[layer, kind] = after
        return entries_of(before, after, grid.exponent)

    cycle, parity, number, counted = 2, 0, 0, int(rng.integers(4))
    for step in range(200):
        if cycle > sheet.cycles - 400:
            break
        start = step == 0 or bool(rng.random() < 0.08)
        exact = start or bool(rng.random() < 0.1)
        loads = step > 0 and not start and bool(rng.random() < 0.2)
        if not loads:
            number, counted = 0 if exact else number + 1, counted + 1
        for layer, (size, fields) in enumerate(zip(sizes, descriptors, strict=True)):
            h = rng.integers(-32767, 32768, size) >> rng.integers(0, 8, size)
            at = cycle + 2 + np.cumsum(rng.integers(2, 5, size))
            end = int(at[-1]) + 100
            put_all(sheet, "passes.0.descriptor.", slice(cycle, end), fields)
            flags = {"layer": layer, "list_half": parity, "start": start, "exact": exact}
            put_all(sheet, "passes.0.", slice(cycle, end), flags)
            decisions.number(slice(cycle, end), number, counted)
            none = np.zeros(size, dtype=bool)
            if loads:
                sheet.put("load.begin", cycle, 1)
                sheet.put("load.valid", at, 1)
                sheet.put("load.h", at, h)
                sheet.put("list_halves", slice(cycle, end), 1 - parity)
                done = int(at[-1]) + timing.RELOAD_FLUSH
                sheet.put("load.end", done, 1)
                found = [lists_of(layer, 0, h, start=start, exact=True, held=none)]
            else:
                sheet.put("result.valid", at, 1)
                sheet.put("result.h", at, h)
                sheet.put("result.place", at, fields["unit_base"] + np.arange(size))
                sheet.put("result.last", at[-1], 1)
                # The second turn of the last h ends the pass.
                done = int(at[-1]) + unit.latency
                drained.append(done)
                policy = fields["rule"], fields["scope"], fields["warmup"]
                held = decisions.of(at, *policy, layer=layer, step=number + 1, judged=counted - 1)
                # The folds of a layer say nothing about its input.
                rule = fields["rule_next"] if fields["scope_next"] is Scope.LAYER else Rule.OFF
                policy = rule, Scope.LAYER, fields["warmup_next"]
                held_x = decisions.of(at + 1, *policy, layer=1 - layer, step=number, judged=counted - 2)
                found = [
                    lists_of(layer, 0, h, start=start, exact=False, held=held),
                    lists_of(layer, 1, h, start=start, exact=exact, held=held_x),
                ]
            half = 1 - parity
            own[layer] = found[0]
            ends.append((done, found))
            owns.append((done + 1, dict(own)))
            look = done + 2
            for kind, entries in enumerate(found):
                for which in range(lists(planes)):
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
        for done, found in ends:
            for kind, entries in enumerate(found):
                assert_lengths(outputs, f"lists.done.{kind}", done + 1, entries, planes)
        for at, known in owns:
            for layer, entries in known.items():
                assert_lengths(outputs, f"lists.own.{layer}", at, entries, planes)
        for come, entries_read in reads:
            assert_entries(outputs, come, entries_read, planes=planes)
        decisions.verify(outputs)

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One layer whose lists grow, two layers whose h may be loaded."""
    late, early = (Rule.RATIO, Scope.LAYER, 5), (Rule.COUNT, Scope.LAYER, 0)
    by_fold, off = (Rule.COUNT, Scope.FOLD, 0), (Rule.OFF, Scope.LAYER, 0)
    one_low = (1, 2) if rng.random() < 0.5 else (2, 1)
    return {
        "layer_planes_1": _layer_check(rng, planes=1),
        "layer_planes_2": _layer_check(rng, planes=2),
        "layer_monitor": _layer_check(rng, planes=2, monitor=early),
        "layer_folds": _layer_check(rng, planes=2, monitor=(Rule.RATIO, Scope.FOLD, 5)),
        "stack_planes_1": _stack_check(rng, planes=1, layer_planes=(1, 1)),
        "stack_planes_2": _stack_check(rng, planes=2, layer_planes=one_low),
        "stack_unsigned": _stack_check(rng, planes=1, layer_planes=(1, 1), unsigned=True),
        "stack_monitor": _stack_check(rng, planes=2, layer_planes=(2, 2), monitors=(late, early)),
        "stack_folds": _stack_check(rng, planes=2, layer_planes=(2, 2), monitors=(by_fold, off)),
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
