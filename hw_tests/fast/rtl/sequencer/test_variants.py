"""Variants: an entry's weights begin where its fold's precision has them, the lower variant's beside them."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw_tests.checks import Check, Table, assert_equal, run_here
from lstmith.rtl.layouts import descriptor_layout, fetch_layout
from lstmith.rtl.sequencer.variants import choose_variants
from lstmith.spec.config import PRECISIONS, EngineConfig


class Variants(wiring.Component):
    """``choose_variants`` between ports."""

    def __init__(self, config: EngineConfig):
        self._config = config
        members = {"place": In(10), "level": In(2), "lowered": In(1), "descriptor": In(descriptor_layout())}
        super().__init__(members | {"fetch": Out(fetch_layout(config))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += Signal(name="clocked").eq(1)
        fetch = data.View(fetch_layout(self._config), Signal(fetch_layout(self._config).size))
        choose_variants(m, self._config, fetch, self.descriptor, self.place, self.level, self.lowered)
        m.d.comb += self.fetch.eq(fetch)
        return m


@pytest.mark.parametrize("monitor", [False, True])
def test_places_and_shifts(monitor: bool, rng: np.random.Generator) -> None:
    config = EngineConfig(
        lanes=1, precisions=PRECISIONS, mixed=True, monitor=monitor, weight_depth=4096, units=8, inputs=8
    )
    cycles = 500
    precision = rng.integers(0, 3, cycles)
    level = rng.integers(0, precision + 1)
    low = rng.integers(0, precision + 1)
    place = rng.integers(0, 500, cycles)
    bases = np.array([rng.integers(0, 1000, cycles) for _ in PRECISIONS])
    table = {"place": place, "level": level, "lowered": level < precision}
    table |= {"descriptor.precision": precision, "descriptor.low": low}
    table |= {f"descriptor.base_{bits}": bases[code] for code, bits in enumerate(PRECISIONS)}
    column = np.arange(cycles)
    bits = np.array(PRECISIONS)

    def verify(outputs: Table) -> None:
        wanted = {
            "base": bases[level, column] + (place << level),
            "low_base": bases[low, column] + (place << low),
            "precision": level,
            "low": low,
            "lowered": level < precision,
            "shift": (bits[precision] - bits[level]) // 4 if monitor else np.zeros(cycles),
        }
        for name, want in wanted.items():
            assert_equal(name, outputs[f"fetch.{name}"][:cycles], want)

    run_here({"variants": Check(Variants(config), table, verify)})
