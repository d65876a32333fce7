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

#: Part of the steps of the data to tune on that the rule skips.
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


def random_steps(seed: int, share: float = SHARE) -> Hints:
    """Steps by lot, never two in a row and never the first, as the rule's limit has it."""

    def marks(sequences: int, steps: int) -> Bools:
        # Of those that follow a computed step, so many are skipped that the share comes out.
        drawn = np.random.default_rng(seed).random((sequences, steps)) < share / (1 - share)
        for t in range(1, steps):
            drawn[:, t] &= ~drawn[:, t - 1]
        drawn[:, 0] = False
        return drawn

    return marks


def periodic(share: float = SHARE) -> Hints:
    """Steps at equal distances."""

    def marks(sequences: int, steps: int) -> Bools:
        found: Bools = np.broadcast_to(np.arange(steps) * share % 1.0 >= 1.0 - share, (sequences, steps)).copy()
        return found

    return marks


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
        rule = Skip(change=_threshold(bed, policies, report), limit=1)
        # Controls skip as many steps as the rule does where both are judged, so that they cost the same.
        share = float(np.mean(_costs(bed, policies, rule, None)["skipped"]))
        ways = [
            Way(NONE, Skip()),
            Way(RULE, rule),
            *(Way(f"random, seed {seed}", Skip(hints=True), random_steps(seed, share)) for seed in SEEDS),
            Way("periodic", Skip(hints=True), periodic(share)),
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
                costs = _told(runner)
                # Exact deltas change no h.
                delta = _costs(used, used.uniform(Policy(Mode.DELTA)), way.skip, way.hints) if base == "dense" else {}
                loss = difference(bed.workload, scores[way.name], of_float)
                rows.append(
                    {
                        "base": base,
                        "trained": trained,
                        "name": way.name,
                        **costs,
                        "delta_cycles": delta.get("cycles"),
                        "quality": scores[way.name].value,
                        "loss": loss,
                        "without_loss": loss[0] <= allowed,
                    }
                )
            for row, way in zip(rows[-len(ways) :], ways, strict=True):
                row["worse_than_rule"] = difference(bed.workload, scores[way.name], scores[RULE])
    return {"share": SHARE, "rows": rows, "efforts": efforts}


def _told(runner: GoldenRunner) -> dict[str, float]:
    """Share of skipped steps, and cycles per step, of what has run; mean of the networks."""
    costs = list(runner.costs().values())
    return {
        "skipped": float(np.mean([each.skipped.mean() for each in costs])),
        "cycles": float(np.mean([each.cycles_per_step for each in costs])),
    }


def _costs(bed: Bed, policies: dict[str, list[Policy]], skip: Skip, hints: Hints | None) -> dict[str, float]:
    """See ``_told``, on held-out data."""
    runner = HintedRunner(bed, hints, cuts=False)
    runner.begin({key: [replace(each[0], skip=skip), *each[1:]] for key, each in policies.items()})
    for name, xs in bed.workload.inputs("heldout").items():
        runner.sequences(name, xs)
    return _told(runner)


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
