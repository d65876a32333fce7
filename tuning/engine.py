"""One network on the golden model, sequences in, h and costs out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.golden.activity import LayerState, LayerTrace
from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatNetwork
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import QuantNetwork
from lstmith.tuning.activity import Costs
from lstmith.tuning.pieces import (
    Batch,
    Bools,
    Float32,
    IntStates,
    Recorded,
    Segment,
    Span,
    Values,
    batches,
    joined,
    spans_of,
)


@dataclass(frozen=True)
class Run:
    """What a policy did with some sequences.

    Parameters
    ----------
    h : list of float32 [T, H]
        By segment; of the last layer, or of all layers side by side.
    costs : Costs
        Of all steps; the order of steps is that of the batches.
    others : tuple of Costs
        The same of other engines.
    """

    h: list[Float32]
    costs: Costs
    others: tuple[Costs, ...] = ()


class GoldenEngine:
    """Runs one network under any policy.

    Parameters
    ----------
    network, source : QuantNetwork, FloatNetwork
        The same network in integers and in float.
    config : EngineConfig
    model : GoldenModel or None
        Another model of the same engine, for experiments; the exact one if None.
    """

    def __init__(
        self, network: QuantNetwork, source: FloatNetwork, config: EngineConfig, model: GoldenModel | None = None
    ):
        self.network, self.source, self.config = network, source, config
        self.model = model or GoldenModel(network, config)
        self._timing = CycleModel(network, config)

    def prepared(self, recorded: Recorded, segments: list[Segment] | None = None, *, cuts: bool) -> Prepared:
        """Sequences, or segments of them, made ready to be run many times; see :mod:`.pieces` for ``cuts``."""
        wanted = recorded.everything() if segments is None else segments
        spans = spans_of(wanted, cuts=cuts)
        return Prepared(wanted, batches(self.network, self.source, self.config, recorded, spans))

    def run(
        self,
        prepared: Prepared,
        policies: list[Policy],
        *,
        hints: list[Bools] | None = None,
        deferred: list[Bools] | None = None,
        every_layer: bool = False,
        others: Sequence[EngineConfig] = (),
    ) -> Run:
        """Run sequences.

        Parameters
        ----------
        prepared : Prepared
        policies : list of Policy
        hints : list of bool [T] or None
            Steps to skip, for policies that follow hints.
        deferred : list of bool [T] or None
            Steps after which to defer the low plane, whatever the monitor decides, under policies with one; for
            control experiments.
        every_layer : bool
            Give h of all layers, first layer first.
        others : sequence of EngineConfig
            Engines whose costs are wanted too. They must compute the same values: all that differ in lanes, MAC kind
            and rows per cycle do, but for a monitor that decides for each fold.
        """
        found: list[tuple[Span, Values]] = []
        timings = [(self.config, self._timing), *((config, CycleModel(self.network, config)) for config in others)]
        costs: list[list[Costs]] = [[] for _ in timings]
        for batch in prepared.batches:
            marks, forced = (None if wanted is None else _per_batch(wanted, batch) for wanted in (hints, deferred))
            state = self._state(policies, batch)
            traces = (
                self.model.run(batch.x, policies, state, hints=marks)
                if forced is None
                else self._forced(batch, policies, state, marks, forced)
            )
            valid = np.arange(batch.x.shape[1]) < np.array([span.steps for span in batch.spans])[:, None]
            for (config, timing), parts in zip(timings, costs, strict=True):
                cycles = timing.cycles(traces, policies, marks, valid)
                parts.append(Costs.of(self.network, config, traces, cycles, batch.counted))
            outputs = [
                layer.to_source(trace.h) * np.float32(layer.h_lsb)
                for layer, trace in zip(self.network.layers, traces, strict=True)
            ]
            h = np.concatenate(outputs if every_layer else outputs[-1:], axis=2)
            found += [
                (span, row[span.begin - span.start : span.steps]) for span, row in zip(batch.spans, h, strict=True)
            ]
        own, *beside = (Costs.joined(parts) for parts in costs)
        return Run(joined(found, prepared.segments), own, tuple(beside))

    def cycles(self, traces: list[LayerTrace], policies: list[Policy], hints: Bools | None) -> npt.NDArray[np.int64]:
        """See :meth:`lstmith.golden.cycles.CycleModel.cycles`."""
        return self._timing.cycles(traces, policies, hints)

    def force(self, state: list[LayerState], traces: list[LayerTrace], decided: Bools) -> None:
        """Replace what the monitor decided after the last step, of which the traces are: bool [N]."""
        for each, trace in zip(state, traces, strict=True):
            each.deferred[0] = np.broadcast_to(decided[:, None], each.deferred[0].shape)
            trace.deferred[:, -1] = decided[:, None]

    def _state(self, policies: list[Policy], batch: Batch) -> list[LayerState]:
        if batch.state is None:
            return self.model.zero_state(len(batch.x))
        return self.model.loaded_state(policies, [(h.copy(), c.copy()) for h, c in batch.state])

    def _forced(
        self, batch: Batch, policies: list[Policy], state: list[LayerState], marks: Bools | None, deferred: Bools
    ) -> list[LayerTrace]:
        """Step by step, the monitor's decisions replaced after each."""
        steps = []
        for t in range(batch.x.shape[1]):
            now = slice(t, t + 1)
            steps.append(
                self.model.run(
                    batch.x[:, now], policies, state, restart=t == 0, hints=None if marks is None else marks[:, now]
                )
            )
            self.force(state, steps[-1], deferred[:, t])
        return join_steps(steps)


@dataclass(frozen=True)
class Prepared:
    """Segments made ready by :meth:`GoldenEngine.prepared`."""

    segments: list[Segment]
    batches: list[Batch]

    @property
    def steps(self) -> int:
        """Steps that count."""
        return sum(segment.steps for segment in self.segments)


def join_steps(steps: list[list[LayerTrace]]) -> list[LayerTrace]:
    """One trace per layer from those of single steps."""
    names = [field.name for field in dataclasses.fields(LayerTrace)]
    return [
        LayerTrace(**{name: np.concatenate([getattr(trace, name) for trace in traces], axis=1) for name in names})
        for traces in zip(*steps, strict=True)
    ]


def begun(engine: GoldenEngine, policies: list[Policy], sequences: int, state: IntStates | None) -> list[LayerState]:
    """States in which sequences begin: zero, or as given."""
    if state is None:
        return engine.model.zero_state(sequences)
    return engine.model.loaded_state(policies, state)


def _per_batch(wanted: list[Bools], batch: Batch) -> Bools:
    marks = np.zeros(batch.x.shape[:2], dtype=bool)
    for row, span in zip(marks, batch.spans, strict=True):
        row[: span.steps] = wanted[span.sequence][span.start : span.end]
    return marks
