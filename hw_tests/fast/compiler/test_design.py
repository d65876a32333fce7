"""A design of several programs: which is selected, and whose policy its memories hold."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.chains import Chain, compile_chains
from lstmith.compiler.design import Design
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Policy


@pytest.fixture(scope="module")
def design() -> Design:
    rng = np.random.default_rng(1)
    networks = [random_network(rng, units, 3) for units in (4, 5)]
    chains = [
        Chain(name, network, np.asarray(random_calibration(rng, network).x, np.float32))
        for name, network in zip(("one", "two"), networks, strict=True)
    ]
    return compile_chains(chains, precision=8)


@pytest.mark.parametrize("program", [2, -1, "three", None, 1.5])
def test_a_program_that_is_none_of_the_designs_is_refused(design: Design, program: int) -> None:
    with pytest.raises(UserError, match="is none of the design's; use one of 0 one, 1 two"):
        design.select(program)


@pytest.mark.parametrize("program", [0, 1])
def test_a_policy_is_that_of_the_selected_program(design: Design, program: int) -> None:
    """The other one keeps its own: each policy changes one layer descriptor."""
    policies = [Policy(Mode.DENSE)]
    plain = design.image().descriptors
    with_policy = [design.select(number).image(policies).descriptors for number in range(2)]
    changed = [{place for place, record in each.items() if record != plain[place]} for each in with_policy]
    assert changed[program]
    assert not changed[0] & changed[1]
    assert design.select(program).program == program


def test_chains_are_taken_one_at_a_time(design: Design) -> None:
    assert design.engine.sequences == 1
