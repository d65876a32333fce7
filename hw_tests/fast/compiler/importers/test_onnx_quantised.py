"""Nodes of onnxruntime's quantisers: inputs beside the weights stay where they are."""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper

from lstmith.compiler.importers.onnx_graph import Scope, fold
from lstmith.compiler.importers.onnx_quantised import dequantised
from lstmith.compiler.importers.onnx_site import P, R, W
from lstmith.test_support.graphs.nodes import const, made

WIDTH, UNITS = 2, 3


def test_peepholes_stay_and_weights_become_what_they_stand_for(rng: np.random.Generator) -> None:
    arrays: dict[str, np.ndarray] = {
        "w": rng.integers(-100, 100, (1, WIDTH, 4 * UNITS)).astype(np.int8),
        "r": rng.integers(-100, 100, (1, UNITS, 4 * UNITS)).astype(np.int8),
        "p": rng.normal(size=(1, 3 * UNITS)).astype(np.float32),
    }
    scales = [const("s", [0.5], np.float32), const("z", [3], np.int8)]
    node = helper.make_node(
        "DynamicQuantizeLSTM",
        ["x", "w", "r", "", "", "", "", "p", "s", "z", "s", "z"],
        ["y"],
        domain="com.microsoft",
        hidden_size=UNITS,
    )
    constants = [*(numpy_helper.from_array(array, name) for name, array in arrays.items()), *scales]
    found = dequantised(made([node], constants, {"x": ["T", "N", WIDTH]}, []), "model.onnx")
    [plain] = found.graph.node
    assert (plain.op_type, plain.domain, len(plain.input), plain.input[P]) == ("LSTM", "", P + 1, "p")
    for position, name in ((W, "w"), (R, "r")):
        weights = fold(found, Scope(found.graph), plain.input[position])
        assert weights is not None
        assert weights.tolist() == ((arrays[name].astype(np.float32) - 3) / 2).swapaxes(1, 2).tolist()
