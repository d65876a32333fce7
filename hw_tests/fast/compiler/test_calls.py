"""Data by the names of a graph's inputs: shapes of calls, scalars, and sequences where a call is one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from lstmith.compiler.calls import read_calls, reads_by_name
from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.importers.importer import Model, read_model
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.nodes import const, lstm, save, weights

WIDTH, UNITS, STEPS = 2, 3, 5


def _scaled(path: Path, rng: np.random.Generator) -> Model:
    """An input with a scalar and a vector beside it."""
    node, constants = lstm(weights(rng, WIDTH, UNITS), x="scaled")
    nodes = [
        helper.make_node("Mul", ["signal", "gain"], ["louder"]),
        helper.make_node("Add", ["louder", "offset"], ["scaled"]),
        node,
    ]
    inputs: dict[str, list[Any]] = {"signal": ["T", 1, WIDTH], "gain": [], "offset": [WIDTH]}
    save(path / "m.onnx", nodes, constants, inputs, ["lstm_y"])
    return read_model(path / "m.onnx")


def _arrays(**changed: np.ndarray) -> dict[str, np.ndarray]:
    given = {"signal": np.zeros((4, STEPS, 1, WIDTH)), "gain": np.ones(4), "offset": np.zeros((4, WIDTH))}
    return {**given, **changed}


@pytest.mark.parametrize("gain", [np.ones(4), np.float64(1.0)])
def test_a_scalar_is_of_each_call_or_of_all(gain: np.ndarray, tmp_path: Path, rng: np.random.Generator) -> None:
    model = _scaled(tmp_path, rng)
    found = read_calls(_arrays(gain=gain), model.plan, model.networks, name="input")
    assert isinstance(found, Feeds)
    assert [each["gain"].shape for each in found.values] == [()] * 4
    assert [each["signal"].shape for each in found.values] == [(STEPS, 1, WIDTH)] * 4


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("gain", np.ones((4, 1)), "[calls]"),
        ("offset", np.float64(0.0), "[calls, 2]"),
        ("offset", np.zeros((4, WIDTH + 1)), "[calls, 2]"),
        ("signal", np.zeros((4, STEPS, 2, WIDTH)), "[calls, T, 1, 2]"),
    ],
)
def test_another_shape_than_the_graphs_is_refused(
    field: str, value: np.ndarray, wanted: str, tmp_path: Path, rng: np.random.Generator
) -> None:
    model = _scaled(tmp_path, rng)
    with pytest.raises(UserError) as refused:
        read_calls(_arrays(**{field: value}), model.plan, model.networks, name="input")
    assert str(refused.value) == f"input field {field}: has shape {list(value.shape)}; give {wanted}"


def test_sequences_are_steps_side_by_side_where_a_call_is_one_step(tmp_path: Path, rng: np.random.Generator) -> None:
    forward, constants = lstm(weights(rng, WIDTH, UNITS), x="signal", name="first")
    second, more = lstm(weights(rng, UNITS, UNITS), x="between", name="second")
    nodes = [
        forward,
        helper.make_node("Squeeze", ["first_y", "axis"], ["flat"]),
        helper.make_node("Exp", ["flat"], ["between"]),
        second,
    ]
    constants += [*more, helper.make_tensor("axis", 7, [1], [1])]
    save(tmp_path / "m.onnx", nodes, constants, {"signal": [1, "N", WIDTH]}, ["second_y"])
    model = read_model(tmp_path / "m.onnx")
    x = rng.standard_normal((3, STEPS, WIDTH)).astype(np.float32)
    found = read_calls({"x": x}, model.plan, model.networks, name="input")
    assert isinstance(found, Feeds)
    assert found.stateful
    steps = np.stack([each["signal"] for each in found.values])
    assert steps.shape == (STEPS, 1, 3, WIDTH)
    assert np.array_equal(steps[:, 0].swapaxes(0, 1), x)


@pytest.mark.parametrize(
    ("flat", "shape", "by_name"),
    [
        (False, (4, STEPS, 1, WIDTH), True),
        (False, (4, STEPS, WIDTH), False),
        (False, (STEPS, WIDTH), False),
        (True, (4, STEPS, WIDTH), True),
        (True, (STEPS, WIDTH), False),
    ],
)
def test_x_of_the_graph_is_told_from_x_of_the_layer(
    flat: bool, shape: tuple[int, ...], by_name: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    """A graph may call an input x, of one sequence without an axis for it; then the shapes tell."""
    node, constants = lstm(weights(rng, WIDTH, UNITS), x="rows")
    move = helper.make_node("Unsqueeze", ["x", "axis"], ["rows"]) if flat else helper.make_node("Relu", ["x"], ["rows"])
    nodes = [move, node, helper.make_node("Mul", ["lstm_y", "gain"], ["y"])]
    inputs: dict[str, list[Any]] = {"x": ["T", WIDTH] if flat else ["T", 1, WIDTH], "gain": []}
    model = read_model(save(tmp_path / "m.onnx", nodes, [*constants, const("axis", [1])], inputs, ["y"]))
    assert model.plan is not None
    arrays = {"x": np.zeros(shape, np.float32), "gain": np.ones(4, np.float32)}
    assert reads_by_name(arrays, model.plan, model.network) == by_name
