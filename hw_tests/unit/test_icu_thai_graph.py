"""ICU's word breaker as one graph: both directions and head in one engine, every line broken as ICU breaks it."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from hw_tests.unit.workload_cases import loaded
from lstmith.boards.catalogue import find_board
from lstmith.compiler import compile_model
from lstmith.compiler.design import Design
from lstmith.host.board_sim import VirtualBoard
from lstmith.workloads import icu_thai
from lstmith.workloads.icu_thai_graph import CLASSES, icu_breaks, icu_graph, icu_inputs

Call = dict[str, np.ndarray]


def one_call(texts: list[str]) -> Call:
    return {name: value[None] for name, value in icu_inputs(texts).items()}


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Design:
    loaded("icu_thai")
    path = tmp_path_factory.mktemp("icu") / "icu.onnx"
    onnx.save(icu_graph(), path)
    calls = one_call(icu_thai.calibration_lines())
    return compile_model(path, calls, precision=16, target="ulx3s-25f", lanes=4, head=True)


def test_every_line_is_broken_as_icu_breaks_it(design: Design) -> None:
    texts = icu_thai.lines("heldout")
    result = design.run(one_call(texts), "golden")
    assert icu_breaks(texts, result.arrays[CLASSES][0]) == icu_thai.expected_breaks()
    assert result.figures["outputs"][CLASSES]["differing"] == 0
    assert design.graph is not None
    assert {item.node: item.why for item in design.graph.placement}["argmax"] == "the verdict of program 2"


@pytest.mark.slow
def test_both_directions_and_the_head_run_on_one_board(design: Design) -> None:
    """The virtual board: three programs through the link; each line backwards for the second, and then the head."""
    assert [program.units for program in design.programs] == [23, 23, 4]
    stated = dict(zip(icu_thai.lines("heldout"), icu_thai.expected_breaks(), strict=True))
    shortest = sorted(stated, key=len)[2:5]
    with VirtualBoard(design, find_board("ulx3s-25f")) as board:
        result = design.run(one_call(shortest), "board", port=board.port)
    assert (result.figures["mismatches"], result.figures["cycle_mismatches"]) == (0, 0)
    assert icu_breaks(shortest, result.arrays[CLASSES][0]) == [stated[line] for line in shortest]
