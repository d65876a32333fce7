"""Where nodes run, in words: before, between and behind the layers, each direction, and what is folded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import helper

from lstmith.compiler.importers.importer import read_model
from lstmith.test_support.graphs.nodes import const, lstm, save, weights

WIDTH, UNITS = 2, 3


def test_each_node_is_placed_in_words(tmp_path: Path, rng: np.random.Generator) -> None:
    first, constants = lstm(weights(rng, WIDTH, UNITS), x="scaled", name="first", direction="reverse")
    second, more = lstm(weights(rng, UNITS, UNITS), x="between", name="second")
    nodes = [
        helper.make_node("Mul", ["one", "one"], ["two"], name="constant"),
        helper.make_node("Mul", ["x", "two"], ["scaled"], name="before"),
        first,
        helper.make_node("Squeeze", ["first_y", "axis"], ["flat"], name="move"),
        helper.make_node("Exp", ["flat"], ["between"], name="between"),
        second,
        helper.make_node("Relu", ["second_yh"], ["y"], name="behind"),
    ]
    constants += [*more, const("one", [1.0], np.float32), const("axis", [1])]
    save(tmp_path / "m.onnx", nodes, constants, {"x": ["T", "N", WIDTH]}, ["y"])
    plan = read_model(tmp_path / "m.onnx").plan
    assert plan is not None
    assert {each.node: (each.where, each.why) for each in plan.placement} == {
        "constant": ("folded", "its value is constant"),
        "before": ("host", "it comes before every recurrent layer"),
        "first": ("core", "layer 0 of program 0, in reverse"),
        "move": ("host", "it comes between 'first' and 'second'"),
        "between": ("host", "it comes between 'first' and 'second'"),
        "second": ("core", "layer 0 of program 1"),
        "behind": ("host", "it comes behind 'second'"),
    }
