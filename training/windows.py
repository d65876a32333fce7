"""Recorded sequences as windows to train on: each begins in the state that the float network was in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lstmith.compiler.design import Design
from lstmith.compiler.quantise.encode import quantised_state
from lstmith.golden.network import FloatArray, initial_state
from lstmith.training.data import TrainingSequences
from lstmith.training.finetune import Loss
from lstmith.training.sensitivity import Float32, Sensitivity
from lstmith.tuning.pieces import Recorded, Segment

#: Shortest rest of a sequence that is still a window, in parts of a whole one.
SHORTEST = 0.5
#: Weight of the squared error of h itself beside that of the output: what the output ignores now, it may need later.
H_WEIGHT = 0.1


@dataclass(frozen=True)
class Lesson:
    """What a network is trained on, and what it is to give.

    Parameters
    ----------
    data : TrainingSequences
        Windows.
    wanted : float64 [N, T, sum of all H]
        h of the float network.
    sensitivity : float32 [N, T, K, H] or None
        Derivatives of the model's output by h of the last layer; None follows h alone.
    """

    data: TrainingSequences
    wanted: FloatArray
    sensitivity: Float32 | None

    def loss(self) -> Loss:
        """Mean squared distance from the teacher's h, and from what the model makes of it, to first order.

        The output's part is scaled such that it would equal the part of h if every direction of h mattered the same.
        """
        wanted, valid = torch.from_numpy(self.wanted), torch.from_numpy(self.data.valid)
        derivatives, scale = self.sensitivity, 1.0
        if derivatives is not None:
            mean_square = float((derivatives[self.data.valid].astype(np.float64) ** 2).sum(axis=(1, 2)).mean())
            scale = derivatives.shape[3] / mean_square if mean_square else 0.0

        def loss(h: Tensor, rows: npt.NDArray[np.integer]) -> Tensor:
            steps = h.shape[1]
            error, counted = h - wanted[rows, :steps], valid[rows, :steps]
            of_h: Tensor = (error**2).sum(dim=2)[counted].mean()
            if derivatives is None:
                return of_h
            here = torch.from_numpy(derivatives[rows, :steps].astype(np.float64))
            last = error[:, :, -here.shape[3] :]
            of_output: Tensor = ((here @ last[..., None]) ** 2).sum(dim=(2, 3))[counted].mean()
            return scale * of_output + H_WEIGHT * of_h

        return loss


def lesson(
    design: Design,
    recorded: Recorded,
    segments: list[Segment],
    steps: int,
    sensitivity: Sensitivity | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> Lesson:
    """Cut segments into windows of ``steps`` steps.

    Parameters
    ----------
    design : Design
    recorded : Recorded
    segments : list of Segment
    steps : int
    sensitivity : Sensitivity or None
    report : callable
        Told how many windows are done.
    """
    windows = [
        Segment(one.sequence, begin, min(begin + steps, one.end))
        for one in segments
        for begin in range(one.begin, one.end, steps)
        if begin == one.begin or one.end - begin >= SHORTEST * steps
    ]
    trace = recorded.float_trace(design.source)
    h = np.concatenate(trace.h, axis=2)
    count, network = len(windows), design.network
    x = np.zeros((count, steps, network.inputs), dtype=np.int16)
    valid = np.zeros((count, steps), dtype=bool)
    wanted = np.zeros((count, steps, h.shape[2]))
    derivatives: list[Float32] = []
    for row, one in enumerate(windows):
        valid[row, : one.steps] = True
        x[row, : one.steps] = network.quantise_input(recorded.xs[one.sequence][one.begin : one.end])
        wanted[row, : one.steps] = h[one.sequence, one.begin : one.end]
        if sensitivity is not None:
            last = trace.h[-1][one.sequence, one.begin : one.end].astype(np.float32)
            found = sensitivity.of(last)
            derivatives.append(np.pad(found, ((0, steps - one.steps), (0, 0), (0, 0))))
        report(row + 1)
    state = _states(design, recorded, trace.h, trace.c, windows)
    return Lesson(TrainingSequences(x, valid, state), wanted, np.stack(derivatives) if derivatives else None)


def _states(
    design: Design,
    recorded: Recorded,
    hs: Sequence[FloatArray],
    cs: Sequence[FloatArray],
    windows: list[Segment],
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """States before the windows' first steps, as the engine holds them."""
    sequences = [one.sequence for one in windows]
    before = np.array([one.begin for one in windows]) - 1
    begins = (before < 0)[:, None]
    initial = recorded.state or [initial_state(layer, len(recorded.xs)) for layer in design.source.layers]
    picked = [
        tuple(
            np.where(begins, first[sequences], values[sequences, before])
            for first, values in ((first_h, h), (first_c, c))
        )
        for (first_h, first_c), h, c in zip(initial, hs, cs, strict=True)
    ]
    return quantised_state(design.network, design.engine.c_width, [(h, c) for h, c in picked])
