"""Sizing: what is chosen, what is reported, what is refused."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import pytest

from lstmith.boards.board import Board
from lstmith.boards.catalogue import BOARDS, find_board, find_target
from lstmith.compiler.program_image import check_fit
from lstmith.compiler.sizing.estimate import DELTA_LUTS
from lstmith.compiler.sizing.size import held_bits, limits_for, most_planes, size_engine, weight_words
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.digits import weight_limit
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork


def _network(units: int, inputs: int, *precisions: int, planes: int = 1) -> QuantNetwork:
    layers = []
    for index, precision in enumerate(precisions):
        width = inputs if index == 0 else units
        zeros = np.zeros(4 * units, dtype=np.int64)
        top = 255 if precision < 16 else 32767
        grids = (Grid(7, 0, top, 2), Grid(8, -128, 127)) if precision < 16 else (Grid(0, 0, top), Grid(0, -32768, top))
        split = 1 if precision == 4 else planes
        weights = np.full((4 * units, width + units), weight_limit(precision, split), dtype=np.int64)
        layers.append(QuantLayer(precision, weights, zeros, zeros, zeros, *grids, 12, 1.0, planes=split))
    return QuantNetwork(tuple(layers))


@pytest.mark.parametrize(
    ("board", "lanes", "depth", "precisions"),
    [("ulx3s-85f", 64, 1024, (4, 8)), ("icebreaker", 1, 65_536, (8,)), ("generic", 64, 1024, (4, 8))],
)
def test_silero_at_8_bit(board: str, lanes: int, depth: int, precisions: tuple[int, ...]) -> None:
    """Of weights at their largest, whose sums of 26 bits leave an iCE40 no block memory for a second lane."""
    config, report = size_engine(_network(128, 128, 8), find_target(board))
    assert (config.lanes, config.weight_depth, config.precisions) == (lanes, depth, precisions)
    assert report.weight_words == depth
    assert report.weight_bits == 4 * 128 * 256 * 8


@pytest.mark.parametrize(("board", "lanes", "limit"), [("ulx3s-85f", 128, "units"), ("ulx3s-45f", 64, "flip-flops")])
def test_lanes_without_dsp_blocks(board: str, lanes: int, limit: str) -> None:
    config, report = size_engine(_network(128, 128, 8), find_board(board), mac="digit")
    assert (config.mac, config.lanes, config.operand_width) == ("digit", lanes, 11)
    assert limit in report.limited_by
    assert report.dsps is not None
    assert report.dsps < lanes
    # No network without the room for its operands.
    assert size_engine(_network(20, 7, 16), find_board(board), mac="digit")[0].operand_width == 17


def test_icebreaker_is_filled_exactly() -> None:
    config, report = size_engine(_network(128, 128, 8), find_board("icebreaker"))
    assert report.weight_bits == report.memory_bits
    assert (config.rows_per_cycle, config.requant_width, config.c_width, config.family) == (1, 16, 16, "ice40")
    assert report.precisions == {"4": False, "8": True, "16": False}
    with pytest.raises(
        UserError, match=r"^target: icebreaker has 1048576 bits .* needs \d+, \d+ too many; use --target"
    ):
        size_engine(_network(129, 128, 8), find_board("icebreaker"))


def test_planes_take_no_memory() -> None:
    board = find_board("ulx3s-85f")
    for planes in (1, 2):
        network = _network(128, 128, 8, planes=planes)
        config, report = size_engine(network, board)
        assert held_bits(network) == report.weight_bits == 4 * 128 * 256 * 8
        assert (config.lanes, config.weight_depth, report.weight_words) == (64, 1024, 1024)
        assert (config.planes, config.monitor, config.skip, config.active_counts) == (planes, planes == 2, True, 1)
        GoldenModel(network, config)  # the accumulators hold every layer
    # 4-bit digits meet no larger operand.
    assert (config.word_bits, config.operand_width) == ((4,), 11)
    config, _ = size_engine(_network(128, 128, 16, planes=2), board)
    assert (config.lanes, config.planes, config.word_bits, config.operand_width) == (64, 2, (4, 8), 17)


@pytest.mark.parametrize(
    ("board", "delta", "planes"),
    [("ulx3s-85f", True, 2), ("generic", True, 2), ("generic", False, 1), ("icebreaker", True, 1)],
)
def test_planes_that_an_engine_may_have(board: str, delta: bool, planes: int) -> None:
    assert most_planes(find_target(board), delta=delta) == planes


def test_four_bit_weights_serve_both_kinds_of_engine() -> None:
    """Their only digit is a plane; an engine of two still chooses between two lists."""
    network = _network(20, 7, 4)
    for planes, monitor in ((None, False), (2, False), (1, False)):
        config, _ = size_engine(network, None, planes=planes)
        assert (config.planes, config.monitor) == (planes or 2, monitor)
    assert size_engine(network, None, delta=False)[0].planes == 1
    with pytest.raises(ValueError, match=r"^Layer 0 has 8-bit weights of 1 planes, the engine takes 2$"):
        check_fit(_network(20, 7, 8), size_engine(_network(20, 7, 8), None, planes=2)[0])


def test_precisions_of_the_flagship() -> None:
    _, report = size_engine(_network(128, 128, 8, planes=2), find_board("ulx3s-85f"))
    assert report.precisions == {"4": True, "8": True, "16": True}


@pytest.mark.parametrize(("units", "lanes"), [(1, 1), (12, 12), (64, 64), (65, 33), (150, 50)])
def test_generic_lanes_divide_the_units_well(units: int, lanes: int) -> None:
    config, report = size_engine(_network(units, 3, 8), None)
    assert config.lanes == lanes
    assert report.luts is None
    assert report.precisions["8"] is None


def test_stacked_layers_with_peepholes_and_mixed_precisions() -> None:
    network = _network(20, 7, 8, 16, 4)
    config, report = size_engine(network, None, lanes=8)
    assert (config.units, config.inputs, config.layers, config.precisions) == (60, 7, 3, (4, 8, 16))
    assert config.weight_depth == report.weight_words == 3 * (27 * 2 + 40 * 4 + 40 * 1)
    assert config.operand_width == 17
    GoldenModel(network, config)  # the accumulators hold every layer


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
@pytest.mark.parametrize(("units", "inputs"), [(1, 1), (23, 16), (40, 12), (64, 64)])
def test_chosen_engines_fit_their_board(board: Board, units: int, inputs: int) -> None:
    if (board.name, units) == ("tang-nano-9k", 64):
        with pytest.raises(UserError, match=r"^target: tang-nano-9k has \d+ bits for weights .* too many; use "):
            size_engine(_network(units, inputs, 8), board)
        return
    config, report = size_engine(_network(units, inputs, 8), board)
    assert config.lanes * config.weight_depth * 16 <= report.memory_bits
    assert report.luts is not None
    assert report.luts <= board.luts
    assert report.dsps is not None
    assert report.dsps <= board.dsps
    assert report.brams is not None
    assert report.brams <= board.brams
    assert config.weight_depth >= weight_words(_network(units, inputs, 8), config.lanes)
    assert report.limited_by


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_without_delta_an_engine_has_what_the_network_needs(board: Board) -> None:
    network = _network(20, 1, 8)
    plain, larger = size_engine(network, board, lanes=1)
    config, report = size_engine(network, board, lanes=1, delta=False)
    assert plain.delta
    assert (config.delta, config.planes, config.monitor, config.skip) == (False, 1, False, False)
    assert config.precisions == (8,)
    assert report.luts is not None
    assert larger.luts is not None
    assert report.luts <= larger.luts - DELTA_LUTS[board.family]


@pytest.mark.parametrize(("option", "value"), [("planes", 2), ("skip", True)])
def test_options_that_need_delta(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^Engine {option} needs delta: "):
        replace(EngineConfig(lanes=1, precisions=(8,), delta=False), **{option: value})


def test_a_monitor_needs_a_plane_to_defer() -> None:
    with pytest.raises(ValueError, match=r"^Engine monitor needs two planes: "):
        EngineConfig(lanes=1, precisions=(8,), monitor=True)


def test_an_engine_is_read_as_it_was_written() -> None:
    config = EngineConfig(lanes=1, precisions=(4, 8), delta=False)
    assert EngineConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize("field", [field.name for field in fields(EngineConfig)])
def test_an_engine_with_a_parameter_missing_is_refused(field: str) -> None:
    values = asdict(EngineConfig(lanes=1, precisions=(8,)))
    del values[field]
    with pytest.raises(TypeError, match=rf"^Missing engine parameters: {field}$"):
        EngineConfig.from_json(json.dumps(values))


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("rows_per_cycle", 1.0, "Engine rows_per_cycle must be an integer, not 1.0"),
        ("rows_per_cycle", 3, "Engine rows_per_cycle must be 1, 2 or 4, not 3"),
        ("planes", 3, "Engine planes must be between 1 and 2, not 3"),
        ("acc_width", 17.5, "Engine acc_width must be an integer, not 17.5"),
        ("monitor", 16777215, "Engine monitor must be true or false, not 16777215"),
        ("lanes", True, "Engine lanes must be an integer, not True"),
        ("lanes", 10**9, "Engine lanes must be an integer in 1..4096, not 1000000000"),
        ("layers", 10**7, "Engine layers must be an integer in 1..256, not 10000000"),
        ("family", "nonsense", "Engine family must be one of generic, "),
        ("family", 3, "Engine family must be a string, not 3"),
        ("precisions", [8.0], "Engine precisions must be a list of integers, not [8.0]"),
        ("precisions", 8, "Engine precisions must be a list of integers, not 8"),
        ("c_width", None, "Engine c_width must be an integer, not None"),
    ],
)
def test_an_engine_of_wrong_types_is_refused(field: str, value: object, problem: str) -> None:
    values = asdict(EngineConfig(lanes=1, precisions=(8,)))
    with pytest.raises((TypeError, ValueError), match=re.escape(problem)):
        EngineConfig.from_json(json.dumps(values | {field: value}))


@pytest.mark.parametrize("text", ["3", "[]", "null"])
def test_an_engine_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(TypeError, match=r"^Engine parameters must be an object"):
        EngineConfig.from_json(text)


def test_wanted_lanes_and_precisions() -> None:
    config, report = size_engine(_network(32, 8, 8), find_board("ulx3s-85f"), lanes=5, precisions=(8,))
    assert (config.lanes, config.precisions, report.limited_by) == (5, (8,), "the --lanes option")


def test_refusals() -> None:
    flagship, small = find_board("ulx3s-85f"), find_board("icebreaker")
    with pytest.raises(UserError, match=r"^lanes: is 0; use a positive number$"):
        size_engine(_network(8, 8, 8), flagship, lanes=0)
    with pytest.raises(UserError, match=r"^lanes: is 200, above the 75 that ulx3s-85f has room for \(DSP blocks\)"):
        size_engine(_network(128, 128, 8), flagship, lanes=200)
    with pytest.raises(UserError, match=r"^precision: 16 bit is not supported on icebreaker; use 8 bit, or a board"):
        size_engine(_network(8, 8, 16), small)
    for mac in ("dsp", "digit"):
        with pytest.raises(UserError, match=r"too many; use --precision 8 or --target ulx3s-85f$"):
            size_engine(_network(128, 128, 16), find_board("ulx3s-45f"), mac=mac)
    with pytest.raises(UserError, match=r"too many; use a smaller network; no supported board holds this one$"):
        size_engine(_network(1024, 512, 8), flagship)


def test_boards() -> None:
    with pytest.raises(UserError, match=r"^board: 'de10' is unknown; use one of ulx3s-85f, .*tang-nano-9k$"):
        find_board("de10")
    with pytest.raises(
        UserError, match=r"^target: 'de10' is unknown; use one of ulx3s-85f, .*tang-nano-9k or generic$"
    ):
        find_target("de10")
    assert find_target("generic") is None
    for board in BOARDS:
        module, name = board.platform.split(":")
        platform = getattr(importlib.import_module(module), name)
        if board.family == "gowin":
            assert platform.part == f"{board.device}{board.package}{board.speed}"
        else:
            assert (platform.device, platform.package) == (board.device, board.package)


def test_limits_follow_the_family() -> None:
    assert limits_for(find_board("icebreaker")).requant_width == 16
    assert limits_for(find_board("ulx3s-85f")) == limits_for(None)
    assert limits_for(None, 2) == replace(limits_for(None), planes=2)
