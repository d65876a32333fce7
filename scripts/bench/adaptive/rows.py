"""What a policy or a control does on held-out data: one row of the adaptive bench."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lstmith.scripts.bench.adaptive.controls import MIDDLE, AfterWarmup, RandomSteps, six_bits, with_random_columns
from lstmith.scripts.bench.adaptive.networks import Static
from lstmith.scripts.bench.adaptive.runner import Forced, GoldenRunner
from lstmith.scripts.bench.adaptive.search import Bed
from lstmith.spec.policy import Policy
from lstmith.tuning.activity import Costs
from lstmith.tuning.engine import GoldenEngine

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
        Empty, or ``random steps``, ``warm-up only``, ``random columns``, ``six bits``.
    fraction : dict of float
        Per network: part of the steps, or of the list entries, that a control puts on the lower variant.
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
    networks : dict of dict
        Figures per network.
    """

    name: str
    quality: float
    low: float
    high: float
    networks: dict[str, dict[str, float]]

    @property
    def cycles(self) -> float:
        """Mean cycles per step over the networks."""
        return float(np.mean([figures["cycles_per_step"] for figures in self.networks.values()]))


def reporter(name: str, static: Static) -> Callable[[Wanted], Row]:
    """Measures on whole held-out sequences, nothing cut."""
    bed = Bed.build(name, static)
    runner = GoldenRunner(bed.engines, cuts=False)
    typical = {network: float(np.mean([len(x) for x in xs])) for network, xs in bed.workload.inputs("heldout").items()}

    def measure(wanted: Wanted) -> Row:
        used = runner
        forced: Forced | None = None
        if wanted.control == "random steps":
            forced = RandomSteps(wanted.fraction, wanted.seed)
        elif wanted.control == "warm-up only":
            forced = AfterWarmup(wanted.fraction, typical)
        elif wanted.control:
            used = GoldenRunner({key: _changed(wanted, key, engine) for key, engine in bed.engines.items()}, cuts=False)
        used.begin(wanted.policies, forced)
        scores = bed.workload.evaluate("heldout", used)
        low, high = scores.bootstrap(BOOTSTRAP_SEED)
        costs = used.costs()
        figures = {key: _figures(each, bed.engines[key]) for key, each in costs.items()}
        if wanted.control == "six bits":
            # No engine has this width: the cycles of a dense step shrink with the bits.
            for one in figures.values():
                for key in ("cycles_per_step", "cycles_p99", "cycles_max"):
                    one[key] *= MIDDLE / 8
        return Row(wanted.name, scores.value, low, high, figures)

    return measure


def prepare(name: str, static: Static) -> Callable[[], Callable[[Wanted], Row]]:
    """:func:`reporter`, to be called in another process."""
    return functools.partial(reporter, name, static)


def _changed(wanted: Wanted, network: str, engine: GoldenEngine) -> GoldenEngine:
    if wanted.control == "random columns":
        return with_random_columns(engine, wanted.fraction[network], wanted.seed)
    return six_bits(engine)


def _figures(costs: Costs, engine: GoldenEngine) -> dict[str, Any]:
    return {
        "steps": len(costs.cycles),
        "cycles_per_step": costs.cycles_per_step,
        "cycles_p99": float(np.percentile(costs.cycles, 99)),
        "cycles_max": float(costs.cycles.max()),
        "low_steps": float(costs.lowered.mean()),
        "low_columns": float(costs.low_entries.sum() / max(1, costs.entries.sum())),
        "skipped_steps": float(costs.skipped.mean()),
        "restarts": float(costs.restarts.mean()),
        "energy_pj": costs.energy(engine.config),
    }
