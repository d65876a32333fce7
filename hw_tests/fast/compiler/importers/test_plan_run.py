"""Graphs with dense layers on the core give in float64 what onnxruntime gives; other branches are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.importers.importer import read_model
from lstmith.compiler.importers.plan_run import PlanRun
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.architectures import ARCHITECTURES
from lstmith.test_support.graphs.exporters import MODELS, Writer
from lstmith.test_support.graphs.heads import HEADS
from lstmith.test_support.graphs.nodes import branch, const, lstm, save, weights
from lstmith.test_support.graphs.reported import REPORTED, flat_states

WIDTH, UNITS = 2, 3
#: What float64 and onnxruntime's float32 may differ by.
CLOSE = 1e-5
#: Graphs of reports and architectures in which `--head` finds something, and those that are made of heads.
WITH_HEAD = [*HEADS, *(writer for writer, head in (REPORTED | ARCHITECTURES).items() if head)]
ALL = [(writer, True) for writer in WITH_HEAD]
ALL += [(writer, False) for writer in (*MODELS.values(), *HEADS, *REPORTED, *ARCHITECTURES)]
#: Graphs that onnxruntime refuses, so that there is nothing to compare with.
REFUSED = (flat_states,)


@pytest.mark.parametrize(
    ("writer", "head"),
    [one for one in ALL if one[0] not in REFUSED],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_plan_gives_what_onnxruntime_gives(
    writer: Writer, head: bool, tmp_path: Path, rng: np.random.Generator
) -> None:
    values = writer(tmp_path / "m.onnx", rng)
    model = read_model(tmp_path / "m.onnx", head=head)
    assert model.plan is not None
    assert head <= any(stage.dense for stage in model.plan.stages)
    run, feeds = PlanRun(model.plan, model.networks), Feeds([values, values])
    got, want = run.run(feeds), run.reference(feeds)
    assert want is not None
    for call, reference in zip(got, want, strict=True):
        assert call.keys() == reference.keys()
        for output, value in reference.items():
            assert (call[output].dtype, call[output].shape) == (value.dtype, value.shape)
            np.testing.assert_allclose(call[output], value, atol=CLOSE, rtol=0)


def test_inputs_that_take_the_other_branch_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    """The layers stand in one branch of an If; values that choose the other one would go past them."""
    node, constants = lstm(weights(rng, WIDTH, UNITS))
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Greater", ["largest", "zero"], ["loud"]),
        helper.make_node(
            "If", ["loud"], ["y"],
            then_branch=branch("loud", [node], ["lstm_y"]),
            else_branch=branch("quiet", [helper.make_node("Unsqueeze", ["x", "axis"], ["same"])], ["same"]),
        ),
    ]  # fmt: skip
    constants += [const("zero", 0.0, np.float32), const("axis", [1])]
    save(tmp_path / "m.onnx", nodes, constants, {"x": ["T", "N", WIDTH]}, ["y"])
    model = read_model(tmp_path / "m.onnx")
    assert model.plan is not None
    run, x = PlanRun(model.plan, model.networks), np.abs(rng.standard_normal((4, 1, WIDTH))).astype(np.float32)
    feeds = Feeds([{"x": x}])
    want = run.reference(feeds)
    assert want is not None
    np.testing.assert_allclose(run.run(feeds)[0]["y"], want[0]["y"], atol=CLOSE, rtol=0)
    with pytest.raises(UserError, match="past the compiled layers"):
        run.run(Feeds([{"x": -x}]))


@pytest.mark.parametrize("shape", [(3, 1, WIDTH), (1, 1, WIDTH), ("T", 1, WIDTH)])
def test_a_rectified_head_of_fixed_sizes(
    shape: tuple[int | str, ...], tmp_path: Path, rng: np.random.Generator
) -> None:
    """A graph whose sizes are fixed is tried on these alone."""
    node, constants = lstm(weights(rng, WIDTH, UNITS))
    rows = shape[0] if isinstance(shape[0], int) else -1
    nodes = [
        node,
        helper.make_node("Reshape", ["lstm_y", "sizes"], ["flat"]),
        helper.make_node("Relu", ["flat"], ["positive"]),
        helper.make_node("MatMul", ["positive", "w"], ["y"]),
    ]
    constants += [const("sizes", [rows, UNITS]), const("w", rng.normal(size=(UNITS, 2)), np.float32)]
    model = read_model(save(tmp_path / "m.onnx", nodes, constants, {"x": shape}, ["y"]), head=True)
    assert model.plan is not None
    assert [layer.rectified for layer in model.network.layers] == [False, True]
    sizes = [size if isinstance(size, int) else 4 for size in shape]
    run, feeds = PlanRun(model.plan, model.networks), Feeds([{"x": rng.standard_normal(sizes).astype(np.float32)}])
    want = run.reference(feeds)
    assert want is not None
    np.testing.assert_allclose(run.run(feeds)[0]["y"], want[0]["y"], atol=CLOSE, rtol=0)
