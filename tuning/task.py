"""A design, data and a metric: what ``lstmith tune`` searches on, and what it reports."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.archive import read_archive
from lstmith.compiler.calls import program_sequences
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.host.runner import read_input
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Policy
from lstmith.tuning.activity import Costs, dense_cycles
from lstmith.tuning.engine import GoldenEngine, Prepared
from lstmith.tuning.metrics import Float32, Labels, Material, Quality, h_error, named
from lstmith.tuning.pieces import Recorded, Segment
from lstmith.tuning.search import Measured
from lstmith.tuning.space import Space
from lstmith.tuning.split import Split, split


@dataclass(frozen=True)
class Task:
    """What is tuned.

    Parameters
    ----------
    design : Design
    where : str
        Its directory.
    sequences : Sequences
    y : array or None
        Labels: [N], [N, T] or [N, T, C], of a single sequence without N.
    metric : str
    """

    design: Design
    where: str
    sequences: Sequences
    y: npt.NDArray[Any] | None
    metric: str

    @classmethod
    def load(cls, folder: Path, data: Path, metric: str, *, stateful: bool = False) -> Task:
        """Read a design and X.npz with the labels ``y``, if any.

        Calls of a graph are sequences; if ``stateful``, each starts where the one before ended.

        Raises
        ------
        UserError
            If a file is wrong.
        """
        design = Design.load(folder)
        if len(design.programs) > 1:
            told = f"holds {len(design.programs)} programs"
            raise UserError(str(folder), told, "tune a design of one of them, compiled with --layer")
        found = read_input(design, data, stateful=stateful)
        [sequences] = program_sequences(found, design.graph, (design.source,))
        return cls(design, str(folder), sequences, read_labels(data, sequences), metric)

    @functools.cached_property
    def recorded(self) -> Recorded:
        """The sequences."""
        xs = [x[:length] for x, length in zip(self.sequences.x, self.sequences.lengths, strict=True)]
        return Recorded(xs, self.sequences.state)

    @functools.cached_property
    def split(self) -> Split:
        """The two parts."""
        return split_of(self.sequences, self.y)

    @property
    def space(self) -> Space:
        """The policies of the design, scaled by the part that is tuned on."""
        return Space.of(self.design.network, self.design.engine, self._xs(self.split.tune))

    @property
    def ideal_cycles(self) -> int:
        """Cycles of a dense step at the design's own precision if nothing but reading weights took time."""
        return dense_cycles(self.design.network, self.design.engine)

    def evaluator(self, segments: list[Segment], *, cuts: bool) -> Evaluator:
        """Measures policies on segments; with ``cuts`` faster and a little less exactly, see :mod:`.pieces`."""
        engine = GoldenEngine(self.design.network, self.design.source, self.design.engine)
        trace = self.recorded.float_trace(self.design.source).h[-1]
        reference = [trace[one.sequence, one.begin : one.end].astype(np.float32) for one in segments]
        material = Material(
            self.design, self.where, self._xs(segments), self._labels(segments), reference, self.sequences.source
        )
        prepared = engine.prepared(self.recorded, segments, cuts=cuts)
        return Evaluator(engine, prepared, named(self.metric, material), reference)

    def exact(self) -> list[Policy]:
        """The policy that changes nothing: every column at the layers' precision."""
        return [Policy(Mode.DENSE)] * len(self.design.network.layers)

    def _xs(self, segments: list[Segment]) -> list[Float32]:
        return [self.recorded.xs[one.sequence][one.begin : one.end] for one in segments]

    def _labels(self, segments: list[Segment]) -> Labels | None:
        if self.y is None:
            return None
        if self.y.ndim == 1:
            return [self.y[one.sequence] for one in segments]
        return [self.y[one.sequence, one.begin : one.end] for one in segments]


class Evaluator:
    """Measures policies on one part of the data."""

    def __init__(self, engine: GoldenEngine, prepared: Prepared, quality: Quality, reference: list[Float32]):
        self._engine, self._prepared, self.quality, self._reference = engine, prepared, quality, reference

    def __call__(self, policies: list[Policy]) -> Measured:
        """See :class:`.search.Measured`."""
        return self.beside(policies, ())[0]

    def beside(self, policies: list[Policy], others: Sequence[EngineConfig]) -> tuple[Measured, list[Costs]]:
        """The same, and costs of this engine and of others that compute the same values, see `GoldenEngine.run`."""
        run = self._engine.run(self._prepared, policies, others=others)
        metric, loss = self.quality.measure(run.h)
        found = Measured(metric, loss, run.costs.cycles_per_step, h_error(run.h, self._reference))
        return found, [run.costs, *run.others]


def read_labels(data: Path, sequences: Sequences) -> npt.NDArray[Any] | None:
    """The labels ``y`` of X.npz, [N], [N, T] or [N, T, C]; None if it has none.

    Raises
    ------
    UserError
        If they do not belong to the sequences, or are no numbers.
    """
    y = read_archive(data, "give an .npz file with x").get("y")
    return None if y is None else _batched(y, sequences, f"{data} field y")


def split_of(sequences: Sequences, y: npt.NDArray[Any] | None) -> Split:
    """Sequences in two parts, whole ones where a sequence has a single label."""
    return split(sequences.lengths, sequences.source, per_sequence=y is not None and y.ndim == 1)


def _batched(y: npt.NDArray[Any], sequences: Sequences, where: str) -> npt.NDArray[Any]:
    count, steps = sequences.x.shape[:2]
    batch = y[None] if sequences.single and y.shape[:1] == (steps,) else y
    if batch.shape[:1] != (count,) or (batch.ndim > 1 and batch.shape[1] != steps):
        raise UserError(
            where, f"has shape {y.shape}", f"give a label per sequence [{count}] or per step [{count}, {steps}]"
        )
    if batch.dtype.kind not in "fiub":
        raise UserError(where, f"has type {batch.dtype}", "give numbers")
    return batch
