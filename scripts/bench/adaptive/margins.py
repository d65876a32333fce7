"""How cautious a choice of policies must be, found on the data to tune on alone.

``python -m lstmith.scripts.bench.adaptive.margins NETWORK...`` tries policies with thresholds of both planes, deals the
units of judgement into halves many times, chooses on one half under several margins, and looks at the other half: how
often the choice loses more than it may there, and how many cycles caution costs. The result is why the bench has the
margin that it has; held-out data is not read.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lstmith.scripts.bench.adaptive.bench import ABSOLUTE, RELATIVE, TRIALS, chosen
from lstmith.scripts.bench.adaptive.networks import LANES, Static
from lstmith.scripts.bench.adaptive.runner import GoldenRunner
from lstmith.scripts.bench.adaptive.search import PLANES, Bed, loss_of, thresholds
from lstmith.spec.policy import Policy
from lstmith.tuning.search import Measured, Trial, search
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.workload import Scores

MARGINS = (0.0, 0.1, 0.25, 0.5, 1.0)
SPLITS = 200
SEED = 5
#: Networks whose 8-bit weights lose something by themselves.
WIDE = {"icu_thai": Static(16, 16)}

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tried:
    """Policies with their scores by unit, and float's."""

    trials: list[Trial]
    scores: list[Scores]
    of_float: Scores

    def seen(self, units: Bools, higher_is_better: bool) -> tuple[list[Trial], float]:
        """The trials as if these units were all there is, and the loss that counts as none."""
        wanted = _value(self.of_float, units)
        limit = RELATIVE * abs(wanted) if wanted else ABSOLUTE
        sign = -1.0 if higher_is_better else 1.0
        found = []
        for trial, scores in zip(self.trials, self.scores, strict=True):
            loss = sign * (_value(scores, units) - wanted)
            found.append(replace(trial, measured=replace(trial.measured, loss=loss)))
        return found, limit


def tried(name: str, trials: int) -> tuple[Tried, bool]:
    """Search thresholds of both planes as the bench does, and keep the scores of every unit."""
    bed = Bed.build(name, WIDE.get(name, Static(8, 8)), LANES)
    joint, runner = bed.joint(), GoldenRunner(bed.engines, cuts=True)
    of_float = bed.workload.evaluate("tune", FloatRunner(bed.workload))
    limit = RELATIVE * abs(of_float.value) if of_float.value else ABSOLUTE
    scores: dict[int, Scores] = {}

    def measure(several: list[list[Policy]]) -> list[Measured]:
        found = []
        for policies in several:
            runner.begin(joint.by_network(policies))
            judged = bed.workload.evaluate("tune", runner)
            cycles = float(np.mean([costs.cycles_per_step for costs in runner.costs().values()]))
            loss = loss_of(bed.workload, judged.value, of_float.value)
            found.append(Measured(judged.value, loss, cycles, runner.error()))
            scores[id(found[-1])] = judged
        return found

    space = thresholds(joint)[PLANES]
    done = search(measure, space, trials=trials, max_loss=limit, starts=space.starts())
    return Tried(done, [scores[id(one.measured)] for one in done], of_float), bed.workload.metric.higher_is_better


def compared(found: Tried, higher_is_better: bool) -> list[dict[str, float]]:
    """Per margin: how often the choice on one half loses too much on the other, and cycles per step of the choices."""
    rng, units = np.random.default_rng(SEED), len(found.of_float.numerator)
    rows = []
    halves = [rng.permutation(units) < units // 2 for _ in range(SPLITS)]
    for margin in MARGINS:
        beyond, over, cycles = 0, [], []
        for half in halves:
            one, limit = found.seen(half, higher_is_better)
            other, other_limit = found.seen(~half, higher_is_better)
            best, _ = chosen(one, one, limit, margin)
            there = other[next(index for index, trial in enumerate(one) if trial is best)].measured
            beyond += there.loss > other_limit
            over.append(there.loss / other_limit)
            cycles.append(there.cycles)
        rows.append(
            {
                "margin": margin,
                "beyond": beyond / SPLITS,
                "loss of limit": float(np.mean(over)),
                "cycles": float(np.mean(cycles)),
            }
        )
    return rows


def main(names: list[str], scale: float = 0.5) -> None:
    """Print a table per network, and keep it in build/margins."""
    folder = Path("build/margins")
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        found, higher = tried(name, round(TRIALS[name] * scale))
        rows = compared(found, higher)
        (folder / f"{name}.json").write_text(json.dumps(rows) + "\n")
        print(f"{name}: {len(found.trials)} policies, {len(found.of_float.numerator)} units")
        for row in rows:
            print("  " + "  ".join(f"{key} {value:.3f}" for key, value in row.items()), flush=True)


def _value(scores: Scores, units: Bools) -> float:
    return float(scores.numerator[units].sum() / scores.denominator[units].sum())


if __name__ == "__main__":
    main(sys.argv[1:] or list(TRIALS))
