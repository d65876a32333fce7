"""The golden model as an engine of the workloads: every network of a workload under its policies, with the costs."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lstmith.compiler.quantise.encode import quantised_state
from lstmith.golden.activity import LayerTrace
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import IntArray
from lstmith.tuning.activity import Costs
from lstmith.tuning.engine import GoldenEngine, Prepared, begun, join_steps
from lstmith.tuning.metrics import h_error
from lstmith.tuning.pieces import Recorded
from lstmith.workloads.float_runner import FloatSession
from lstmith.workloads.workload import Bools, Float32, Float64, State


class Forced(Protocol):
    """After which steps a control decides to defer the low plane, instead of the monitor."""

    def sequences(self, network: str, lengths: list[int]) -> list[Bools]:
        """Of whole sequences: bool [T] each."""

    def step(self, network: str, index: int, sequences: int) -> Bools:
        """Of one step of sequences side by side, bool [N]."""


class GoldenRunner:
    """Runs a workload's networks (a :class:`lstmith.workloads.workload.Runner`).

    Parameters
    ----------
    engines : dict of GoldenEngine
        Per network.
    cuts : bool
        Long sequences are cut into pieces: faster, and a little less exact.
    """

    def __init__(self, engines: dict[str, GoldenEngine], *, cuts: bool):
        self.engines, self._cuts = engines, cuts
        self._prepared: dict[bytes, Prepared] = {}
        self._policies: dict[str, list[Policy]] = {}
        self._forced: Forced | None = None
        self._found: dict[str, list[Costs]] = {}
        self._sessions: list[GoldenSession] = []
        self._wanted: dict[bytes, list[Float32]] = {}
        self._errors: list[float] = []

    def begin(self, policies: dict[str, list[Policy]], forced: Forced | None = None) -> None:
        """Forget the costs so far; what follows runs under ``policies``."""
        self._policies, self._forced = policies, forced
        self._found, self._sessions, self._errors = defaultdict(list), [], []

    def error(self) -> float:
        """Mean absolute error of h against float since :meth:`begin`, every run and session counting the same.

        Of a session, float is given the inputs that the session had.
        """
        return float(np.mean([*self._errors, *(session.error() for session in self._sessions)]))

    def costs(self) -> dict[str, Costs]:
        """Costs since :meth:`begin`, per network."""
        for session in self._sessions:
            self._found[session.network].append(session.costs())
            self._errors.append(session.error())
        self._sessions = []
        return {network: Costs.joined(parts) for network, parts in self._found.items()}

    def sequences(
        self, network: str, xs: list[Float32], hints: list[Bools] | None = None, *, every_layer: bool = False
    ) -> list[Float32]:
        """See :meth:`lstmith.workloads.workload.Runner.sequences`."""
        engine = self.engines[network]
        key = hashlib.sha256(b"".join([network.encode(), *(x.tobytes() for x in xs)])).digest()
        if key not in self._prepared:
            recorded = Recorded(xs)
            self._prepared[key] = engine.prepared(recorded, cuts=self._cuts)
            trace = recorded.float_trace(engine.source).h[-1]
            self._wanted[key] = [one[: len(x)].astype(np.float32) for one, x in zip(trace, xs, strict=True)]
        run = engine.run(
            self._prepared[key],
            self._policies[network],
            hints=hints,
            deferred=None if self._forced is None else self._forced.sequences(network, [len(x) for x in xs]),
            every_layer=every_layer,
        )
        self._found[network].append(run.costs)
        units = engine.network.layers[-1].units
        self._errors.append(h_error([h[:, -units:] for h in run.h], self._wanted[key]))
        return run.h

    def session(self, network: str, sequences: int, state: State | None = None) -> GoldenSession:
        """See :meth:`lstmith.workloads.workload.Runner.session`."""
        made = GoldenSession(network, self.engines[network], self._policies[network], sequences, state, self._forced)
        self._sessions.append(made)
        return made


@dataclass
class _Step:
    traces: list[LayerTrace]
    hint: Bools


class GoldenSession:
    """Sequences in step (a :class:`lstmith.workloads.workload.Session`).

    A step that the host marks and the policy does not skip is not counted: the host would not have run it.
    """

    def __init__(
        self,
        network: str,
        engine: GoldenEngine,
        policies: list[Policy],
        sequences: int,
        state: State | None,
        forced: Forced | None,
    ):
        self.network, self._forced = network, forced
        self._engine, self._policies = engine, policies
        given = state and quantised_state(engine.network, engine.config.c_width, state)
        self._state = begun(engine, policies, sequences, given or None)
        self._float = FloatSession(engine.source, sequences, state)
        self._steps: list[_Step] = []
        self._errors: list[Float64] = []

    def step(self, x: Float32, hint: Bools | None = None) -> Float32:
        """See :meth:`lstmith.workloads.workload.Session.step`."""
        marks = np.zeros(len(x), dtype=bool) if hint is None else hint
        traces = self._engine.model.run(
            self._engine.network.quantise_input(x)[:, None],
            self._policies,
            self._state,
            restart=not self._steps,
            hints=marks[:, None],
        )
        if self._forced is not None:
            self._engine.force(self._state, traces, self._forced.step(self.network, len(self._steps), len(x)))
        self._steps.append(_Step(traces, marks.copy()))
        h: Float32 = traces[-1].h[:, 0] * np.float32(self._engine.network.layers[-1].h_lsb)
        self._errors.append(np.abs(h - self._float.step(x)).mean(axis=1)[~marks])
        return h

    def error(self) -> float:
        """Mean absolute error of h against float, of the steps that were not marked."""
        return float(np.concatenate(self._errors).mean())

    def state(self) -> State:
        """See :meth:`lstmith.workloads.workload.Session.state`."""
        layers = self._engine.network.layers
        return [
            (_real(state.h, layer.h_lsb), _real(state.c, layer.c_lsb))
            for state, layer in zip(self._state, layers, strict=True)
        ]

    def costs(self) -> Costs:
        """Costs of the steps so far."""
        traces = join_steps([step.traces for step in self._steps])
        marks = np.stack([step.hint for step in self._steps], axis=1)
        counted = ~marks | self._policies[0].skip.hints
        cycles = self._engine.cycles(traces, self._policies, marks)
        return Costs.of(self._engine.network, self._engine.config, traces, cycles, counted)


def _real(value: IntArray, lsb: float) -> np.ndarray:
    return value.astype(np.float64) * lsb
