"""Which kind of multiplier, how many lanes and how many rows per cycle the compiler takes for a board."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lstmith.boards.catalogue import find_board
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.sizing.choose import KINDS, choose_engine, cycles_per_step, some_steps
from lstmith.compiler.sizing.drain import LOW_THETA, MAY_COST, THETA, for_drain
from lstmith.compiler.sizing.size import size_engine
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork


def _network(units: int, inputs: int, rng: np.random.Generator) -> QuantNetwork:
    rows = 4 * units
    weights = rng.integers(-7, 8, (2, rows, units + inputs))
    weights = (weights[0] << 4) + weights[1]
    scale = np.full(rows, 1 << 14), np.full(rows, 16), rng.integers(-9000, 9000, rows)
    return QuantNetwork((QuantLayer(8, weights, *scale, Grid(7, 0, 255, 2), Grid(8, -128, 127), 12, 1.0, planes=2),))


def _calibration(inputs: int, rng: np.random.Generator) -> Calibration:
    x = rng.normal(0, 8000, (3, 30, inputs))
    x[1, 20:] = np.nan
    return Calibration(x, np.array([30, 20, 30]))


def test_more_lanes_than_dsp_blocks_allow(rng: np.random.Generator) -> None:
    board = find_board("ulx3s-85f")
    config, report = choose_engine(_network(128, 32, rng), board, _calibration(32, rng))
    assert (config.mac, config.lanes, report.limited_by) == ("digit", 128, "the number of units")
    assert config.planes == 2
    compared = {(found["mac"], found["lanes"]): found for found in report.candidates}
    assert {mac for mac, _ in compared} == set(KINDS)
    best = compared["digit", 128]
    assert best["ns_per_step"] == min(found["ns_per_step"] for found in report.candidates)
    assert best["ns_per_step"] == pytest.approx(best["cycles_per_step"] * 1000 / board.clock_mhz, abs=1)
    # As many lanes of either kind take the same cycles.
    assert compared["dsp", 64]["cycles_per_step"] == compared["digit", 64]["cycles_per_step"]
    assert compared["dsp", 64]["luts"] < compared["digit", 64]["luts"]
    assert compared["dsp", 64]["dsps"] - 2 * 64 == compared["digit", 64]["dsps"] == best["dsps"]


def test_equal_kinds_take_the_smaller(rng: np.random.Generator) -> None:
    board, calibration = find_board("ulx3s-85f"), _calibration(7, rng)
    network = _network(24, 7, rng)
    config, report = choose_engine(network, board, calibration, lanes=5)
    assert (config.mac, config.lanes, report.limited_by) == ("dsp", 5, "the --lanes option")
    assert [found["mac"] for found in report.candidates] == ["dsp", "digit"]
    assert choose_engine(network, board, calibration)[0].mac == "dsp"
    assert choose_engine(network, board, calibration, lanes=20)[0].lanes == 20


def test_boards_with_one_kind(rng: np.random.Generator) -> None:
    small = find_board("icebreaker")
    config, report = choose_engine(_network(20, 7, rng), small, _calibration(7, rng))
    assert (config.mac, {found["mac"] for found in report.candidates}) == ("dsp", {"dsp"})
    with pytest.raises(UserError, match=r"^target: icebreaker has .* bits for weights"):
        choose_engine(_network(200, 128, rng), small, _calibration(128, rng))
    with pytest.raises(UserError, match=r"^lanes: is 100, above the \d+ that ulx3s-45f has room for \(DSP blocks\)"):
        choose_engine(_network(99, 7, rng), find_board("ulx3s-45f"), _calibration(7, rng), lanes=100)


def test_a_unit_per_cycle_where_many_lanes_drain_long(rng: np.random.Generator) -> None:
    board, calibration, network = find_board("ulx3s-85f"), _calibration(4, rng), _network(32, 4, rng)
    config, report = size_engine(network, board, lanes=32)
    quick, dearer = for_drain(network, config, report, board, calibration)
    assert quick == replace(config, rows_per_cycle=4)
    assert report.luts is not None
    assert dearer.luts is not None
    assert report.luts < dearer.luts <= board.luts
    assert for_drain(network, config, report, None, calibration)[0] == quick
    kept = {
        "few lanes": (network, replace(config, lanes=16), board),
        "a stack": (network, replace(config, layers=2), board),
        "one plane": (network, replace(config, planes=1, monitor=False), board),
        "two sequences": (network, replace(config, sequences=2, monitor=False, skip=False), board),
        "no room": (network, config, replace(board, luts=report.luts)),
        "lists longer than a drain": (
            _network(128, 128, rng),
            replace(config, units=128, inputs=128, acc_width=32),
            board,
        ),
    }
    for name, (others, engine, where) in kept.items():
        data = _calibration(others.inputs, rng)
        assert for_drain(others, engine, report, where, data) == (engine, report), name


@pytest.mark.parametrize(
    ("units", "lanes", "delta", "rows"), [(20, 1, False, 1), (20, 4, False, 2), (20, 4, True, 2), (40, 1, True, 1)]
)
def test_a_row_per_cycle_where_few_lanes_hardly_wait_for_it(
    units: int, lanes: int, delta: bool, rows: int, rng: np.random.Generator
) -> None:
    board, calibration, network = find_board("ulx3s-25f"), _calibration(8, rng), _network(units, 8, rng)
    x = network.quantise_input(some_steps(calibration))
    config, report = size_engine(network, board, lanes=lanes, delta=delta)
    chosen, cost = for_drain(network, config, report, board, calibration)
    policy = Policy(Mode.AUTO, THETA, THETA, LOW_THETA, LOW_THETA) if delta else Policy(Mode.DENSE)
    slow, now = (cycles_per_step(network, replace(config, rows_per_cycle=each), [policy], x) for each in (1, 2))
    assert (slow <= (1 + MAY_COST) * now) == (rows == 1)
    assert chosen == replace(config, rows_per_cycle=rows)
    assert cost.luts is not None
    assert report.luts is not None
    assert cost.luts < report.luts if rows == 1 else cost == report
    assert for_drain(network, config, report, None, calibration)[0] == chosen
