"""Which steps are chosen: the rule of the monitor, its controls, and what could be learned."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstmith.golden.encoder import BoolArray
from lstmith.scripts.bench.steps.runner import Recorded
from lstmith.spec.quantised import IntArray
from lstmith.workloads.workload import Float64

#: By network, one for each of its calls.
Tables = dict[str, list[Float64]]
#: Of squared weights of the learned rule, beside features of unit spread.
RIDGE = 1.0


class TableChoice:
    """Steps that were chosen before the run (a :class:`.runner.Choice`): the same part of each network's steps.

    Parameters
    ----------
    scores : dict of list of float64 [N, T]
        Per network and call; the lowest are chosen.
    valid : dict of list of bool [N, T]
        Steps that there are. The first of a sequence is never chosen.
    share : float
    """

    def __init__(self, scores: Tables, valid: dict[str, list[BoolArray]], share: float):
        self.chosen: dict[str, list[BoolArray]] = {}
        for name, tables in scores.items():
            counted = [_without_first(each) for each in valid[name]]
            every = np.concatenate([table[keep] for table, keep in zip(tables, counted, strict=True)])
            steps = sum(int(each.sum()) for each in valid[name])
            ranks = np.empty(len(every), dtype=np.int64)
            ranks[np.argsort(every, kind="stable")] = np.arange(len(every))
            low = ranks < round(share * steps)
            self.chosen[name] = []
            for keep in counted:
                table = np.zeros(keep.shape, dtype=bool)
                table[keep], low = low[: keep.sum()], low[keep.sum() :]
                self.chosen[name].append(table)

    def columns(self, network: str, call: int, t: int, index: int, gap: IntArray) -> BoolArray:
        """See :class:`.runner.Choice`; a loop that goes on longer than float's reads everything there."""
        table = self.chosen[network][call]
        return table[:, t, None] if t < table.shape[1] else np.zeros((len(gap), 1), dtype=bool)


class SmallChanges:
    """Columns that are behind by little (a :class:`.runner.Choice`), whatever the step.

    Parameters
    ----------
    theta : int
        In steps of the operand grids.
    """

    def __init__(self, theta: int):
        self._theta = theta

    def columns(self, network: str, call: int, t: int, index: int, gap: IntArray) -> BoolArray:
        """See :class:`.runner.Choice`."""
        return np.abs(gap) <= self._theta


class RandomColumns:
    """Columns by lot (a :class:`.runner.Choice`).

    Parameters
    ----------
    fraction : float
    seed : int
    """

    def __init__(self, fraction: float, seed: int):
        self._fraction, self._rng = fraction, np.random.default_rng(seed)

    def columns(self, network: str, call: int, t: int, index: int, gap: IntArray) -> BoolArray:
        """See :class:`.runner.Choice`."""
        found: BoolArray = self._rng.random(gap.shape) < self._fraction
        return found


@dataclass(frozen=True)
class Seen:
    """What is known when a step begins, float64 [N, T] each, of a run that reads everything.

    Parameters
    ----------
    ratio : float64 [N, T]
        The papers' rule: by how much the step before moved the cell state, over its size (D / N).
    late_ratio : float64 [N, T]
        The same of the step before that: what an engine knows that waits for nothing.
    features : float64 [N, T, F]
        More of the kind, and the step's own x.
    """

    ratio: Float64
    late_ratio: Float64
    features: Float64

    @classmethod
    def of(cls, recorded: Recorded) -> Seen:
        """What a recorded run shows."""
        shape = recorded.valid.shape
        moved, size, turned = (np.zeros(shape) for _ in range(3))
        for t in range(shape[1]):
            for before, after in zip(recorded.states[t], recorded.states[t + 1], strict=True):
                moved[:, t] += np.abs(after.c - before.c).sum(axis=1)
                size[:, t] += np.abs(after.c).sum(axis=1)
                turned[:, t] += np.abs(after.h - before.h).sum(axis=1)
        ratio = moved / np.maximum(size, 1.0)
        x = recorded.x.astype(np.float64)
        novelty = np.abs(np.diff(x, axis=1, prepend=x[:, :1])).sum(axis=2)
        columns = [
            *(_late(each, lag) for each in (ratio, moved, size, turned) for lag in (1, 2)),
            novelty,
            np.abs(x).sum(axis=2),
            _late(novelty, 1),
            np.broadcast_to(np.arange(shape[1], dtype=np.float64), shape),
        ]
        return cls(_late(ratio, 1), _late(ratio, 2), np.log1p(np.stack(columns, axis=2)))


def random_scores(valid: dict[str, list[BoolArray]], seed: int) -> Tables:
    """Steps by lot."""
    rng = np.random.default_rng(seed)
    return {name: [rng.random(each.shape) for each in tables] for name, tables in valid.items()}


def periodic_scores(valid: dict[str, list[BoolArray]], share: float) -> Tables:
    """Steps at equal distances, as near as a share lets them."""

    def scores(valid: BoolArray) -> Float64:
        read = (np.arange(valid.shape[1]) * share) % 1.0 < 1.0 - share
        return np.broadcast_to(read.astype(np.float64), valid.shape)

    return {name: [scores(each) for each in tables] for name, tables in valid.items()}


def late_scores(valid: dict[str, list[BoolArray]]) -> Tables:
    """The last part of every sequence: only its first steps read everything."""
    return {
        name: [
            -np.arange(each.shape[1], dtype=np.float64) / np.maximum(each.sum(axis=1, keepdims=True), 1)
            for each in tables
        ]
        for name, tables in valid.items()
    }


class Learned:
    """What a step costs if its low digits are left out, by ridge regression of second order on :class:`Seen`.

    Parameters
    ----------
    seen : list of Seen
    costs : list of float64 [N, T]
        NaN where a step was not tried.
    """

    def __init__(self, seen: list[Seen], costs: list[Float64]):
        known = [~np.isnan(each) for each in costs]
        features = np.concatenate([one.features[keep] for one, keep in zip(seen, known, strict=True)])
        wanted = np.concatenate([each[keep] for each, keep in zip(costs, known, strict=True)])
        # Ranks: a few steps cost a hundred times what most do.
        ranks = np.empty(len(wanted))
        ranks[np.argsort(wanted, kind="stable")] = np.linspace(-1, 1, len(wanted))
        self._mean, self._spread = features.mean(axis=0), features.std(axis=0) + 1e-9
        expanded = self._expanded(features)
        square = expanded.T @ expanded + RIDGE * np.eye(expanded.shape[1])
        self._weights = np.linalg.solve(square, expanded.T @ ranks)

    def scores(self, seen: Seen) -> Float64:
        """Expected rank of the cost of each step, float64 [N, T]."""
        found: Float64 = self._expanded(seen.features.reshape(-1, seen.features.shape[2])) @ self._weights
        return found.reshape(seen.ratio.shape)

    def _expanded(self, features: Float64) -> Float64:
        plain = (features - self._mean) / self._spread
        pairs = np.triu_indices(plain.shape[1])
        return np.concatenate([np.ones((len(plain), 1)), plain, plain[:, pairs[0]] * plain[:, pairs[1]]], axis=1)


def _late(values: Float64, lag: int) -> Float64:
    """What was true so many steps before; a sequence begins restless."""
    found = np.full_like(values, values.max(initial=0.0))
    found[:, lag:] = values[:, : values.shape[1] - lag]
    return found


def _without_first(valid: BoolArray) -> BoolArray:
    found = valid.copy()
    found[:, 0] = False
    return found
