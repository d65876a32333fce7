"""Program store: descriptors written over the bus, fetched in turn and at will."""

from __future__ import annotations

import itertools

import numpy as np

from hw_tests.checks import Check, Sheet, Table, run_here
from lstmith.rtl.layouts import descriptor_layout
from lstmith.rtl.program_store import ProgramStore
from lstmith.spec import layer_descriptor
from lstmith.spec.config import EngineConfig


def _program_check(rng: np.random.Generator, layers: int, active_counts: int, programs: int) -> Check:
    """Every descriptor of every program, written over the bus, fetched in turn and at will."""
    config = EngineConfig(lanes=1, precisions=(8,), layers=layers, active_counts=active_counts, programs=programs)
    unit, sheet = ProgramStore(layers=layers, active_counts=active_counts, programs=programs, verdicts=True), Sheet(900)
    descriptors = {}
    for program, mask, layer in itertools.product(range(programs), range(active_counts), range(layers)):
        values = {name: int(rng.integers(0, 1 << width)) for name, width in layer_descriptor.FIELDS.items()}
        descriptors[layer, mask, program] = values | {"last_layer": int(layer == layers - 1)}
        for word, content in enumerate(layer_descriptor.pack(descriptors[layer, mask, program])):
            place = (program << config.active_bits | mask) << config.layer_bits | layer
            at = place * layer_descriptor.DESCRIPTOR_STRIDE + word
            sheet.put("write.valid", at, 1)
            sheet.put("write.address", at, at)
            sheet.put("write.data", at, content)
    looks = []
    layer, mask, program, cycle = 0, 0, 0, 140
    for turn in range(16):
        selects = turn % 4 == 3
        if selects:
            layer, mask, program = (int(rng.integers(count)) for count in (layers, active_counts, programs))
            sheet.put("select.valid", cycle, 1)
            sheet.put("select.layer", cycle, layer)
            sheet.put("select.mask", cycle, mask)
            sheet.put("select.program", cycle, program)
        elif turn:
            sheet.put("next.advance", cycle, 1)
            layer = (layer + 1) % layers
        # An advance to the only layer fetches nothing.
        fetched = turn > 0 and unit.fetch_latency > 0 and (selects or layers > 1)
        looks.append((cycle, (layer, mask, program), fetched))
        cycle += unit.fetch_latency + 5

    def verify(outputs: Table) -> None:
        for begin, want, fetched in looks:
            at = begin + unit.fetch_latency
            assert not fetched or outputs["next.loaded"][at - 1] == 0, "early"
            assert outputs["next.loaded"][at] == 1, "late"
            assert outputs["next.layer"][at] == want[0], "layer"
            for name in descriptor_layout(verdicts=True, counts=active_counts > 1).members:
                content = descriptors[want][name]
                assert outputs[f"next.descriptor.{name}"][at] == content, name

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """Layers, active counts and programs: several of each, alone and together, and a single descriptor."""
    return {
        "_".join(map(str, sizes)): _program_check(rng, *sizes)
        for sizes in ((3, 2, 1), (3, 1, 1), (1, 4, 1), (1, 1, 1), (1, 1, 3), (2, 1, 2))
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
