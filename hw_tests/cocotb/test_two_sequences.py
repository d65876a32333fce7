"""Two sequences in turn: each as if it were alone, in exactly the predicted cycles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import core_files
from hw_tests.cocotb.random_networks import for_two, preset_engine, random_engine
from hw_tests.cocotb.random_runs import random_pairs
from hw_tests.cocotb.vectors import SIMULATORS
from hw_tests.presets import claiming
from lstmith.host.simulate import Simulation
from lstmith.spec.presets import Tier, preset

#: Presets for two sequences, on both simulators.
PRESETS = [each.name for each in claiming(Tier.RANDOM) if each.engine.sequences > 1]
#: Random engines.
ENGINES = 11
#: Engines for all kinds of layers.
MIXED = range(0, ENGINES, 2)
#: Engines whose networks read symbols, all or some of them.
SYMBOLS = range(0, ENGINES, 3)


@pytest.mark.drawn(2)
@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("engine", [*PRESETS, *range(ENGINES)])
def test_each_as_if_alone(engine: int | str, simulator: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, *str(engine).encode(), 2])
    if isinstance(engine, str):
        config, networks = preset_engine(rng, preset(engine).engine)
    else:
        config, networks = random_engine(rng, most=24, mixed=engine in MIXED, symbols=engine in SYMBOLS)
    fitting = [for_two(config, network) for network in networks]
    config = fitting[0][0]
    pairs = [pair for _, network in fitting for pair in random_pairs(rng, network, config)]
    core_traces = Simulation(core_files(config, tmp_path), simulator, tmp_path / "simulation").run(
        [pair.job for pair in pairs]
    )
    found = [line for pair, core_trace in zip(pairs, core_traces, strict=True) for line in pair.differences(core_trace)]
    assert not found, "\n".join([str(config), *found])
