"""Time of LSTM layers in onnxruntime on this machine."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from lstmith.cli.console import progress
from lstmith.compiler.runtime import ort
from lstmith.workloads.catalogue import NAMES, load

#: Timed blocks of onnxruntime, of which the fastest counts, since other work on the machine only slows it, and
#: steps in each.
TIMED_BLOCKS, BLOCK_STEPS = 20, 100


def float_times() -> dict[str, Any]:
    """Microseconds per step of every workload's networks, by workload and network."""
    found = {}
    with progress("onnxruntime, one step at a time", len(NAMES)) as report:
        for done, workload in enumerate(NAMES):
            found[workload] = _network_times(workload)
            report(done + 1)
    return found


def _network_times(workload: str) -> dict[str, float]:
    """Microseconds per step of each of a workload's networks in onnxruntime on one thread."""
    return {
        name: sum(step_time(layer.inputs, layer.units) for layer in network.layers)
        for name, network in load(workload).networks.items()
    }


def step_time(inputs: int, units: int) -> float:
    """One LSTM layer, state handed over from step to step; what it computes does not change how long it takes."""
    rng = np.random.default_rng(1)
    weights = {
        "W": rng.normal(0, 0.1, (1, 4 * units, inputs)).astype(np.float32),
        "R": rng.normal(0, 0.1, (1, 4 * units, units)).astype(np.float32),
        "B": np.zeros((1, 8 * units), dtype=np.float32),
    }
    state = [1, 1, units]
    node = helper.make_node("LSTM", ["x", "W", "R", "B", "", "h", "c"], ["", "h_next", "c_next"], hidden_size=units)
    graph = helper.make_graph(
        [node],
        "step",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("x", [1, 1, inputs]), ("h", state), ("c", state))
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, state) for name in ("h_next", "c_next")],
        [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    h = c = np.zeros(state, dtype=np.float32)
    x = rng.normal(0, 1, (1, 1, inputs)).astype(np.float32)
    blocks = []
    for _ in range(TIMED_BLOCKS):
        begun = time.perf_counter()
        for _ in range(BLOCK_STEPS):
            h, c = session.run(None, {"x": x, "h": h, "c": c})
        blocks.append(time.perf_counter() - begun)
    return min(blocks) / BLOCK_STEPS * 1e6
