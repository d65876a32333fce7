"""Modules as graphs: read again, they are the layers that they were made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_tests.unit.networks import random_layer
from lstmith.compiler.importers.onnx_graph import prepare
from lstmith.compiler.importers.onnx_import import choose_networks
from lstmith.compiler.importers.torch_graph import torch_graph
from lstmith.compiler.importers.torch_import import TorchModel
from lstmith.spec.codes import Kind


@pytest.mark.parametrize("kind", [Kind.LSTM, Kind.GRU, Kind.RNN])
def test_both_directions_are_read_again(kind: Kind, rng: np.random.Generator) -> None:
    stacks = tuple(
        tuple(replace(random_layer(rng, kind, inputs, 5), name=f"layer{index}") for _ in range(2))
        for index, inputs in enumerate((3, 10))
    )
    model = prepare(torch_graph(TorchModel("module", stacks, {})), "module.pt")
    for stack, found in zip(stacks, choose_networks(model, "module.pt", None), strict=True):
        for layer, network in zip(stack, found.networks, strict=True):
            [read] = network.layers
            assert read.kind is kind
            for name in ("w_ih", "w_hh", "bias"):
                np.testing.assert_allclose(getattr(read, name), getattr(layer, name), rtol=1e-6, atol=1e-7)
