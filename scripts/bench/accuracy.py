"""How far the quantised Silero VAD is from float, in decisions and in h, on recordings not calibrated on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.compiler.importers.host_graph import HostGraph
from lstmith.compiler.importers.importer import load_model
from lstmith.compiler.importers.planner import plan_model
from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.quantise import quantise
from lstmith.datasets.speech import Recording
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatNetwork, padded, run_float
from lstmith.spec.config import H_FRAC
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import QuantNetwork
from lstmith.vad.silero import THRESHOLD, features, feeds, model_path

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Accuracy:
    """A quantised network against float.

    Parameters
    ----------
    precision : int
        Weight bits.
    frames : int
    changed : int
        Frames whose decision differs.
    max_probability_error : float
    mean_h_error, max_h_error : float
    """

    precision: int
    frames: int
    changed: int
    max_probability_error: float
    mean_h_error: float
    max_h_error: float

    @property
    def changed_percent(self) -> float:
        """Changed decisions in percent of the frames."""
        return 100.0 * self.changed / self.frames


def recorded(sequences: list[Float32]) -> Calibration:
    """Sequences [T_n, I] of different lengths as calibration data."""
    return Calibration(*padded(sequences), "recordings")


def compare(
    network: FloatNetwork,
    quantised: QuantNetwork,
    limits: EngineLimits,
    recordings: list[Recording],
    graph: HostGraph,
) -> Accuracy:
    """Run float and golden on recordings and count the decisions that differ."""
    x = [features(recording.samples, graph) for recording in recordings]
    data = recorded(x)
    policies = [Policy(Mode.DENSE)] * len(quantised.layers)
    golden = GoldenModel(quantised, limits.model_config()).run(quantised.quantise_input(data.x), policies)[-1].h
    precision = max(layer.precision for layer in quantised.layers)
    return judged(golden, precision, network, x, recordings, graph)


def judged(
    h: npt.NDArray[np.integer],
    precision: int,
    network: FloatNetwork,
    x: list[Float32],
    recordings: list[Recording],
    graph: HostGraph,
) -> Accuracy:
    """How far h is from float's, and how many decisions differ.

    Parameters
    ----------
    h : int [N, T, H]
        Of the last layer, Q0.15, as any engine gives it.
    precision : int
        Weight bits of that engine.
    network : FloatNetwork
    x : list of float32 [T_n, I]
        Inputs of the recordings.
    recordings : list of Recording
    graph : HostGraph
    """
    exact = run_float(network, np.asarray(recorded(x).x, dtype=np.float64)).h[-1]
    changed, probability_errors, h_errors = 0, [], []
    for index, recording in enumerate(recordings):
        steps = len(x[index])
        have, want = h[index, :steps] / float(1 << H_FRAC), exact[index, :steps]
        p_have, p_want = _probability(have, recording, graph), _probability(want, recording, graph)
        changed += int(((p_have > THRESHOLD) != (p_want > THRESHOLD)).sum())
        probability_errors.append(np.abs(p_have - p_want))
        h_errors.append(np.abs(have - want))
    every = np.concatenate(h_errors)
    return Accuracy(
        precision=precision,
        frames=len(every),
        changed=changed,
        max_probability_error=float(np.concatenate(probability_errors).max()),
        mean_h_error=float(every.mean()),
        max_h_error=float(every.max()),
    )


def measure(precisions: tuple[int, ...], calibration: list[Recording], heldout: list[Recording]) -> dict[int, Accuracy]:
    """Quantise Silero VAD on ``calibration`` at each precision and judge it on ``heldout``."""
    network = load_model(model_path())
    graph = HostGraph(plan_model(model_path()))
    data = recorded([features(recording.samples, graph) for recording in calibration])
    limits = EngineLimits()
    results = {}
    for precision in precisions:
        quantised = quantise(network, data, precision=[precision], limits=limits)
        results[precision] = compare(network, quantised.network, limits, heldout, graph)
    return results


def _probability(h: npt.NDArray[np.floating], recording: Recording, graph: HostGraph) -> Float32:
    """p(speech) per frame from the last layer's h, float [T, H]."""
    _, carried = graph.before(feeds(recording.samples))
    outputs = graph.after(h[None].astype(np.float32), carried)
    return np.ravel(outputs["output"]).astype(np.float32)
