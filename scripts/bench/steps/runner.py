"""A workload on a network whose low digits are left out where a choice says, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lstmith.compiler.quantise.encode import quantised_state
from lstmith.golden.encoder import BoolArray
from lstmith.golden.network import FloatNetwork, padded, run_float
from lstmith.scripts.bench.steps.model import Ints, LayerState, StepModel, nothing
from lstmith.spec.quantised import IntArray
from lstmith.workloads.float_runner import FloatSession
from lstmith.workloads.workload import Bools, Float32, Float64, Scores, State

#: Steps of a long sequence that the bootstrap draws together.
STRETCH = 64


class Choice(Protocol):
    """Where the low digits are left out."""

    def columns(self, network: str, call: int, t: int, index: int, gap: IntArray) -> BoolArray:
        """Columns that step ``t`` of layer ``index`` does not read, bool [N, 1] or [N, I + H].

        Parameters
        ----------
        network : str
        call : int
            How often the workload had run this network before.
        t : int
            From 1; the first step of a sequence reads everything.
        index : int
        gap : int64 [N, I + H]
            How far the low plane's values are behind.
        """


@dataclass(frozen=True)
class Engine:
    """A network in float and in two planes."""

    source: FloatNetwork
    model: StepModel


@dataclass
class Recorded:
    """What a workload had a network do in one call.

    Parameters
    ----------
    x : int16 [N, T, I]
    valid : bool [N, T]
    states : list of list of LayerState
        Before the first step, then after each.
    """

    x: npt.NDArray[np.int16]
    valid: BoolArray
    states: list[list[LayerState]]

    def part(self, sequences: int, steps: int) -> Recorded:
        """The first sequences and steps."""
        states = [[state.part(sequences) for state in each] for each in self.states[: steps + 1]]
        return Recorded(self.x[:sequences, :steps], self.valid[:sequences, :steps], states)

    @property
    def served(self) -> float:
        """Columns of the low plane that its steps read, all together."""
        return sum(
            float(sum(state.served[here].sum() for state in states))
            for states, here in zip(self.states[1:], self.valid.T, strict=True)
        )

    def replayed(self, model: StepModel, choice: Choice, network: str, call: int) -> Recorded:
        """The same inputs again under a choice, whatever a loop around them would have made of it."""
        states = [self.states[0]]
        for t in range(self.x.shape[1]):

            def choose(index: int, gap: IntArray, t: int = t) -> BoolArray:
                return choice.columns(network, call, t, index, gap) if t else nothing(index, gap)

            states.append([state.packed() for state in model.step(self.x[:, t], states[-1], choose)])
        return Recorded(self.x, self.valid, states)


@dataclass
class _Found:
    """Of one network: errors of h by unit, and columns of the low plane."""

    errors: list[Float64] = field(default_factory=list)
    steps: list[Float64] = field(default_factory=list)
    served: float = 0.0


class StepRunner:
    """Runs a workload's networks (a ``Runner``).

    Parameters
    ----------
    engines : dict of Engine
    """

    def __init__(self, engines: dict[str, Engine]):
        self.engines = engines
        self._wanted: dict[tuple[str, int], list[Float32]] = {}

    def begin(self, choice: Choice | None, *, record: bool = False) -> None:
        """Forget what was found; what follows runs under a choice, None reads everything."""
        self._choice, self._record = choice, record
        self._found = {name: _Found() for name in self.engines}
        self._calls = dict.fromkeys(self.engines, 0)
        self.recorded: dict[str, list[Recorded]] = {name: [] for name in self.engines}
        self._sessions: list[StepSession] = []

    def sequences(
        self, network: str, xs: list[Float32], hints: list[Bools] | None = None, *, every_layer: bool = False
    ) -> list[Float32]:
        """See ``Runner.sequences``; hints are ignored."""
        call = self._calls[network]
        session = StepSession(self, network, len(xs), None)
        batch, lengths = padded(xs)
        stream = batch.astype(np.float32)
        valid = np.arange(batch.shape[1]) < lengths[:, None]
        key = (network, call)
        if key not in self._wanted:
            self._wanted[key] = _float(self.engines[network].source, batch, lengths)
        found = [session.advance(stream[:, t], ~valid[:, t]) for t in range(batch.shape[1])]
        h = np.stack(found, axis=1)
        units = self.engines[network].model.network.layers[-1].units
        errors = [
            np.abs(row[: len(wanted), -units:] - wanted).mean(axis=1)
            for row, wanted in zip(h, self._wanted[key], strict=True)
        ]
        self._add(network, [each[at : at + STRETCH] for each in errors for at in range(0, len(each), STRETCH)])
        session.close()
        return [(row if every_layer else row[:, -units:])[:length] for row, length in zip(h, lengths, strict=True)]

    def session(self, network: str, sequences: int, state: State | None = None) -> StepSession:
        """See ``Runner.session``."""
        made = StepSession(self, network, sequences, state)
        made.floating = FloatSession(self.engines[network].source, sequences, state)
        self._sessions.append(made)
        return made

    def result(self) -> tuple[Scores, dict[str, float]]:
        """Errors of h against float by unit, and per network the columns of the low plane that a step reads.

        Sessions end here: what they recorded is in ``recorded`` afterwards.
        """
        for session in self._sessions:
            each = np.stack(session.errors, axis=1)
            counted = np.stack(session.counted, axis=1)
            self._add(session.network, [row[keep] for row, keep in zip(each, counted, strict=True)])
            session.close()
        self._sessions = []
        errors = np.concatenate([each for found in self._found.values() for each in found.errors])
        steps = np.concatenate([each for found in self._found.values() for each in found.steps])
        return Scores(errors, steps), {
            name: found.served / max(1.0, sum(float(each.sum()) for each in found.steps))
            for name, found in self._found.items()
        }

    def _add(self, network: str, units: list[Float64]) -> None:
        found = self._found[network]
        found.errors.append(np.array([each.sum() for each in units]))
        found.steps.append(np.array([float(len(each)) for each in units]))


class StepSession:
    """Sequences in step (a ``Session``)."""

    def __init__(self, runner: StepRunner, network: str, sequences: int, state: State | None):
        self.network, self._runner = network, runner
        self._engine, self._call = runner.engines[network], runner._calls[network]
        runner._calls[network] += 1
        model = self._engine.model
        given = None if state is None else quantised_state(model.network, model.config.c_width, state)
        self._now = model.begin(sequences, given)
        #: Before the first step, then after each, if the run is recorded.
        self._states = [[state.packed() for state in self._now]]
        self._xs: list[npt.NDArray[np.int16]] = []
        self._t = 0
        self.floating: FloatSession | None = None
        self.errors: list[Float64] = []
        self.counted: list[Bools] = []
        self._served = 0.0

    def step(self, x: Float32, hint: Bools | None = None) -> Float32:
        """See ``Session.step``; marked steps are computed, and not counted."""
        ended = np.zeros(len(x), dtype=bool) if hint is None else hint.copy()
        h = self.advance(x, ended)
        last = h[:, -self._engine.model.network.layers[-1].units :]
        assert self.floating is not None
        self.errors.append(np.abs(last - self.floating.step(x)).mean(axis=1).astype(np.float64))
        return last

    def advance(self, x: Float32, ended: Bools) -> Float32:
        """One step: h of all layers side by side, float32 [N, sum of all H]."""
        model, choice = self._engine.model, self._runner._choice

        def choose(index: int, gap: IntArray) -> BoolArray:
            if choice is None or self._t == 0:
                return nothing(index, gap)
            return choice.columns(self.network, self._call, self._t, index, gap)

        stream = model.network.quantise_input(x)
        states = self._now = model.step(stream, self._now, choose)
        if self._runner._record:
            self._xs.append(stream)
            self._states.append([state.packed() for state in states])
        self._t += 1
        self.counted.append(~ended)
        self._served += float(sum(state.served[~ended].sum() for state in states))
        return np.concatenate(
            [
                layer.to_source(state.h).astype(np.float32) * np.float32(layer.h_lsb)
                for layer, state in zip(model.network.layers, states, strict=True)
            ],
            axis=1,
        )

    def state(self) -> State:
        """See ``Session.state``."""
        layers = self._engine.model.network.layers
        return [
            (_real(state.h, layer.h_lsb), _real(state.c, layer.c_lsb))
            for state, layer in zip(self._now, layers, strict=True)
        ]

    def close(self) -> None:
        """Tell the runner what the session cost."""
        self._runner._found[self.network].served += self._served
        if self._runner._record:
            valid = np.stack(self.counted, axis=1)
            self._runner.recorded[self.network].append(Recorded(np.stack(self._xs, axis=1), valid, self._states))


def _float(source: FloatNetwork, batch: Float64, lengths: npt.NDArray[np.integer]) -> list[Float32]:
    h = run_float(source, batch).h[-1]
    return [row[:length].astype(np.float32) for row, length in zip(h, lengths, strict=True)]


def _real(value: Ints, lsb: float) -> Float64:
    found: Float64 = value * np.float64(lsb)
    return found
