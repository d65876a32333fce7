"""Pass control: passes of two sequences in turn, when they begin, what is kept of them, and the host in between."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here
from lstmith.rtl.sequencer.pass_control import PassControl
from lstmith.spec import latency as timing
from lstmith.spec.config import PRECISIONS, EngineConfig
from lstmith.spec.policy import Mode

LAYERS = 2
#: Entries of every list of h, so that each pass has as many columns of its own.
LISTED = 5


def _passes_check(rng: np.random.Generator) -> Check:
    """Steps of either sequence, each one pass per layer with some folds, which drain sooner or later."""
    config = EngineConfig(
        lanes=2, precisions=PRECISIONS, units=8, inputs=8, layers=LAYERS, sequences=2, weight_depth=64
    )
    unit, sheet = PassControl(config), Sheet(4000)
    for name in ("growing", "done", "own"):
        for index in range(config.contexts if name == "own" else LAYERS):
            sheet.put(f"lists.{name}.{index}.0.count", slice(None), LISTED)
    begins: list[int] = []
    dones: list[int] = []
    kept: list[tuple[int, int, dict[str, int]]] = []  # from which cycle, of which sequence
    independent, halves, end, step_number, sequence = [(0, 0)], [0, 0], 2, 0, 0
    busy = np.zeros(sheet.cycles, dtype=np.int64)
    while end < sheet.cycles - 400:
        ready, start = end + int(rng.choice([1, 1, 80])), step_number < 2 or bool(rng.random() < 0.2)
        other, sequence, length = sequence, int(rng.integers(2)), int(rng.integers(8))
        mask = int(rng.integers(8))
        buffer, step_number = step_number % 2, step_number + 1
        for layer in range(LAYERS):
            begun = max([ready, end + 1] + ([dones[-2] + 1] if len(dones) > 1 else []))
            waits = slice(end + 1 if layer else ready, begun + 1)
            descriptor = {"unit_base": int(rng.integers(8)), "last_layer": int(layer == LAYERS - 1), "mode": Mode.DELTA}
            for name, value in descriptor.items():
                sheet.put(f"program.descriptor.{name}", waits, int(value))
            sheet.put("program.loaded", waits, 1)
            sheet.put("program.layer", waits, layer)
            if layer == 0:
                sheet.put("steps.full", waits, 1 << buffer)
                fields = {"start": int(start), "sequence": sequence, "mask": mask, "lengths.0.count": length}
                for name, value in fields.items():
                    sheet.put(f"steps.step.{buffer}.{name}", waits, value)
            sheet.put("reload.mask", begun, mask)
            begins.append(begun)
            independent.append((begun + 1, int(layer == 0 and sequence != other)))
            # A fold's last entry is in the fetch register a cycle after it is fetched; it is kept from the next on.
            at = begun + 4
            columns = (0 if start else LISTED) + (LISTED if layer else length)
            want: dict[str, Any] = {f"descriptor.{name}": int(value) for name, value in descriptor.items()}
            want |= {"layer": layer, "mask": mask, "start": int(start), "list_half": halves[sequence]}
            want |= {"columns": columns, "clear": int(start), "exact": int(start)}
            for fold in range(int(rng.integers(1, 4))):
                fields = {"last": 1, "first_fold": int(fold == 0), "sequence": sequence}
                for name, value in fields.items():
                    sheet.put(f"entry.{name}", at + 1, value)
                sheet.put("entry_valid", at + 1, 1)
                kept.append((at + 2, sequence, want))
                end = at
                at += int(rng.integers(2, 6))
            sheet.put("ends", end, 1)
            dones.append(max(end + 3, dones[-1] + 1 if dones else 0) + int(rng.choice([1, 3, 60])))
            sheet.put("lists.drained", dones[-1], 1)
            busy[begun + 1 : dones[-1] + 1] = 1
        halves[sequence] ^= 1
    # A layer's state is loaded: the pass of its sequence takes the descriptor that is there.
    load = dones[-1] + 5
    for name, value in (descriptor | {"unit_base": 7}).items():
        sheet.put(f"program.descriptor.{name}", load, int(value))
    sheet.put("program.layer", load, 1)
    sheet.put("load.begin", load, 1)
    sheet.put("load.sequence", load, sequence)
    kept.append((load + 1, sequence, kept[-1][2] | {"descriptor.unit_base": 7, "layer": 1}))

    def verify(outputs: Table) -> None:
        for strobe in ("begins", "reload.begins", "program.advance"):
            assert_equal(strobe, np.flatnonzero(outputs[strobe]), begins)
        assert_equal("reload.quiet", outputs["reload.quiet"][: load + 5], 1 - busy[: load + 5])
        for sequence in range(2):
            own = [(cycle, want) for cycle, of, want in kept if of == sequence] + [(load + 5, {})]
            for (begin, want), (after, _) in itertools.pairwise(own):
                for name, value in want.items():
                    have = outputs[f"passes.{sequence}.{name}"][begin:after]
                    assert (have == value).all(), f"{name} of sequence {sequence} from cycle {begin} on"
        undrained, others = np.zeros(load, dtype=np.int64), np.zeros(load, dtype=np.int64)
        for cycles, change in ((begins, 1), (dones, -1)):
            for cycle in cycles:
                undrained[cycle + 1 :] += change
        for begin, value in independent:
            others[begin:] = value
        alone = undrained[: -timing.LOOK] == 1
        assert_equal("may_end", outputs["may_end"][timing.LOOK : load], others[timing.LOOK :] | alone)

    return Check(unit, sheet.table, verify)


def _numbers_check(rng: np.random.Generator) -> Check:
    """Many steps, close to each other, of sequences longer and shorter than a step's number counts."""
    config = EngineConfig(lanes=2, precisions=(8,), units=8, inputs=8, planes=2, monitor=True, weight_depth=64)
    unit, sheet = PassControl(config), Sheet(4000)
    sheet.put("program.descriptor.last_layer", slice(None), 1)
    sheet.put("program.descriptor.mode", slice(None), Mode.DELTA)
    sheet.put("program.loaded", slice(None), 1)
    sheet.put("steps.full", slice(2, None), 3)
    kept: list[tuple[int, int, int]] = []  # from which cycle, number, number of all
    begun, number = 2 + timing.settle(config), 0
    for step in range(500):
        exact = step in (0, 400) or (step > 400 and bool(rng.random() < 0.2))
        number = 0 if exact else number + 1
        name = ("reload.changed", f"steps.step.{step % 2}.restart")[int(rng.integers(2))]
        sheet.put(name, slice(begun - timing.settle(config), begun + 1), int(exact))
        # The pass is fetched at once, and drained soon.
        end = begun + 1
        sheet.put("ends", end, 1)
        for field in ("entry.last", "entry.first_fold", "entry_valid"):
            sheet.put(field, end + 1, 1)
        sheet.put("lists.drained", end + 2, 1)
        kept.append((end + 2, min(number, 255), step % 4))
        begun = end + 1 + timing.settle(config)

    def verify(outputs: Table) -> None:
        for (begin, step, step_low), (after, *_) in itertools.pairwise(kept):
            for name, value in {"step": step, "step_low": step_low}.items():
                assert (outputs[f"passes.0.{name}"][begin:after] == value).all(), f"{name} from cycle {begin} on"

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Two layers, two sequences, and steps as the monitor numbers them.

    :mod:`.test_sequencer` has the passes of one sequence, with all that is fetched.
    """
    return {"two": _passes_check(rng), "numbers": _numbers_check(rng)}


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
