"""Whole graphs as plans: stages in float64 and host parts in onnxruntime give what onnxruntime gives alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from safetensors.numpy import save_file

from lstmith.compiler.importers.feeds import Feeds
from lstmith.compiler.importers.importer import Model, read_model
from lstmith.compiler.importers.plan import Plan
from lstmith.compiler.importers.plan_run import PlanRun
from lstmith.golden.network import run_float
from lstmith.spec.codes import Kind
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.exporters import MODELS, STEPS, UNITS, WIDTH, normal, siamese
from lstmith.test_support.graphs.nodes import const, lstm, save, weights

#: What float64 and onnxruntime's float32 may differ by.
CLOSE = 1e-5


def planned(model: Model) -> Plan:
    assert model.plan is not None, model.remarks
    return model.plan


def test_where_each_node_runs(tmp_path: Path, rng: np.random.Generator) -> None:
    MODELS["bidirectional"](tmp_path / "m.onnx", rng)
    model = read_model(tmp_path / "m.onnx")
    plan = planned(model)
    assert [(s.name, s.program, s.reverse) for s in plan.stages] == [
        ("/rnn/0.forward", 0, False), ("/rnn/0.backward", 1, True),
        ("/rnn/1.forward", 2, False), ("/rnn/1.backward", 3, True),
    ]  # fmt: skip
    where = {placement.node: placement.where for placement in plan.placement}
    assert where["/rnn/0"] == where["/rnn/1"] == "core"
    assert where["zero"] == "folded", "a zero state of the input's size is the network's own"
    assert where["merged0"] == where["tags"] == "host"
    why = {placement.node: placement.why for placement in plan.placement}
    assert why["/rnn/1"] == "both directions, programs 2 and 3"
    assert why["merged0"] == "it comes between '/rnn/0' and '/rnn/1'"
    plan.save(tmp_path / "graph")
    assert Plan.load(tmp_path / "graph") == plan


def test_same_weights_are_one_program(tmp_path: Path, rng: np.random.Generator) -> None:
    siamese(tmp_path / "m.onnx", rng)
    model = read_model(tmp_path / "m.onnx")
    assert [stage.program for stage in planned(model).stages] == [0, 0]
    assert len(model.networks) == 1


def stateful_model(path: Path, rng: np.random.Generator) -> None:
    node, constants = lstm(weights(rng, WIDTH, UNITS), inputs={"initial_h": "h0", "initial_c": "c0"})
    inputs = {"x": ["T", "N", WIDTH], "h0": [1, "N", UNITS], "c0": [1, "N", UNITS]}
    nodes = [node, helper.make_node("Relu", ["lstm_y"], ["y"])]
    save(path, nodes, constants, inputs, ["y", "lstm_yh", "lstm_yc"])


@pytest.mark.parametrize("stateful", [False, True])
def test_calls_go_on_or_begin_anew(tmp_path: Path, rng: np.random.Generator, stateful: bool) -> None:
    stateful_model(tmp_path / "m.onnx", rng)
    model = read_model(tmp_path / "m.onnx")
    plan = planned(model)
    assert plan.state_inputs == ("h0", "c0")
    assert plan.state_pairs == (("lstm_yh", "h0"), ("lstm_yc", "c0"))
    run = PlanRun(plan, model.networks)
    feeds = Feeds([{"x": normal(rng, steps, 2, WIDTH)} for steps in (3, 1, 4)], stateful=stateful)
    got, want = run.run(feeds), run.reference(feeds)
    assert want is not None
    for call, reference in zip(got, want, strict=True):
        for output, value in reference.items():
            np.testing.assert_allclose(call[output], value, atol=CLOSE, rtol=0)
    x = np.concatenate([call["x"] for call in feeds.values])[:, :1].swapaxes(0, 1)
    joined = run_float(model.networks[0], x.astype(np.float64)).h[-1][0, -1]
    assert np.allclose(got[-1]["lstm_yh"][0, 0], joined, atol=CLOSE) is stateful


def test_states_that_are_given(tmp_path: Path, rng: np.random.Generator) -> None:
    stateful_model(tmp_path / "m.onnx", rng)
    model = read_model(tmp_path / "m.onnx")
    run = PlanRun(planned(model), model.networks)
    given = {"x": normal(rng, 3, 2, WIDTH), "h0": np.tanh(normal(rng, 1, 2, UNITS)), "c0": normal(rng, 1, 2, UNITS)}
    feeds = Feeds([given])
    want = run.reference(feeds)
    assert want is not None
    np.testing.assert_allclose(run.run(feeds)[0]["y"], want[0]["y"], atol=CLOSE, rtol=0)
    with pytest.raises(UserError, match=r"input value 'h0': reaches 3; keep h within -1\.\.1"):
        run.run(Feeds([given | {"h0": np.full((1, 2, UNITS), 3, np.float32)}]))
    with pytest.raises(UserError, match=r"input value 'c0': has shape \[1, 1, 6\]; give \[1, 2, units\]"):
        run.run(Feeds([given | {"c0": given["c0"][:, :1]}]))


def test_a_reverse_stage_keeps_no_state(tmp_path: Path, rng: np.random.Generator) -> None:
    values = MODELS["packed_lengths"](tmp_path / "m.onnx", rng)
    model = read_model(tmp_path / "m.onnx")
    with pytest.raises(UserError, match=r"'lstm\.backward': runs in reverse, so no call goes on where .* leave"):
        PlanRun(planned(model), model.networks).run(Feeds([values], stateful=True))


def test_lengths_beyond_the_steps(tmp_path: Path, rng: np.random.Generator) -> None:
    values = MODELS["packed_lengths"](tmp_path / "m.onnx", rng)
    model = read_model(tmp_path / "m.onnx")
    values["lens"] = np.array([1, STEPS + 1, 1])
    with pytest.raises(UserError, match=rf"value 'lens32': is \[1, 10, 1\]; give 3 lengths of at most {STEPS} steps"):
        PlanRun(planned(model), model.networks).run(Feeds([values]))


def test_a_later_layer_that_an_earlier_one_needs(tmp_path: Path, rng: np.random.Generator) -> None:
    """Layers a, b are a stack by their sequences, and c stands between them by its state: no order of stages fits."""
    a, constants = lstm(weights(rng, WIDTH, WIDTH), name="a")
    c, more = lstm(weights(rng, WIDTH, WIDTH), name="c", inputs={"initial_h": "a_yh"})
    d, others = lstm(weights(rng, WIDTH, WIDTH), x="c_s", name="d")
    b, last = lstm(weights(rng, WIDTH, WIDTH), x="a_s", name="b", inputs={"initial_h": "d_yh"})
    squeezes = [helper.make_node("Squeeze", [f"{name}_y", "axis"], [f"{name}_s"]) for name in ("a", "c")]
    nodes = [a, c, squeezes[1], d, squeezes[0], b]
    constants = [*constants, *more, *others, *last, const("axis", [1])]
    save(tmp_path / "m.onnx", nodes, constants, {"x": ["T", "N", WIDTH]}, ["b_y"])
    with pytest.raises(UserError, match=r"its 'a_yh' is computed from a recurrent layer that can only run later"):
        read_model(tmp_path / "m.onnx")


@pytest.mark.parametrize(("kind", "rows"), [(Kind.LSTM, 4), (Kind.GRU, 3), (Kind.RNN, 1)])
@pytest.mark.parametrize("both", [False, True])
def test_pytorch_modules(tmp_path: Path, rng: np.random.Generator, kind: Kind, rows: int, both: bool) -> None:
    """Weights arrive where PyTorch's formulas want them, in both directions, whatever else the state dict holds."""
    shapes: dict[str, tuple[int, ...]] = {"head.weight": (2, UNITS)}
    for layer in range(2):
        width = WIDTH if layer == 0 else UNITS * (1 + both)
        for end in ("", "_reverse")[: 1 + both]:
            for name, shape in (
                ("weight_ih", (rows * UNITS, width)), ("weight_hh", (rows * UNITS, UNITS)),
                ("bias_ih", (rows * UNITS,)), ("bias_hh", (rows * UNITS,)),
            ):  # fmt: skip
                shapes[f"net.rnn.{name}_l{layer}{end}"] = shape
    tensors = {name: 0.5 * normal(rng, *shape) for name, shape in shapes.items()}
    save_file(tensors, tmp_path / "m.safetensors")
    model = read_model(tmp_path / "m.safetensors")
    assert {layer.kind for network in model.networks for layer in network.layers} == {kind}
    assert model.remarks[0].startswith("weights outside 'net.rnn' are not used (head.weight); --head uses a Linear")
    assert any("taken for an RNN with tanh" in remark for remark in model.remarks) is (kind is Kind.RNN)
    x = normal(rng, STEPS, 1, WIDTH)
    want = x[:, 0].astype(np.float64)
    for layer in range(2):
        ways = []
        for end in ("", "_reverse")[: 1 + both]:
            fields = [tensors[f"net.rnn.{name}_l{layer}{end}"].astype(np.float64)
                      for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]  # fmt: skip
            ways.append(torch_layer(kind, fields, want[::-1] if end else want)[:: -1 if end else 1])
        want = np.concatenate(ways, axis=1)
    if both:
        got = PlanRun(planned(model), model.networks).run(Feeds([{"x": x}]))[0]["y"][:, 0]
    else:
        got = run_float(model.network, x.swapaxes(0, 1).astype(np.float64)).h[-1][0]
    np.testing.assert_allclose(got, want, atol=1e-6, rtol=0)


def torch_layer(kind: Kind, fields: list[np.ndarray], x: np.ndarray) -> np.ndarray:
    """PyTorch's documented formulas of one direction, x [T, I] to h [T, H]."""
    w_ih, w_hh, b_ih, b_hh = fields
    sigma = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    h = c = np.zeros(w_hh.shape[1])
    found = []
    for row in x:
        from_x, from_h = w_ih @ row + b_ih, w_hh @ h + b_hh
        if kind is Kind.LSTM:
            i, f, g, o = np.split(from_x + from_h, 4)
            c = sigma(f) * c + sigma(i) * np.tanh(g)
            h = sigma(o) * np.tanh(c)
        elif kind is Kind.GRU:
            (r_x, z_x, n_x), (r_h, z_h, n_h) = np.split(from_x, 3), np.split(from_h, 3)
            z = sigma(z_x + z_h)
            h = (1 - z) * np.tanh(n_x + sigma(r_x + r_h) * n_h) + z * h
        else:
            h = np.tanh(from_x + from_h)
        found.append(h)
    return np.array(found)
