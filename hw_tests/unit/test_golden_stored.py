"""What an engine's memories hold is the network and the policies that were written."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.cocotb.random_networks import random_active_indices, random_hints, random_input
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.unit.link_cases import fitting_engine
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.test_support.stored import Memories

ENGINES = 24


@pytest.mark.parametrize("engine", range(ENGINES))
def test_memories_compute_what_was_written(engine: int, rng: np.random.Generator) -> None:
    config, networks = fitting_engine(rng)
    # The memories keep what an earlier network left.
    memories = Memories(config)
    for network in networks:
        policies = random_policies(rng, network, config)
        for address, value in build_memory_image(network, config, policies).bus_writes(config):
            memories.write(address, value)
        x = random_input(rng, 5, network.inputs)[None]
        hints, active_indices = random_hints(rng, 5)[None], random_active_indices(rng, network, 5, policies)[None]
        hints = hints & policies[0].skip.hints
        want = GoldenModel(network, config).run(x, policies, hints=hints, active_indices=active_indices)
        stored = memories.network()
        have = GoldenModel(stored, config).run(
            x, memories.policies(len(stored.layers)), hints=hints, active_indices=active_indices
        )
        assert len(have) == len(want)
        for index, (one, two) in enumerate(zip(have, want, strict=True)):
            active = np.array([network.layers[index].units, *network.layers[index].counts])[two.active_index]
            computed = np.arange(one.h.shape[2]) < active[..., None]
            assert np.array_equal(one.h * computed, two.h * computed)
            for name in ("c", "x_planes", "h_planes", "restart", "skipped", "active_index", "renewal"):
                assert np.array_equal(getattr(one, name), getattr(two, name)), name


def test_empty_memories_hold_no_network(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match="The program is empty"):
        Memories(fitting_engine(rng)[0]).network()
