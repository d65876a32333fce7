"""A PyTorch state dict with a Linear behind its recurrent module: a layer on the core, or a line that says why not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from lstmith.cli.main import app
from lstmith.compiler import compile_model
from lstmith.compiler.importers.importer import read_model
from lstmith.compiler.runtime import ort
from lstmith.golden.network import run_float
from lstmith.spec.codes import Kind
from lstmith.spec.errors import UserError
from lstmith.test_support.graphs.exporters import STEPS, UNITS, WIDTH, Rng, normal

CLASSES = 3
PREFIX = "module.encoder.rnn."
ROWS = {Kind.LSTM: 4, Kind.GRU: 3, Kind.RNN: 1}
Tensors = dict[str, np.ndarray]


def state_dict(rng: Rng, kind: Kind = Kind.LSTM, *, both: bool = False) -> Tensors:
    """What a module with an ``nn.Linear`` named fc saves."""
    tensors: Tensors = {}
    for end in ("", "_reverse")[: 1 + both]:
        for name, columns in (("weight_ih", WIDTH), ("weight_hh", UNITS)):
            tensors[f"{PREFIX}{name}_l0{end}"] = normal(rng, ROWS[kind] * UNITS, columns) / 2
        for name in ("bias_ih", "bias_hh"):
            tensors[f"{PREFIX}{name}_l0{end}"] = normal(rng, ROWS[kind] * UNITS) / 2
    head = {"module.fc.weight": normal(rng, CLASSES, (1 + both) * UNITS), "module.fc.bias": normal(rng, CLASSES)}
    return tensors | head


def wanted(path: Path, tensors: Tensors, x: np.ndarray) -> np.ndarray:
    """The Linear of what the module without it gives: x [N, T, I] to [N, T, K]."""
    model = read_model(path)
    if model.plan is None:
        h = run_float(model.network, x).h[-1]
    else:
        session = ort.InferenceSession(model.plan.model.SerializeToString())
        h = session.run(None, {"x": x.swapaxes(0, 1).astype(np.float32)})[0].swapaxes(0, 1)
    return h @ tensors["module.fc.weight"].T + tensors["module.fc.bias"]


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("both", [False, True])
def test_the_linear_is_a_layer_on_the_core(tmp_path: Path, rng: Rng, kind: Kind, both: bool) -> None:
    tensors = state_dict(rng, kind, both=both)
    path = tmp_path / "m.safetensors"
    save_file(tensors, path)
    x = np.tanh(normal(rng, 4, STEPS, WIDTH))
    design = compile_model(path, {"x": x}, precision=16, target="generic", lanes=4, head=True)
    layers = [layer for program in design.programs for layer in program.network.layers]
    assert [layer.kind for layer in layers] == [*[kind] * (1 + both), Kind.DENSE]
    assert len(design.programs) == (3 if both else 1)
    result = design.run({"x": x}, "golden")
    want = wanted(path, tensors, x)
    assert result.h.shape == want.shape
    assert np.abs(result.h - want).mean() <= 1e-3 * np.ptp(want)
    [taken] = [text for text in design.report["remarks"] if "'module.fc'" in text]
    assert taken.startswith("'module.fc' is taken for a dense layer without a function behind 'module.encoder.rnn'")


def test_the_simulator_equals_golden(tmp_path: Path, rng: Rng) -> None:
    save_file(state_dict(rng, Kind.GRU, both=True), tmp_path / "m.safetensors")
    x = np.tanh(normal(rng, 2, STEPS, WIDTH))
    design = compile_model(tmp_path / "m.safetensors", {"x": x}, target="generic", lanes=4, head=True)
    found = design.run({"x": x}, "icarus")
    assert (found.figures["mismatches"], found.figures["cycle_mismatches"]) == (0, 0)
    np.testing.assert_array_equal(found.arrays["h_int"], design.run({"x": x}, "golden").arrays["h_int"])


def test_an_embedding_may_stand_in_front(rng: Rng) -> None:
    tensors = state_dict(rng) | {"embedding.weight": normal(rng, 20, WIDTH)}
    symbols = rng.integers(0, 20, (4, STEPS, 1)).astype(np.float32)
    design = compile_model(tensors, {"x": symbols}, target="generic", lanes=4, head=True)
    assert [layer.kind for layer in design.network.layers] == [Kind.LSTM, Kind.DENSE]
    assert design.run({"x": symbols}, "golden").h.shape == (4, STEPS, CLASSES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"module.fc.weight": None, "module.fc.bias": None}, "finds no Linear in model that reads the 6 values of"),
        ({"module.fc.weight": (CLASSES, UNITS + 1)}, "finds no Linear in model that reads the 6 values of"),
        ({"module.out.weight": (2, UNITS)}, "finds 'module.fc.weight' and 'module.out.weight' in model, of which"),
        ({"module.norm.weight": (UNITS,)}, "finds 'module.norm.weight' in model, and a state dict does not tell its"),
        ({"module.fc2.weight": (2, CLASSES)}, "finds 'module.fc2.weight' in model, and a state dict does not tell its"),
        ({"module.fc.bias": (CLASSES + 1,)}, "model: 'module.fc.bias' has shape [4], not [3]; save it again"),
    ],
)
def test_what_is_not_sure_is_refused(rng: Rng, change: dict[str, tuple[int, ...] | None], message: str) -> None:
    tensors = state_dict(rng)
    for name, shape in change.items():
        tensors.pop(name, None)
        if shape is not None:
            tensors[name] = normal(rng, *shape)
    with pytest.raises(UserError, match=re.escape(message)):
        read_model(tensors, head=True)


def test_inspect_shows_it(tmp_path: Path, rng: Rng) -> None:
    save_file(state_dict(rng), tmp_path / "m.safetensors")
    found = CliRunner().invoke(app, ["inspect", str(tmp_path / "m.safetensors"), "--head"])
    assert found.exit_code == 0
    assert "module.fc" in found.output
