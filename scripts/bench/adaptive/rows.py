"""What a policy or a control does on held-out data: one row of the adaptive bench."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lstmith.scripts.bench.adaptive.controls import (
    MIDDLE,
    AfterWarmup,
    EverySecond,
    RandomSteps,
    six_bits,
    with_inverted_rule,
    with_random_columns,
)
from lstmith.scripts.bench.adaptive.networks import Static
from lstmith.scripts.bench.adaptive.runner import Forced, GoldenRunner
from lstmith.scripts.bench.adaptive.search import Bed, evaluator, loss_of
from lstmith.spec.policy import Policy
from lstmith.tuning.activity import Costs
from lstmith.tuning.engine import GoldenEngine
from lstmith.tuning.search import Evaluate, Measured
from lstmith.workloads.float_runner import FloatRunner

BOOTSTRAP_SEED = 1


@dataclass(frozen=True)
class Wanted:
    """What is to be measured.

    Parameters
    ----------
    name : str
    policies : dict of list of Policy
        Per network.
    control : str
        Empty, or ``random steps``, ``every second step``, ``warm-up only``, ``inverted rule``, ``random columns``,
        ``six bits``.
    fraction : dict of float
        Per network: part of the steps, or of the columns, whose low plane a control defers.
    seed : int
        Of a random control.
    """

    name: str
    policies: dict[str, list[Policy]]
    control: str = ""
    fraction: dict[str, float] = field(default_factory=dict)
    seed: int = 1


@dataclass(frozen=True)
class Row:
    """What was measured.

    Parameters
    ----------
    name : str
    quality, low, high : float
        The workload's metric with its 95 % interval.
    loss_low, loss_high : float
        95 % interval of the loss against float: units are drawn together with those of float.
    error : float
        Mean absolute error of h against float.
    also : dict of float
        Finer metrics of the same run.
    networks : dict of dict
        Figures per network.
    """

    name: str
    quality: float
    low: float
    high: float
    loss_low: float
    loss_high: float
    error: float
    also: dict[str, float]
    networks: dict[str, dict[str, float]]

    @property
    def cycles(self) -> float:
        """Mean cycles per step over the networks."""
        return float(np.mean([figures["cycles_per_step"] for figures in self.networks.values()]))


def reporter(bed: Bed) -> Callable[[Wanted], Row]:
    """Measures on whole held-out sequences, nothing cut."""
    of_float = bed.workload.evaluate("heldout", FloatRunner(bed.workload))
    runner = GoldenRunner(bed.engines, cuts=False)
    typical = {network: float(np.mean([len(x) for x in xs])) for network, xs in bed.workload.inputs("heldout").items()}

    def measure(wanted: Wanted) -> Row:
        used = runner
        forced: Forced | None = None
        if wanted.control == "random steps":
            forced = RandomSteps(wanted.fraction, wanted.seed)
        elif wanted.control == "warm-up only":
            forced = AfterWarmup(wanted.fraction, typical)
        elif wanted.control == "every second step":
            forced = EverySecond()
        elif wanted.control:
            used = GoldenRunner({key: _changed(wanted, key, engine) for key, engine in bed.engines.items()}, cuts=False)
        used.begin(wanted.policies, forced)
        judged = bed.workload.judged("heldout", used)
        scores, *_ = judged.values()
        low, high = scores.bootstrap(BOOTSTRAP_SEED)
        least, most = sorted(loss_of(bed.workload, end, 0.0) for end in scores.paired(of_float, BOOTSTRAP_SEED))
        costs = used.costs()
        figures = {key: _figures(each, bed.engines[key]) for key, each in costs.items()}
        if wanted.control == "six bits":
            # No engine has this width: the cycles of a dense step shrink with the bits.
            for one in figures.values():
                for key in ("cycles_per_step", "cycles_p99", "cycles_max"):
                    one[key] *= MIDDLE / 8
        also = {key: each.value for key, each in judged.items() if each is not scores}
        return Row(wanted.name, scores.value, low, high, least, most, used.error(), also, figures)

    return measure


class Judge:
    """Measures rows on held-out data and policies on the data to tune on.

    Parameters
    ----------
    name : str
        The workload.
    static : Static
    lanes : int
    """

    def __init__(self, name: str, static: Static, lanes: int):
        self._bed = Bed.build(name, static, lanes)

    @functools.cached_property
    def _row(self) -> Callable[[Wanted], Row]:
        return reporter(self._bed)

    @functools.cached_property
    def _evaluate(self) -> Evaluate:
        return evaluator(self._bed)

    def __call__(self, item: Wanted | list[Policy]) -> Row | Measured:
        """A row for :class:`Wanted`, a measurement for policies of all layers of all networks."""
        return self._row(item) if isinstance(item, Wanted) else self._evaluate(item)


def prepare(name: str, static: Static, lanes: int) -> Callable[[], Judge]:
    """:class:`Judge`, to be made in another process."""
    return functools.partial(Judge, name, static, lanes)


def _changed(wanted: Wanted, network: str, engine: GoldenEngine) -> GoldenEngine:
    if wanted.control == "random columns":
        return with_random_columns(engine, wanted.fraction[network], wanted.seed)
    if wanted.control == "inverted rule":
        return with_inverted_rule(engine)
    return six_bits(engine)


def _figures(costs: Costs, engine: GoldenEngine) -> dict[str, Any]:
    return {
        "steps": len(costs.cycles),
        "cycles_per_step": costs.cycles_per_step,
        "cycles_p99": float(np.percentile(costs.cycles, 99)),
        "cycles_max": float(costs.cycles.max()),
        "deferred_steps": float(costs.deferred.mean()),
        "low_words": float(costs.words[:, 1].mean()),
        "top_words": float(costs.words[:, 0].mean()),
        "skipped_steps": float(costs.skipped.mean()),
        "restarts": float(costs.restarts.mean()),
        "energy_pj": costs.energy(engine.config),
    }
