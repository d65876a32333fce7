"""Controls of a rule that chooses steps: what it must beat, or it shows nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstmith.golden.encoder import BoolArray
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import H_FRAC, EngineConfig
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import QuantNetwork
from lstmith.training.data import masked
from lstmith.workloads.workload import Bools, Float32, Session, State

#: Sequences that run side by side.
BATCH = 64
MIDDLE = 6  #: bits of the static width between both planes and the top one

#: Steps after which the low plane is deferred, bool [N, T, L], from the steps that exist, bool [N, T].
Choice = Callable[[BoolArray], BoolArray]


@dataclass(frozen=True)
class Engine:
    """A network with how it is run.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
    policies : list of Policy
    choice : Choice or None
        Decisions in place of the monitor's, per layer.
    """

    network: QuantNetwork
    config: EngineConfig
    policies: list[Policy]
    choice: Choice | None = None


def run_engine(engine: Engine, x: npt.NDArray[np.int16], valid: BoolArray) -> tuple[npt.NDArray[np.int16], BoolArray]:
    """Run sequences.

    Parameters
    ----------
    x : int16 [N, T, I]
    valid : bool [N, T]

    Returns
    -------
    h : int16 [N, T, sum of all H]
        Of all layers side by side.
    deferred : bool [N, T, L]
        Steps after which the low plane is deferred.
    """
    model = GoldenModel(engine.network, engine.config)
    pieces = []
    if engine.choice is None:
        pieces.append(model.run(x, engine.policies))
    else:
        chosen, state = engine.choice(valid), model.zero_state(len(x))
        for t in range(x.shape[1]):
            pieces.append(model.run(x[:, t : t + 1], engine.policies, state, restart=t == 0))
            for index, (each, trace) in enumerate(zip(state, pieces[-1], strict=True)):
                trace.deferred[:] = chosen[:, t, index, None, None]
                each.deferred[0] = trace.deferred[:, 0]
    h = np.concatenate([np.concatenate([trace.h for trace in traces], axis=2) for traces in pieces], axis=1)
    deferred = [np.stack([trace.deferred.all(axis=2) for trace in traces], axis=2) for traces in pieces]
    return h, np.concatenate(deferred, axis=1) & valid[:, :, None]


class EngineRunner:
    """Runs a workload's networks on engines (a ``Runner``) and counts the steps after which the low plane is deferred.

    Parameters
    ----------
    engines : dict of Engine
        By network.
    """

    def __init__(self, engines: dict[str, Engine]) -> None:
        self._engines = engines
        self.deferred = {name: np.zeros(len(engine.network.layers)) for name, engine in engines.items()}
        self.steps = dict.fromkeys(engines, 0)

    def sequences(
        self, network: str, xs: list[Float32], hints: list[Bools] | None = None, *, every_layer: bool = False
    ) -> list[Float32]:
        """See ``Runner.sequences``; hints are ignored."""
        engine, found = self._engines[network], {}
        order = sorted(range(len(xs)), key=lambda index: len(xs[index]))
        units = engine.network.layers[-1].units
        for start in range(0, len(order), BATCH):
            members = order[start : start + BATCH]
            batch, valid = masked([xs[index] for index in members])
            h, deferred = run_engine(engine, engine.network.quantise_input(batch), valid)
            self.deferred[network] += deferred.sum(axis=(0, 1))
            self.steps[network] += int(valid.sum())
            for index, row in zip(members, h, strict=True):
                used = row if every_layer else row[:, -units:]
                found[index] = used[: len(xs[index])] * np.float32(2.0**-H_FRAC)
        return [found[index] for index in range(len(xs))]

    def session(self, network: str, sequences: int, state: State | None = None) -> Session:
        """Not of use here: the workloads that train have no loop through the host."""
        raise NotImplementedError

    @property
    def shares(self) -> dict[str, npt.NDArray[np.float64]]:
        """Part of the steps that deferred the low plane so far: per network float64 [L]."""
        return {name: count / max(1, self.steps[name]) for name, count in self.deferred.items()}

    @property
    def share(self) -> float:
        """The same over all networks and layers."""
        deferred = sum(float(each.mean()) for each in self.deferred.values())
        return deferred / max(1, sum(self.steps.values()))


def random_steps(share: npt.NDArray[np.float64], seed: int) -> Choice:
    """Steps drawn at random, as many of each layer as a share (float64 [L]) says."""
    rng = np.random.default_rng(seed)

    def choose(valid: BoolArray) -> BoolArray:
        return (rng.random((*valid.shape, len(share))) < share) & valid[:, :, None]

    return choose


def every_second(layers: int) -> Choice:
    """Every second step."""

    def choose(valid: BoolArray) -> BoolArray:
        second = (np.arange(valid.shape[1]) % 2 == 1) & valid
        return np.repeat(second[:, :, None], layers, axis=2)

    return choose


def after_warmup(share: npt.NDArray[np.float64]) -> Choice:
    """The last part of every sequence, as large as a share (float64 [L]) says."""

    def choose(valid: BoolArray) -> BoolArray:
        first = np.rint(valid.sum(axis=1)[:, None] * (1.0 - share))
        return (np.arange(valid.shape[1])[:, None] >= first[:, None]) & valid[:, :, None]

    return choose


def every_step(layers: int) -> Choice:
    """All steps: the low plane is only served in the first ones, while there is no decision."""

    def choose(valid: BoolArray) -> BoolArray:
        return np.repeat(valid[:, :, None], layers, axis=2)

    return choose


def middle_width(engine: Engine) -> Engine:
    """The same engine with weights of six bits, the nearest to those of eight, in layers of eight."""
    step, top = 1 << (8 - MIDDLE), (1 << (MIDDLE - 1)) - 1
    # Ties go to even: a quarter of the weights are ties, and all of them upwards would be a bias. Weights stay whole,
    # as digits leave out levels that six bits have.
    layers = tuple(
        replace(layer, weights=np.clip(np.rint(layer.weights / step), -top, top).astype(np.int64) * step, planes=1)
        for layer in engine.network.layers
    )
    config = replace(engine.config, planes=1, monitor=False)
    return replace(engine, network=replace(engine.network, layers=layers), config=config)
