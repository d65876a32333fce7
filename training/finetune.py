"""Fine-tuning of a quantised network in its own integers, for the policy it will run under."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from torch import Tensor

from lstmith.golden.network import FloatNetwork
from lstmith.spec.config import H_FRAC, EngineConfig
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import QuantNetwork
from lstmith.training.data import TrainingSequences
from lstmith.training.straight_through import StraightThrough

#: Loss of h (real, float64 [N, T, sum of all H], layers side by side) for the sequences at some rows; a scalar.
Loss = Callable[[Tensor, npt.NDArray[np.integer]], Tensor]
#: What the rate is divided by where no epoch has been better for a while.
SLOWER = 3.0
#: So many rates are tried.
RATES = 4
#: Gradients are longer than this only where a cell explodes.
CLIP = 1.0
#: What is kept at most of a row that is too large.
MOST_KEPT = 0.998


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train.

    Parameters
    ----------
    epochs : int
    batch : int
        Sequences per step.
    rate : float
        Of Adam, in LSBs of the integer weights.
    hold_every : int
        Every so many sequences one is held back to judge epochs by.
    patience : int
        Epochs without a better loss on what is held back, after which training goes on from the best epoch with a third
        of the rate. Where all shadow weights begin on an integer, at a rate that is too large many of them pass the
        half-way point in the same few steps, and what the quantiser balanced between them is lost. After the fourth
        rate training ends.
    sparsity : float
        Weight of what the references of h move in a step (:class:`.straight_through.Outcome`), beside the loss: larger
        ones leave fewer columns to compute.
    from_float : bool
        Shadow weights begin between the integers and the float weights, not on the integers.
    keep_best : bool
        Ctrl-C ends the training with the best epoch so far; else with nothing.
    seed : int
    quiet : bool
        No progress bar.
    """

    epochs: int = 40
    batch: int = 32
    rate: float = 0.1
    hold_every: int = 5
    patience: int = 4
    sparsity: float = 0.0
    from_float: bool = False
    keep_best: bool = False
    seed: int = 1
    quiet: bool = False


@dataclass(frozen=True)
class Finetuned:
    """The best epoch.

    Parameters
    ----------
    network : QuantNetwork
    history : list of float
        Loss on what is held back: before training, then after each epoch.
    seconds : list of float
        Processor time of this process up to each of these, from the beginning.
    """

    network: QuantNetwork
    history: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def finetune(
    network: QuantNetwork,
    config: EngineConfig,
    policies: list[Policy],
    data: TrainingSequences,
    loss: Loss,
    settings: Settings,
    source: FloatNetwork,
) -> Finetuned:
    """Train weights and biases; scales, grids and formats stay.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
        Weights are kept such that every row sum fits its accumulators.
    policies : list of Policy, one per layer
    data : Sequences
    loss : Loss
    settings : Settings
    source : FloatNetwork
        What the network was quantised from.

    Returns
    -------
    Finetuned
        The network itself if no epoch was better.
    """
    torch.manual_seed(settings.seed)
    model = StraightThrough(network, config, source if settings.from_float else None)
    rows = np.arange(len(data))
    held, train = rows[:: settings.hold_every], rows[rows % settings.hold_every != 0]

    def total(rows: npt.NDArray[np.integer]) -> Tensor:
        part = data.rows(rows)
        outcome = model(part, policies)
        found = loss(torch.cat(outcome.h, dim=2) * 2.0**-H_FRAC, rows)
        if settings.sparsity:
            found = found + settings.sparsity * outcome.changes[torch.from_numpy(part.valid)].mean()
        return found

    def judged() -> float:
        with torch.no_grad():
            return float(total(held))

    begun = time.process_time()
    history = [judged()]
    seconds = [time.process_time() - begun]
    best, since = _copied(model), 0
    rates = (settings.rate / SLOWER**times for times in range(RATES))
    optimiser = _optimiser(model, next(rates))
    try:
        for _ in track(range(settings.epochs), "fine-tuning", disable=settings.quiet, transient=True):
            for members in torch.randperm(len(train)).split(settings.batch):
                optimiser.zero_grad()
                total(train[members.numpy()]).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
                optimiser.step()
                keep_sums(model)
            history.append(judged())
            seconds.append(time.process_time() - begun)
            if history[-1] < min(history[:-1]):
                best, since = _copied(model), 0
                continue
            since += 1
            if since == settings.patience:
                rate = next(rates, None)
                if rate is None:
                    break
                model.load_state_dict(best)
                optimiser, since = _optimiser(model, rate), 0
    except KeyboardInterrupt:
        if not settings.keep_best:
            raise
    model.load_state_dict(best)
    return Finetuned(model.network(), history, seconds)


def _copied(model: StraightThrough) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _optimiser(model: StraightThrough, rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=rate, eps=1e-14)


def keep_sums(model: StraightThrough) -> None:
    """Shrink rows whose sums could outgrow the accumulators."""
    room = (1 << (model.config.acc_width - 1)) - 1
    for module in model.layers:
        while (bounds := module.quantised().row_bounds).max(initial=0) > room:
            # Digits do not shrink evenly with their weight, so that one turn may not do.
            factors = np.where(bounds > room, np.minimum(room / np.maximum(bounds, 1), MOST_KEPT), 1.0)
            with torch.no_grad():
                module.weights *= torch.from_numpy(factors)[:, None]
