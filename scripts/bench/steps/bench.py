"""``lstmith bench steps``: what it is worth to choose the precision of each time step, or of each column.

Every network runs with the low digits of its weights left out in the same part of its steps, chosen by the papers'
rule, by its controls, and by an oracle that tries every step on the data that judges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.golden.encoder import BoolArray
from lstmith.scripts.bench.adaptive.bench import ABSOLUTE, RELATIVE, SEEDS
from lstmith.scripts.bench.adaptive.networks import Static, engine_for, lanes_for, quantised
from lstmith.scripts.bench.intervals import BOOTSTRAP_SEED, difference
from lstmith.scripts.bench.kept import measured_and_kept
from lstmith.scripts.bench.steps.choices import (
    Learned,
    RandomColumns,
    Seen,
    SmallChanges,
    TableChoice,
    Tables,
    late_scores,
    periodic_scores,
    random_scores,
)
from lstmith.scripts.bench.steps.columns import counted, fraction_for, theta_for
from lstmith.scripts.bench.steps.model import Form, StepModel
from lstmith.scripts.bench.steps.oracle import costs
from lstmith.scripts.bench.steps.runner import Choice, Engine, Recorded, StepRunner
from lstmith.workloads.catalogue import NAMES, load
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.workload import Scores, Workload

#: Part of the steps of low precision: what the papers report for speech (Silfa et al., HiPC 2020).
SHARE = 0.57
#: How often the oracle tries every step again, around what it chose before; the best of them counts.
ROUNDS = 2
#: Steps that are tried to learn from, on the data to tune on.
LEARNT_FROM = 2000
#: Networks whose weights have 16 bits, because 8 lose something (`lstmith bench adaptive`).
WIDE = ("icu_thai",)
RULE = "rule"
ORACLE = "oracle"
EVERYTHING = "nothing left out"
BY_CHANGE, BY_LOT = "columns of small change", "random columns"
#: What the rule must beat, or it shows nothing.
CONTROLS = ("random steps", "periodic", "warm-up", "inverted rule", "learned")
Report = Callable[[str], None]


@dataclass(frozen=True)
class Row:
    """One choice.

    Parameters
    ----------
    name : str
    form : str
    words : float
        Columns of the low plane that a step reads, over those of a run that leaves nothing out.
    error : float
        Mean absolute error of h against float.
    error_more : list of float
        By how much more than the rule's, of the rule's: value and 95 % interval of a paired bootstrap.
    quality : float
    loss : list of float
        Against float: value and 95 % interval.
    loss_more : list of float
        Against the rule: value and 95 % interval.
    without_loss : bool
    """

    name: str
    form: str
    words: float
    error: float
    error_more: list[float]
    quality: float
    loss: list[float]
    loss_more: list[float]
    without_loss: bool


@dataclass(frozen=True)
class Outcome:
    """What a choice did on held-out data."""

    quality: Scores
    error: Scores
    words: float

    @classmethod
    def mean(cls, several: list[Outcome]) -> Outcome:
        """Of several draws: means by unit."""
        quality, error = (_mean([getattr(each, name) for each in several]) for name in ("quality", "error"))
        return cls(quality, error, float(np.mean([each.words for each in several])))


def _mean(several: list[Scores]) -> Scores:
    numerators, denominators = ([getattr(each, name) for each in several] for name in ("numerator", "denominator"))
    return Scores(np.mean(numerators, axis=0), np.mean(denominators, axis=0))


def run_steps(names: list[str], report: Report, folder: Path) -> dict[str, Any]:
    """Measure networks, and give the figures of all that were ever measured as JSON values.

    Parameters
    ----------
    names : list of str
    report : callable
        Told what is going on.
    folder : Path
        Keeps each network's figures, so that one may be measured again without the others.
    """
    return {"share": SHARE} | measured_and_kept(names, NAMES, lambda name: Bench(name, report).measured(), folder)


def engines_of(workload: Workload, wide: bool, form: Form) -> dict[str, Engine]:
    """Every network of a workload in two planes."""
    static, starts = Static(16, 16) if wide else Static(8, 8), workload.starts()
    engines = {}
    for name, source in workload.networks.items():
        network = quantised(source, workload.calibration[name], static, starts.get(name))
        engines[name] = Engine(source, StepModel(network, engine_for(network, lanes_for(source)), form))
    return engines


class Bench:
    """One workload.

    Parameters
    ----------
    name : str
    report : callable
    """

    def __init__(self, name: str, report: Report):
        self._name, self._report = name, report
        self._workload = load(name)
        engines = engines_of(self._workload, name in WIDE, Form.DEFERRED)
        self._runners = {
            form: StepRunner(
                {
                    key: Engine(each.source, StepModel(each.model.network, each.model.config, form))
                    for key, each in engines.items()
                }
            )
            for form in Form
        }
        self._of_float = self._workload.evaluate("heldout", FloatRunner(self._workload))
        value = self._of_float.value
        self._allowed = RELATIVE * abs(value) if value else ABSOLUTE

    def measured(self) -> dict[str, Any]:
        """All rows, as JSON values."""
        plain = self._runners[Form.DEFERRED]
        self._tell("a run that leaves nothing out")
        self._outcome(plain, None, record=True)
        whole, valid = plain.recorded, _valid(plain.recorded)
        seen = {key: [Seen.of(each) for each in calls] for key, calls in whole.items()}
        known = self._known_scores(seen, valid)
        rows: list[Row] = []
        for form, runner in self._runners.items():
            self._tell(f"{form.value}, nothing left out")
            outcomes = {EVERYTHING: self._outcome(runner, None)}
            for name, tables in {**known, "learned": self._learned(form, seen)}.items():
                self._tell(f"{form.value}, {name}")
                outcomes[name] = Outcome.mean(
                    [self._outcome(runner, TableChoice(each, valid, SHARE)) for each in tables]
                )
            outcomes[ORACLE] = self._oracle(form, whole, valid)
            self._tell(f"{form.value}, all steps")
            outcomes["all steps"] = self._outcome(runner, TableChoice(late_scores(valid), valid, 1.0))
            if form is Form.DEFERRED:
                outcomes |= self._by_column(whole, outcomes["random steps"].words / outcomes[EVERYTHING].words)
            everything = outcomes[EVERYTHING].words
            rows += [self._row(name, form, each, outcomes[RULE], everything) for name, each in outcomes.items()]
        metric = self._workload.metric
        return {
            "name": self._name,
            "metric": metric.name,
            "unit": metric.unit,
            "higher_is_better": metric.higher_is_better,
            "of_float": self._of_float.value,
            "allowed": self._allowed,
            "weights": 16 if self._name in WIDE else 8,
            "steps": sum(int(each.sum()) for calls in valid.values() for each in calls),
            "rows": [asdict(row) for row in rows],
        }

    def _tell(self, what: str) -> None:
        self._report(f"{self._name}: {what}")

    def _outcome(self, runner: StepRunner, choice: Choice | None, *, record: bool = False) -> Outcome:
        runner.begin(choice, record=record)
        quality = self._workload.evaluate("heldout", runner)
        error, words = runner.result()
        return Outcome(quality, error, float(np.mean(list(words.values()))))

    def _known_scores(self, seen: dict[str, list[Seen]], valid: dict[str, list[BoolArray]]) -> dict[str, list[Tables]]:
        ratios = {key: [each.ratio for each in calls] for key, calls in seen.items()}
        return {
            RULE: [ratios],
            "rule, a step later": [{key: [each.late_ratio for each in calls] for key, calls in seen.items()}],
            "random steps": [random_scores(valid, seed) for seed in SEEDS],
            "periodic": [periodic_scores(valid, SHARE)],
            "warm-up": [late_scores(valid)],
            "inverted rule": [{key: [-each for each in calls] for key, calls in ratios.items()}],
        }

    def _learned(self, form: Form, seen: dict[str, list[Seen]]) -> list[Tables]:
        """Scores that were learned on the data to tune on."""
        self._tell(f"{form.value}, learning")
        runner = StepRunner(self._runners[form].engines)
        runner.begin(None, record=True)
        self._workload.evaluate("tune", runner)
        runner.result()
        rng, found = np.random.default_rng(SEEDS[0]), {}
        for key, calls in runner.recorded.items():
            candidates = sum(int(each.valid[:, 1:].sum()) for each in calls)
            tried = [
                _later(each.valid) & (rng.random(each.valid.shape) < LEARNT_FROM / max(1, candidates)) for each in calls
            ]
            model = runner.engines[key].model
            targets = [
                costs(model, each, each, np.zeros_like(each.valid), picked)
                for each, picked in zip(calls, tried, strict=True)
            ]
            learned = Learned([Seen.of(each) for each in calls], targets)
            found[key] = [learned.scores(each) for each in seen[key]]
        return [found]

    def _oracle(self, form: Form, whole: dict[str, list[Recorded]], valid: dict[str, list[BoolArray]]) -> Outcome:
        """The best of several rounds, each around the choice of the one before."""
        runner, base, best = self._runners[form], whole, None
        chosen = {key: [np.zeros_like(each) for each in calls] for key, calls in valid.items()}
        for number in range(ROUNDS):
            self._tell(f"{form.value}, oracle, round {number + 1} of {ROUNDS}")
            tables = {
                key: [
                    np.nan_to_num(costs(runner.engines[key].model, reads, each, low, _later(reads.valid)))
                    for reads, each, low in zip(whole[key], base[key], chosen[key], strict=True)
                ]
                for key in whole
            }
            choice = TableChoice(tables, valid, SHARE)
            outcome = self._outcome(runner, choice)
            if best is None or outcome.error.value < best.error.value:
                best = outcome
            if number + 1 < ROUNDS:
                chosen = choice.chosen
                base = {
                    key: [
                        each.replayed(runner.engines[key].model, choice, key, call) for call, each in enumerate(calls)
                    ]
                    for key, calls in whole.items()
                }
        assert best is not None
        return best

    def _by_column(self, whole: dict[str, list[Recorded]], words: float) -> dict[str, Outcome]:
        """Columns instead of steps, by their changes and by lot; they read no more than ``words`` of the low plane."""
        self._tell("columns")
        runner = self._runners[Form.DEFERRED]
        changes = SmallChanges(theta_for(runner, whole, words))
        fraction = fraction_for(runner, whole, counted(runner, whole, changes))
        lots = [self._outcome(runner, RandomColumns(fraction, seed)) for seed in SEEDS]
        return {BY_CHANGE: self._outcome(runner, changes), BY_LOT: Outcome.mean(lots)}

    def _row(self, name: str, form: Form, outcome: Outcome, rule: Outcome, everything: float) -> Row:
        loss = difference(self._workload, outcome.quality, self._of_float)
        more = difference(self._workload, outcome.quality, rule.quality)
        scale = rule.error.value
        low, high = outcome.error.paired(rule.error, BOOTSTRAP_SEED)
        return Row(
            name=name,
            form=form.value,
            words=outcome.words / everything,
            error=outcome.error.value,
            error_more=[(outcome.error.value - scale) / scale, low / scale, high / scale],
            quality=outcome.quality.value,
            loss=loss,
            loss_more=more,
            without_loss=loss[0] <= self._allowed,
        )


def _valid(recorded: dict[str, list[Recorded]]) -> dict[str, list[BoolArray]]:
    return {key: [each.valid for each in calls] for key, calls in recorded.items()}


def _later(valid: BoolArray) -> BoolArray:
    """Steps that are not the first of a sequence."""
    found: BoolArray = valid & (np.arange(valid.shape[1]) > 0)
    return found
