"""What a graph makes of a head's values, as a verdict of the core: whole graphs against onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper

from lstmith.compiler.design import Design
from lstmith.compiler.importers.importer import Model, read_model
from lstmith.compiler.inspection import inspect_model
from lstmith.compiler.pipeline import compile_model
from lstmith.spec.codes import Verdict
from lstmith.test_support.graphs.calls import calls_of
from lstmith.test_support.graphs.exporters import STEPS, UNITS, WIDTH, Feeds, Rng, matrix, normal
from lstmith.test_support.graphs.nodes import const, lstm, save, weights

CLASSES = 5
COMPARISONS = ("Greater", "GreaterOrEqual", "Less", "LessOrEqual")


def graph(path: Path, rng: Rng, nodes: list[NodeProto], outputs: list[str], classes: int = CLASSES) -> Feeds:
    """An LSTM and a Gemm of every step's h, ``scores`` [T * N, K], and what follows."""
    node, constants = lstm(weights(rng, WIDTH, UNITS), x="x", name="lstm")
    before = [
        node,
        helper.make_node("Reshape", ["lstm_y", "flat"], ["rows"]),
        helper.make_node("Gemm", ["rows", "w", "b"], ["scores"], name="head"),
    ]
    constants = [
        *constants, const("flat", [-1, UNITS]), matrix(rng, "w", UNITS, classes),
        const("b", normal(rng, classes) / 20, np.float32), const("steps", [-1, 2, classes]), const("last", -1),
        const("limit", 0.05, np.float32), const("limits", np.linspace(0, 1, classes), np.float32),
    ]  # fmt: skip
    save(path, [*before, *nodes], constants, {"x": [STEPS, 2, WIDTH]}, outputs)
    model = onnx.load(path)
    types = {node.output[0]: TensorProto.BOOL for node in nodes if node.op_type in COMPARISONS}
    types |= {node.output[0]: TensorProto.INT64 for node in nodes if node.op_type == "ArgMax"}
    for value in model.graph.output:
        value.type.tensor_type.elem_type = types.get(value.name, TensorProto.FLOAT)
    onnx.save(model, path)
    return {"x": normal(rng, STEPS, 2, WIDTH)}


def pick(source: str, **attributes: Any) -> NodeProto:
    return helper.make_node("ArgMax", [source], ["picked"], name="pick", **attributes)


def above(limit: str = "limit", source: str = "scores", op: str = "Greater") -> NodeProto:
    return helper.make_node(op, [source, limit], ["picked"], name="pick")


MOVED = [
    helper.make_node("Reshape", ["scores", "steps"], ["by_step"]),
    helper.make_node("Gather", ["by_step", "last"], ["final"], name="last_step"),
]
SOFT = helper.make_node("Softmax", ["scores"], ["p"], name="soft", axis=-1)
FOUND = {
    "of every step": [pick("scores", axis=1)],
    "without its axis": [pick("scores", axis=-1, keepdims=0)],
    "of the last step": [*MOVED, pick("final", axis=1, keepdims=0)],
    "behind a softmax": [SOFT, pick("p", axis=-1)],
    "above a threshold": [above()],
    **{f"{op} than a threshold": [above(op=op)] for op in COMPARISONS[1:]},
    **{f"a threshold {op} than it": [above(limit="scores", source="limit", op=op)] for op in COMPARISONS},
    "of the last step, above a threshold": [*MOVED, above(source="final")],
}
#: What the core does not do, and why.
HOST = {
    "over steps": ([pick("scores", axis=0)], "what it reads is not whole rows"),
    "the last of equal ones": ([pick("scores", axis=1, select_last_index=1)], "it takes the last of equal values"),
    "of two sums": (
        [helper.make_node("Add", ["scores", "scores"], ["twice"]), pick("twice", axis=1)],
        "what it reads is not whole rows",
    ),
    "softmax over steps": (
        [helper.make_node("Softmax", ["scores"], ["p"], axis=0), pick("p", axis=1)],
        "what it reads is not whole rows",
    ),
    "a threshold for each": ([above("limits")], "its threshold is not a single constant"),
}


def verdict_of(model: Model) -> Verdict:
    return model.network.layers[-1].verdict


def placed(model: Model) -> dict[str, tuple[str, str]]:
    assert model.plan is not None
    return {item.node: (item.where, item.why) for item in model.plan.placement}


