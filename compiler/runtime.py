"""onnxruntime, imported in this one place, so that its telemetry is off and its memory bounded before it is used."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import onnxruntime as ort

ort.disable_telemetry_events()

#: What a session that shares the process's own allocator may take, all of them together: constants of a graph.
MOST_BYTES = 1 << 28
ort.create_and_register_allocator(
    ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT),
    ort.OrtArenaCfg({"max_mem": MOST_BYTES}),
)

__all__ = ["MOST_BYTES", "bounded_options", "limited", "ort"]


def bounded_options() -> Any:
    """Options of a session that computes constants: it takes ``MOST_BYTES`` at most, and nothing before it is run."""
    options = ort.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


@contextmanager
def limited(seconds: float) -> Iterator[Any]:
    """Options of a run that fails after some seconds; a loop without end is left between two of its turns."""
    options = ort.RunOptions()
    options.log_severity_level = 4
    timer = threading.Timer(seconds, lambda: setattr(options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()
