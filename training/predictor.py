"""The skip predictor: a row of 4-bit weights that tells, after a step, whether the next one may be left out.

Trained as in Sen and Raghunathan (Approximate computing for LSTMs, TCAD 2018), with logistic regression on what the
engine itself sees: the operands of the first layer's columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from lstmith.golden.encoder import BoolArray
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatArray
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy, Skip
from lstmith.spec.quantised import PREDICTOR_LIMIT, IntArray, QuantNetwork
from lstmith.training.data import TrainingSequences

#: Steps after the skipped one in which its effect is looked for.
HORIZON = 4
#: Of squared weights, on operands of unit spread.
DECAY = 1e-3
ITERATIONS = 100
#: Largest weight before rounding, tried in this many steps up to twice the range: above it, weights saturate.
SCALES = np.linspace(0.5, 2.0, 16) * PREDICTOR_LIMIT
#: Every so many sequences one is held out to measure on.
HOLD_EVERY = 4


@dataclass(frozen=True)
class Measured:
    """How well skips are predicted on held-out steps.

    Parameters
    ----------
    precision : float
        Part of the predicted skips that are harmless; 1 if there is none.
    recall : float
        Part of the harmless skips that are predicted; 1 if there is none.
    share : float
        Part of the steps that are predicted.
    harmless : float
        Part of the steps whose successor could be left out.
    """

    precision: float
    recall: float
    share: float
    harmless: float


@dataclass(frozen=True)
class Trained:
    """A network with a predictor.

    Parameters
    ----------
    network : QuantNetwork
    skip : Skip
        Rule with the threshold; at most one step in a row is skipped, as single skips were what was learnt.
    train, heldout : Measured
    """

    network: QuantNetwork
    skip: Skip
    train: Measured
    heldout: Measured


def skip_effect(
    network: QuantNetwork, config: EngineConfig, data: TrainingSequences, head: FloatArray | None = None
) -> tuple[FloatArray, IntArray, BoolArray]:
    """What leaving out the next step would do, for every step with a next one.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
    data : Sequences
    head : float64 [K, H] or None
        What reads the last layer's h; None is h itself.

    Returns
    -------
    effect : float64 [N, T - 1]
        Largest root mean square change of the output, real, in the skipped step and ``HORIZON`` steps after it.
    operands : int64 [N, T - 1, I + H]
        What the predictor's row reads in the step.
    known : bool [N, T - 1]
        Steps whose next one exists.
    """
    model, dense = GoldenModel(network, config), [Policy(Mode.DENSE)] * len(network.layers)
    traces = model.run(data.x, dense)
    first, last = network.layers[0], traces[-1].h
    sequences, steps = data.valid.shape
    effect = _distance(last[:, 1:], last[:, :-1], head)
    # All counterfactual runs side by side: from the state after step t, with the inputs from t + 2 on.
    states = [
        (trace.h[:, :-2].reshape(-1, trace.h.shape[2]), trace.c[:, :-2].reshape(-1, trace.c.shape[2]))
        for trace in traces
    ]
    if steps > 2:
        state = model.loaded_state(dense, [(h.astype(np.int64), c.astype(np.int64)) for h, c in states])
        for ahead in range(min(HORIZON, steps - 2)):
            index = np.minimum(np.arange(2, steps) + ahead, steps - 1)
            x = data.x[:, index].reshape(-1, 1, network.inputs)
            h = model.run(x, dense, state, restart=ahead == 0)[-1].h.reshape(sequences, steps - 2, -1)
            there = data.valid[:, index] & (np.arange(2, steps) + ahead < steps)
            effect[:, :-1] = np.maximum(effect[:, :-1], _distance(h, last[:, index], head) * there)
    h_before = np.concatenate([np.zeros_like(traces[0].h[:, :1]), traces[0].h[:, :-1]], axis=1)
    operands = np.concatenate(
        [first.x_grid.apply(data.x) << first.x_grid.exponent, first.h_grid.apply(h_before)], axis=2
    )
    return effect, operands[:, :-1], data.valid[:, 1:]


def train_predictor(
    network: QuantNetwork,
    config: EngineConfig,
    data: TrainingSequences,
    *,
    tolerance: float,
    precision: float = 0.9,
    head: FloatArray | None = None,
    seed: int = 1,
) -> Trained:
    """Learn which steps may be left out.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
    data : Sequences
    tolerance : float
        A skip is harmless if its effect (see :func:`skip_effect`) is below this.
    precision : float
        The threshold is the lowest that has this precision on the sequences trained on.
    head : float64 [K, H] or None
    seed : int
    """
    effect, operands, known = skip_effect(network, config, data, head)
    held = np.arange(len(data)) % HOLD_EVERY == 0
    parts = []
    for members in (~held, held):
        rows = known & members[:, None]
        parts.append((operands[rows].astype(np.float64), effect[rows] < tolerance))
    (features, harmless), (held_features, held_harmless) = parts
    weights = _logistic(features, harmless, seed)
    largest = float(np.abs(weights).max()) or 1.0
    rows = [
        np.clip(np.rint(weights * (s / largest)), -PREDICTOR_LIMIT, PREDICTOR_LIMIT).astype(np.int64) for s in SCALES
    ]
    choices = [(row, *_threshold(features @ row, harmless, precision)) for row in rows]
    row, threshold, _ = max(choices, key=lambda choice: choice[2])
    skip = Skip(predictor=True, threshold=threshold)
    return Trained(
        replace(network, predictor=row),
        skip,
        _measured(features @ row >= threshold, harmless),
        _measured(held_features @ row >= threshold, held_harmless),
    )


def _distance(one: npt.NDArray[np.int16], two: npt.NDArray[np.int16], head: FloatArray | None) -> FloatArray:
    change = (one.astype(np.float64) - two) * 2.0**-15
    if head is not None:
        change = change @ head.T
    return np.sqrt((change**2).mean(axis=2))


def _logistic(features: FloatArray, wanted: BoolArray, seed: int) -> FloatArray:
    """Weights per operand LSB, float64 [I + H]."""
    torch.manual_seed(seed)
    spread = np.where(features.std(axis=0) > 0, features.std(axis=0), np.inf)
    inputs = torch.from_numpy((features - features.mean(axis=0)) / spread)
    aims = torch.from_numpy(wanted.astype(np.float64))
    weights = torch.zeros(inputs.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        scores = inputs @ weights + bias
        loss = torch.nn.functional.binary_cross_entropy_with_logits(scores, aims) + DECAY * (weights**2).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    found: FloatArray = weights.detach().numpy() / spread
    return found


def _threshold(scores: FloatArray, harmless: BoolArray, precision: float) -> tuple[int, float]:
    """The lowest threshold with at least a precision, and its recall; above all scores if there is none."""
    order = np.argsort(-scores, kind="stable")
    ranked, right = scores[order], np.cumsum(harmless[order])
    good = right >= precision * np.arange(1, len(order) + 1)
    # A threshold takes all steps of one score.
    good &= np.append(ranked[:-1] != ranked[1:], True)
    if not good.any():
        return int(scores.max(initial=0.0)) + 1, 0.0
    last = int(np.flatnonzero(good)[-1])
    return int(ranked[last]), float(right[last] / max(1, harmless.sum()))


def _measured(predicted: BoolArray, harmless: BoolArray) -> Measured:
    both = float((predicted & harmless).sum())
    return Measured(
        precision=both / predicted.sum() if predicted.any() else 1.0,
        recall=both / harmless.sum() if harmless.any() else 1.0,
        share=float(predicted.mean()),
        harmless=float(harmless.mean()),
    )