@pytest.mark.parametrize("name", FOUND)
def test_answers_are_those_of_onnxruntime(tmp_path: Path, rng: Rng, name: str) -> None:
    calls = calls_of(rng, graph(tmp_path / "m.onnx", rng, FOUND[name], ["picked"]))
    model = read_model(tmp_path / "m.onnx", head=True)
    below = ("Less" in name) != name.startswith("a threshold")
    compares = Verdict.AT_MOST if below and "than" in name else Verdict.THRESHOLD
    assert verdict_of(model) is (compares if "threshold" in name else Verdict.ARGMAX)
    assert placed(model)["pick"] == ("core", "the verdict of program 0")
    assert {where for where, _ in placed(model).values()} == {"core", "folded"}
    design = compile_model(tmp_path / "m.onnx", calls, precision=16, target="generic", lanes=4, head=True)
    assert design.engine.verdicts
    design.save(tmp_path / "d")
    result = Design.load(tmp_path / "d").run(calls, "golden")
    assert (result.figures["reference"], result.figures["outputs"]["picked"]["differing"]) == ("onnxruntime", 0)


@pytest.mark.drawn(2)
@pytest.mark.parametrize(
    ("name", "engine", "options"),
    [
        ("of the last step", "icarus", {}),
        ("of the last step", "verilator", {"fixed": True}),
        ("above a threshold", "icarus", {"sequences": 2}),
        ("above a threshold", "verilator", {}),
    ],
)
def test_simulators_tell_it_themselves(
    tmp_path: Path, rng: Rng, name: str, engine: str, options: dict[str, Any]
) -> None:
    calls = calls_of(rng, graph(tmp_path / "m.onnx", rng, FOUND[name], ["picked"]))
    design = compile_model(tmp_path / "m.onnx", calls, target="generic", lanes=4, head=True, **options)
    one = {key: value[:1] for key, value in calls.items()}
    wanted, found = design.run(one, "golden"), design.run(one, engine)
    assert (found.figures["mismatches"], found.figures["cycle_mismatches"]) == (0, 0)
    assert len(np.unique(wanted.arrays["verdict"])) > 1
    for array in ("picked", "verdict", "h_int"):
        np.testing.assert_array_equal(found.arrays[array], wanted.arrays[array], err_msg=array)


@pytest.mark.parametrize("name", HOST)
def test_what_stays_on_the_host_says_why(tmp_path: Path, rng: Rng, name: str) -> None:
    nodes, reason = HOST[name]
    graph(tmp_path / "m.onnx", rng, nodes, ["picked"])
    model = read_model(tmp_path / "m.onnx", head=True)
    assert verdict_of(model) is Verdict.NONE
    where, why = placed(model)["pick"]
    assert where == "host"
    assert why.startswith(f"it comes behind 'head'; {reason}")


def test_more_values_than_bits(tmp_path: Path, rng: Rng) -> None:
    graph(tmp_path / "m.onnx", rng, [above()], ["picked"], classes=17)
    assert placed(read_model(tmp_path / "m.onnx", head=True))["pick"] == (
        "host",
        "it comes behind 'head'; the last layer has 17 values, a verdict has 16 bits",
    )


def test_one_verdict_alone(tmp_path: Path, rng: Rng) -> None:
    other = helper.make_node("ArgMax", ["scores"], ["other"], name="other", axis=1)
    graph(tmp_path / "m.onnx", rng, [pick("scores", axis=1), other], ["picked", "other"])
    model = read_model(tmp_path / "m.onnx", head=True)
    assert verdict_of(model) is Verdict.NONE
    for node in ("pick", "other"):
        assert "a program has one verdict" in placed(model)[node][1]


def test_scores_are_still_there(tmp_path: Path, rng: Rng) -> None:
    """A graph that wants both gets both: the verdict from the core, the softmax from the host."""
    calls = calls_of(rng, graph(tmp_path / "m.onnx", rng, FOUND["behind a softmax"], ["picked", "p"]))
    design = compile_model(tmp_path / "m.onnx", calls, precision=16, target="generic", lanes=4, head=True)
    assert design.graph is not None
    assert {item.node: item.where for item in design.graph.placement}["soft"] == "host"
    outputs = design.run(calls, "golden").figures["outputs"]
    assert outputs["picked"]["differing"] == 0
    assert outputs["p"]["mean_abs_error"] < 1e-3


def test_inspect_tells_which_boards_fit(tmp_path: Path, rng: Rng) -> None:
    graph(tmp_path / "m.onnx", rng, FOUND["of every step"], ["picked"])
    found = inspect_model(tmp_path / "m.onnx", head=True)
    assert found["boards"]["ulx3s-25f"] == dict.fromkeys(("4", "8", "16"), "fits")


def test_without_the_option_nothing_changes(tmp_path: Path, rng: Rng) -> None:
    calls = calls_of(rng, graph(tmp_path / "m.onnx", rng, FOUND["of every step"], ["picked"]))
    design = compile_model(tmp_path / "m.onnx", calls, target="generic", lanes=4)
    assert not design.engine.verdicts
    assert design.graph is not None
    assert {item.node: item.where for item in design.graph.placement}["pick"] == "host"
