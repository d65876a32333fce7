"""Dense layers behind recurrent nodes that join no chain: programs of their own, whole graphs against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hw_tests.unit.test_graph_run import run_as_onnxruntime
from lstmith.compiler.design import Design
from lstmith.compiler.importers.importer import read_model
from lstmith.compiler.importers.plan import Plan
from lstmith.compiler.inspection import inspect_model
from lstmith.compiler.pipeline import compile_model
from lstmith.test_support.graphs.calls import calls_of
from lstmith.test_support.graphs.exporters import MODELS, WIDTH, Feeds, Rng, normal
from lstmith.test_support.graphs.heads import gru_tagger, hand_made_pair, pooled, tagger, two_heads

GRAPHS: dict[str, Callable[[Path, Rng], Feeds]] = {
    "stacked": MODELS["bidirectional"],
    "stacked_gru": MODELS["bidirectional_gru"],
    **{each.__name__: each for each in (tagger, gru_tagger, hand_made_pair, two_heads, pooled)},
}
#: Programs, and of the last one whether it reads h, and which axis of its rows is time.
FOUND = {
    "stacked": (5, True, 1),
    "stacked_gru": (5, True, 1),
    "tagger": (3, True, 1),
    "gru_tagger": (3, True, 1),
    "hand_made_pair": (3, True, -1),
    "two_heads": (3, True, -1),
    "pooled": (3, False, -1),
}


def compiled(path: Path, rng: Rng, name: str, precision: int = 8) -> tuple[Design, Plan, Feeds]:
    calls = calls_of(rng, GRAPHS[name](path, rng))
    design = compile_model(path, calls, target="generic", lanes=4, head=True, precision=precision)
    assert design.graph is not None
    return design, design.graph, calls


@pytest.mark.parametrize("name", GRAPHS)
def test_outputs_are_those_of_onnxruntime(tmp_path: Path, rng: Rng, name: str) -> None:
    design, plan, calls = compiled(tmp_path / "m.onnx", rng, name, precision=16)
    last = plan.stages[-1]
    assert (len(design.programs), last.moved, last.time) == FOUND[name]
    assert last.dense == len(last.layers)
    result = run_as_onnxruntime(design, tmp_path / "d", calls)
    for output in result.figures["outputs"].values():
        assert output.get("differing", 0) == 0
    # What is h arrives on its own grid, so that nothing is rounded on the way.
    assert (design.programs[-1].network.layers[0].x_lsb == 2.0**-15) == last.moved


@pytest.mark.drawn(1)
@pytest.mark.parametrize(
    ("name", "engine"), [("tagger", "icarus"), ("tagger", "verilator"), ("hand_made_pair", "icarus")]
)
def test_simulators_equal_golden(tmp_path: Path, rng: Rng, name: str, engine: str) -> None:
    design, _, calls = compiled(tmp_path / "m.onnx", rng, name)
    one = {key: value[:1] for key, value in calls.items()}
    wanted, found = design.run(one, "golden"), design.run(one, engine)
    assert (found.figures["mismatches"], found.figures["cycle_mismatches"]) == (0, 0)
    assert len(found.figures["stages"]) == len(design.programs)
    for array, value in wanted.arrays.items():
        np.testing.assert_array_equal(found.arrays[array], value, err_msg=array)


def test_places_and_verdict(tmp_path: Path, rng: Rng) -> None:
    tagger(tmp_path / "m.onnx", rng)
    found = inspect_model(tmp_path / "m.onnx", head=True)
    places = {item["node"]: (item["where"], item["why"]) for item in found["placement"]}
    assert places["head"] == ("core", "layer 0 of program 2")
    assert places["pick"] == ("core", "the verdict of program 2")
    assert places["rows"] == ("host", "it comes between 'lstm' and 'head'")
    assert [layer["kind"] for program in found["programs"] for layer in program["layers"]] == ["LSTM", "LSTM", "DENSE"]
    assert found["boards"]["ulx3s-25f"] == dict.fromkeys(("4", "8", "16"), "fits")


def test_without_the_option_they_stay_on_the_host(tmp_path: Path, rng: Rng) -> None:
    tagger(tmp_path / "m.onnx", rng)
    plan = read_model(tmp_path / "m.onnx").plan
    assert plan is not None
    assert {item.node: item.where for item in plan.placement}["head"] == "host"
    assert len(plan.stages) == 2


def test_calls_that_go_on_are_one_sequence(tmp_path: Path, rng: Rng) -> None:
    """With ``stateful`` the rows of all calls follow each other, and each call has its own."""
    two_heads(tmp_path / "m.onnx", rng)
    calls = calls_of(rng, {"x": normal(rng, 2, 3, WIDTH)})
    design = compile_model(tmp_path / "m.onnx", calls, precision=16, target="generic", head=True, stateful=True)
    result = design.run(calls, "golden", stateful=True)
    assert [stage["steps"] for stage in result.figures["stages"]] == [4 * 2 * 3, 4 * 3, 4 * 3]
    whole = design.run({"x": calls["x"].reshape(1, 8, 3, WIDTH)}, "golden")
    for output in ("actions", "value"):
        np.testing.assert_array_equal(result.arrays[output][-1], whole.arrays[output][0])
