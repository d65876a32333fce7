"""How few units and letters the words can do with: ``python -m lstmith.scripts.bench.g2p_plan``.

Plans are chosen on the tuning words in float and judged on the held-out ones, those chosen also in the integers of an
engine with W8A8, where cycles are counted. Takes some minutes.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from lstmith.cli.console import out, progress, table
from lstmith.scripts.bench.adaptive.networks import Static, engine_for, quantised
from lstmith.scripts.bench.adaptive.runner import GoldenRunner
from lstmith.spec.policy import Mode, Policy, Skip
from lstmith.tuning.engine import GoldenEngine
from lstmith.workloads.g2p import G2p, Plan, Spoken, load
from lstmith.workloads.g2p_data import Entry, entries
from lstmith.workloads.g2p_float import SkippingRunner
from lstmith.workloads.g2p_score import phoneme_errors, word_errors
from lstmith.workloads.workload import Scores

LANES = 16
FULL_FROM = (0, *range(6, 15))
TOLERANCES = (0.0, 0.3, 0.5, 0.7, 0.9)
MARGINS = (0.01, 0.05)  #: by which the word error rate may grow, relative
SEED = 1


@dataclass(frozen=True)
class Judged:
    """A plan on some words.

    Parameters
    ----------
    words, phonemes : Scores
        Errors.
    work : float
        Sum over steps of columns times folds, to which the cycles of a dense core are proportional.
    letters : int
        Steps of the encoder.
    """

    words: Scores
    phonemes: Scores
    work: float
    letters: int


def work(workload: G2p, spoken: Spoken) -> float:
    """See `Judged.work`."""
    total = 0
    for name, steps in spoken.steps.items():
        layer = workload.networks[name].layers[0]
        total += int(steps.sum()) * -(-layer.units // LANES) * (layer.inputs + layer.units)
    return total


def judge(workload: G2p, words: list[Entry], plan: Plan) -> Judged:
    """Pronounce words by a plan."""
    planned = workload.with_plan(plan)
    spoken = planned.speak(words, SkippingRunner(planned))
    letters = sum(int(steps.sum()) for name, steps in spoken.steps.items() if name.startswith("encoder"))
    errors = word_errors(words, spoken.phonemes), phoneme_errors(words, spoken.phonemes)
    return Judged(*errors, work(planned, spoken), letters)


class Engines:
    """The networks of a workload on engines of ``LANES`` lanes with 8-bit weights and operands."""

    def __init__(self, workload: G2p):
        self._workload, starts = workload, workload.starts()
        engines = {}
        for name, source in workload.networks.items():
            made = quantised(source, workload.calibration[name], Static(8, 8), starts.get(name))
            engines[name] = GoldenEngine(made, source, engine_for(made, LANES))
        self._runner = GoldenRunner(engines, cuts=False)

    def judge(self, words: list[Entry], plan: Plan) -> tuple[Scores, int]:
        """Word errors, and the cycles of all steps; marked letters are skipped, all else is dense."""
        policy = Policy(Mode.DENSE, skip=Skip(hints=True))
        planned = self._workload.with_plan(plan)
        # After its end a word is not the decoder's business.
        self._runner.begin({name: [policy if "encoder" in name else Policy(Mode.DENSE)] for name in planned.networks})
        scores = word_errors(words, planned.speak(words, self._runner).phonemes)
        return scores, sum(int(costs.cycles.sum()) for costs in self._runner.costs().values())


def least_work(tried: dict[Plan, Judged], rate: float) -> Plan:
    """The plan of least work among those with at most that word error rate."""
    return min((plan for plan in tried if tried[plan].words.value <= rate), key=lambda plan: tried[plan].work)


def main() -> None:
    """Print error rates and work of plans on the held-out words."""
    base, adaptive = load(), load("adaptive")
    tune, heldout = entries("tune"), entries("heldout")
    plans = [Plan(*kind) for kind in itertools.product(FULL_FROM, TOLERANCES)]
    tried = {}
    with progress("tuning words", len(plans)) as report:
        for done, plan in enumerate(plans, 1):
            tried[plan] = judge(adaptive, tune, plan)
            report(done)
    reference = judge(base, heldout, Plan())
    limit = judge(base, tune, Plan()).words.value
    chosen = {f"{margin:.0%}": least_work(tried, (1 + margin) * limit) for margin in MARGINS}
    shown = {
        **{
            _name(plan): plan for plan in (*map(Plan, FULL_FROM), *(Plan(0, tolerance) for tolerance in TOLERANCES[1:]))
        },
        **{f"{name}: {_name(plan)}": plan for name, plan in chosen.items()},
    }
    rows = [_row("base", reference, reference)]
    rows += [_row(name, judge(adaptive, heldout, plan), reference) for name, plan in shown.items()]
    columns = ["units, tolerance", "WER %", "against base %", "PER %", "letters skipped %", "less work"]
    out.print(table("Held-out words in float; plans for a margin are chosen on tuning words", columns, rows))
    wrong, dense = Engines(base).judge(heldout, Plan())
    engines = Engines(adaptive)
    rows = [["base", f"{100 * wrong.value:.2f}", "", "1.00 x"]]
    for name, plan in chosen.items():
        scores, cycles = engines.judge(heldout, plan)
        rows.append(
            [f"{name}: {_name(plan)}", f"{100 * scores.value:.2f}", _change(scores, wrong), f"{dense / cycles:.2f} x"]
        )
    columns = ["units, tolerance", "WER %", "against base %", "fewer cycles"]
    out.print(table(f"Held-out words on engines of {LANES} lanes, W8A8, all else dense", columns, rows))


def _name(plan: Plan) -> str:
    units = f"all from {plan.full_from} letters" if plan.full_from else "all"
    return f"{units}, {plan.tolerance}"


def _row(name: str, judged: Judged, reference: Judged) -> list[object]:
    return [
        name,
        f"{100 * judged.words.value:.2f}",
        _change(judged.words, reference.words),
        f"{100 * judged.phonemes.value:.2f}",
        f"{100 * (1 - judged.letters / reference.letters):.1f}",
        f"{reference.work / judged.work:.2f} x",
    ]


def _change(words: Scores, reference: Scores) -> str:
    """Relative change of the error rate with its 95 % interval."""
    # Both judge the same words, so that their difference is surer than either.
    paired = Scores(words.numerator - reference.numerator, np.full(len(words.numerator), 1.0))
    below, above = (bound / reference.value for bound in paired.bootstrap(SEED))
    return f"{100 * paired.value / reference.value:+.1f} ({100 * below:+.1f} - {100 * above:+.1f})"


if __name__ == "__main__":
    main()
