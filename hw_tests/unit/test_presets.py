"""Presets: what they claim is what the tests run, and they fit the boards that they name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hw_tests.cocotb import test_random_networks, test_two_sequences, test_written_text
from hw_tests.netlist import test_netlist
from lstmith.boards.catalogue import find_board
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.sizing.drain import for_drain
from lstmith.compiler.sizing.size import for_sequences, size_engine
from lstmith.scripts.bench import presets as bench
from lstmith.scripts.bench.blank import blank_network
from lstmith.spec.errors import UserError
from lstmith.spec.presets import PRESETS, Preset, Tier, preset
from lstmith.spec.quantised import QuantNetwork

NAMES = {each.name for each in PRESETS}
#: The tests of each tier, and the simulators on which each of its presets must run.
TESTS: dict[Tier, tuple[list[Callable[..., None]], set[str]]] = {
    Tier.RANDOM: (
        [test_random_networks.test_core_equals_golden, test_two_sequences.test_each_as_if_alone],
        {"icarus", "verilator"},
    ),
    Tier.TEXT: ([test_written_text.test_equals_golden], {"icarus-2012"}),
    Tier.NETLIST: ([test_netlist.test_equals_golden], set()),
}


def run_by(test: Callable[..., None]) -> set[tuple[str, str]]:
    """Preset and simulator of all cases that `make test` draws from; the simulator is empty if there is none."""
    found: set[tuple[str, str]] = set()
    lists = [mark.args[1] for mark in vars(test)["pytestmark"] if mark.name == "parametrize"]
    for case in itertools.product(*lists):
        # What is marked is at night alone, for example because it is slow.
        if any(hasattr(entry, "marks") for entry in case):
            continue
        values: list[Any] = [value for entry in case for value in (entry if isinstance(entry, tuple) else (entry,))]
        # One simulator, or several as a tuple.
        others = [value for value in values if value not in NAMES]
        simulators = [one for other in others for one in (other if isinstance(other, tuple) else (other,))] or [""]
        found |= {(value, simulator) for value in values if value in NAMES for simulator in simulators}
    return found


@pytest.mark.parametrize("tier", TESTS)
def test_claims_are_what_the_tests_run(tier: Tier) -> None:
    tests, simulators = TESTS[tier]
    run = set().union(*(run_by(test) for test in tests))
    assert {name for name, _ in run} == {each.name for each in PRESETS if tier in each.tiers}
    for name in {name for name, _ in run}:
        assert simulators <= {simulator for found, simulator in run if found == name}, name


def test_placed_presets_are_those_with_a_bitstream() -> None:
    placed = {name for name, row in bench.load_rows().items() if bench.met(row)}
    assert placed == {each.name for each in PRESETS if Tier.PLACED in each.tiers}


def test_every_tier_has_its_proof() -> None:
    """The board is the only tier without one, so nothing claims it."""
    assert set(Tier) == {*TESTS, Tier.PLACED, Tier.HARDWARE}
    assert not [each.name for each in PRESETS if Tier.HARDWARE in each.tiers]


@pytest.mark.parametrize("chosen", PRESETS, ids=lambda chosen: chosen.name)
def test_the_compiler_would_size_it_so(chosen: Preset) -> None:
    """For a network of the shape that it serves; widths of sums and operands depend on weights."""
    engine = chosen.engine
    board = None if chosen.board is None else find_board(chosen.board)
    units, inputs = chosen.serves
    (blank,) = blank_network([(units, inputs)], max(engine.precisions)).layers
    network = QuantNetwork((replace(blank, planes=engine.planes),))
    sized, report = size_engine(network, board, lanes=engine.lanes, mac=engine.mac, delta=engine.delta)
    sized, _ = for_sequences(network, sized, report, board, engine.sequences)
    if engine.few_lanes:
        # Others drain as their data's changes say.
        sized, _ = for_drain(network, sized, report, board, Calibration(np.zeros((1, 8, inputs)), np.array([8])))
    widths = ("acc_width", "operand_width")
    assert all(getattr(sized, name) <= getattr(engine, name) for name in widths)
    # Options of the network rather than of its shape, and what a board without limits does not tell.
    given = ("peepholes", "active_counts", *(("family", "weight_depth") if board is None else ()))
    assert replace(sized, **{name: getattr(engine, name) for name in (*widths, *given)}) == engine
    if board is None:
        assert sized.weight_depth <= engine.weight_depth


def test_small_engines_keep_every_option() -> None:
    for each in PRESETS:
        assert replace(each, engine=each.small()).options == each.options


def test_an_unknown_name_lists_the_names() -> None:
    with pytest.raises(UserError, match=re.escape("'huge' is unknown; use one of tiny, ice40, gowin, adaptive")):
        preset("huge")
    assert preset("tiny").name == "tiny"
