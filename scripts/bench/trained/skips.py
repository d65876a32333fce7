"""DTLN with fewer steps: the rule and its controls, before and after the same training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from lstmith.scripts.bench.adaptive.runner import GoldenRunner
from lstmith.scripts.bench.adaptive.search import Bed
from lstmith.scripts.bench.intervals import difference
from lstmith.scripts.bench.trained.training import Hints, Teacher
from lstmith.spec.policy import Mode, Policy, Skip
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.workload import Bools, Float32, Scores

#: Part of the steps that is skipped.
SHARE = 0.231
SEEDS = (1, 2, 3)
#: Halvings of the rule's threshold, and its largest value.
HALVINGS, LARGEST = 14, 1 << 15
RULE, NONE = "rule", "no skips"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Way:
    """A way to choose the steps that are skipped.

    Parameters
    ----------
    name : str
    skip : Skip
    hints : callable or None
        Marks for N sequences of at most T steps.
    """

    name: str
    skip: Skip
    hints: Hints | None = None


class HintedRunner(GoldenRunner):
    """A runner that marks steps to be skipped itself.

    Parameters
    ----------
    bed : Bed
    hints : callable or None
    cuts : bool
    """

    def __init__(self, bed: Bed, hints: Hints | None, *, cuts: bool):
        super().__init__(bed.engines, cuts=cuts)
        self._marks = hints

    def sequences(
        self, network: str, xs: list[Float32], hints: list[Bools] | None = None, *, every_layer: bool = False
    ) -> list[Float32]:
        """See :class:`GoldenRunner`."""
        if self._marks is not None:
            marks = self._marks(len(xs), max(len(x) for x in xs))
            hints = [row[: len(x)] for row, x in zip(marks, xs, strict=True)]
        return super().sequences(network, xs, hints, every_layer=every_layer)


def random_steps(seed: int) -> Hints:
    """Steps by lot, never two in a row and never the first, as the rule's limit has it."""

    def marks(sequences: int, steps: int) -> Bools:
        # Of those that follow a computed step, so many are skipped that the share comes out.
        drawn = np.random.default_rng(seed).random((sequences, steps)) < SHARE / (1 - SHARE)
        for t in range(1, steps):
            drawn[:, t] &= ~drawn[:, t - 1]
        drawn[:, 0] = False
        return drawn

    return marks


def periodic(sequences: int, steps: int) -> Bools:
    """Steps at equal distances."""
    found: Bools = np.broadcast_to(np.arange(steps) * SHARE % 1.0 >= 1.0 - SHARE, (sequences, steps)).copy()
    return found


def measure_skips(
    bed: Bed, teacher: Teacher, planes: dict[str, list[Policy]], allowed: float, report: Report
) -> dict[str, Any]:
    """Rows of every way, on dense steps and on planes, before training and after it.

    Parameters
    ----------
    bed : Bed
    teacher : Teacher
    planes : dict of list of Policy
        Thresholds that were chosen, per network.
    allowed : float
        Loss on held-out data that counts as none.
    report : callable
    """
    of_float = bed.workload.evaluate("heldout", FloatRunner(bed.workload))
    rows, efforts = [], {}
    for base, policies in (("dense", bed.uniform(Policy(Mode.DENSE))), ("planes", planes)):
        change = _threshold(bed, policies, report)
        ways = [
            Way(NONE, Skip()),
            Way(RULE, Skip(change=change, limit=1)),
            *(Way(f"random, seed {seed}", Skip(hints=True), random_steps(seed)) for seed in SEEDS),
            Way("periodic", Skip(hints=True), periodic),
        ]
        for trained in (False, True):
            scores: dict[str, Scores] = {}
            for way in ways:
                told = f"skips of {base}, {way.name}{', trained' if trained else ''}"
                report(told)
                skipping = {key: [replace(each[0], skip=way.skip), *each[1:]] for key, each in policies.items()}
                used = bed
                if trained:
                    used, effort = teacher.taught(bed, skipping, way.hints)
                    efforts[told] = asdict(effort)
                runner = HintedRunner(used, way.hints, cuts=False)
                runner.begin(skipping)
                scores[way.name] = bed.workload.evaluate("heldout", runner)
                costs = list(runner.costs().values())
                loss = difference(bed.workload, scores[way.name], of_float)
                rows.append(
                    {
                        "base": base,
                        "trained": trained,
                        "name": way.name,
                        "skipped": float(np.mean([each.skipped.mean() for each in costs])),
                        "cycles": float(np.mean([each.cycles_per_step for each in costs])),
                        "quality": scores[way.name].value,
                        "loss": loss,
                        "without_loss": loss[0] <= allowed,
                    }
                )
            for row, way in zip(rows[-len(ways) :], ways, strict=True):
                row["worse_than_rule"] = difference(bed.workload, scores[way.name], scores[RULE])
    return {"share": SHARE, "rows": rows, "efforts": efforts}


def _threshold(bed: Bed, policies: dict[str, list[Policy]], report: Report) -> int:
    """The smallest threshold that skips the share on the data to tune on."""
    report("threshold of the rule")
    (name,) = bed.engines
    xs = bed.workload.inputs("tune")[name][::4]
    least, most = 0, LARGEST
    for _ in range(HALVINGS):
        middle = (least + most) // 2
        runner = HintedRunner(bed, None, cuts=True)
        runner.begin({name: [replace(policies[name][0], skip=Skip(change=middle, limit=1)), *policies[name][1:]]})
        runner.sequences(name, xs)
        enough = float(runner.costs()[name].skipped.mean()) >= SHARE
        least, most = (least, middle) if enough else (middle, most)
    return most
