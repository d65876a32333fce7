"""``lstmith bench trained``: what training without labels is worth, to policies and to static formats alike.

Every network is trained on recorded inputs for a policy that costs it something, and its thresholds are searched again.
The cheaper static formats get the same training. DTLN is also trained to skip steps, by the rule and by controls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lstmith.scripts.bench.adaptive.bench import ABSOLUTE, RELATIVE, STATICS, chosen
from lstmith.scripts.bench.adaptive.networks import LANES, Static
from lstmith.scripts.bench.adaptive.rows import Row, Wanted, reporter
from lstmith.scripts.bench.adaptive.search import PLANES, Bed, evaluator, thresholds
from lstmith.scripts.bench.kept import measured_and_kept
from lstmith.scripts.bench.trained.skips import measure_skips
from lstmith.scripts.bench.trained.training import Course, Teacher
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.policy_file import describe_policy
from lstmith.training.finetune import Settings
from lstmith.tuning.search import Trial, search
from lstmith.workloads.catalogue import load
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.workload import Workload

#: Lanes that rows are counted on beside :data:`LANES`, where an engine has as many.
FEWER = 32
#: A network is trained for the fastest policy whose error is at most so many times that of the chosen one.
REACH = 2.0
#: Policies tried before training, and again after it.
TRIALS = {"silero": 24, "dtln": 12, "icu_thai": 24, "textgenrnn": 16, "g2p": 12, "japanese_vowels": 32}
COURSES = {
    "silero": Course(64, 480, Settings(epochs=40, batch=32, rate=0.03, quiet=True)),
    "dtln": Course(64, 480, Settings(epochs=30, batch=32, rate=0.03, quiet=True)),
    "icu_thai": Course(64, 480, Settings(epochs=40, batch=32, rate=0.03, quiet=True)),
    "textgenrnn": Course(40, 320, Settings(epochs=15, batch=32, rate=0.05, quiet=True)),
    "g2p": Course(20, 2000, Settings(epochs=15, batch=64, rate=0.1, quiet=True)),
    "japanese_vowels": Course(32, 480, Settings(epochs=40, batch=32, rate=0.1, quiet=True)),
}
#: Networks whose weights have 16 bits, because 8 lose something before training.
BASES = {"icu_thai": Static(16, 16)}
#: The workload that is also trained to skip steps, and how: that is done many times.
SKIPPING = "dtln"
SKIP_COURSE = Course(64, 240, Settings(epochs=15, batch=32, rate=0.05, quiet=True), begins=(False,))
Report = Callable[[str], None]


def run_trained(names: list[str], report: Report, folder: Path) -> dict[str, Any]:
    """Measure networks, and give the figures of all that were ever measured as JSON values.

    Parameters
    ----------
    names : list of str
    report : callable
        Told what is going on.
    folder : Path
        Keeps each network's figures, so that one may be measured again without the others.
    """
    return measured_and_kept(names, tuple(TRIALS), lambda name: measure(name, report), folder)


def measure(name: str, report: Report) -> dict[str, Any]:
    """Everything about one workload, as JSON values."""
    task = _Task(name, lambda what: report(f"{name}: {what}"))
    found = task.planes()
    if name == SKIPPING:
        teacher = Teacher(task.bed.workload, SKIP_COURSE)
        found["skips"] = measure_skips(task.bed, teacher, task.chosen, task.allowed["heldout"], task.report)
    return found


class _Task:
    """One workload before and after training."""

    def __init__(self, name: str, report: Report):
        self.report = report
        self._name, self._base = name, BASES.get(name, Static(8, 8))
        workload: Workload = load(name)
        self._of_float = {split: workload.evaluate(split, FloatRunner(workload)).value for split in ("tune", "heldout")}
        self.allowed = {split: RELATIVE * abs(value) if value else ABSOLUTE for split, value in self._of_float.items()}
        report("quantised")
        self.bed = Bed.build(name, self._base)
        self.teacher = Teacher(workload, COURSES[name])
        self.chosen: dict[str, list[Policy]] = {}

    def planes(self) -> dict[str, Any]:
        """Policies of two planes before and after training, and static formats likewise."""
        before, tried, kept_before = self._tuned(self.bed, "thresholds")
        self.chosen = self.bed.joint().by_network(before.policies)
        aim = self._aim(before, tried)
        self.report("training for planes")
        taught, effort = self.teacher.taught(self.bed, self.bed.joint().by_network(aim.policies))
        after, _, kept_after = self._tuned(taught, "thresholds after training", aim)
        rows: list[dict[str, Any]] = []
        efforts = {"planes": asdict(effort)}
        statics, kept = self._statics(efforts, rows)
        rows.append(self._row("planes", self.bed, before, kept_before))
        rows.append(self._row("planes that are trained for, before", self.bed, aim, kept=False))
        rows.append(self._row("planes that are trained for, after", taught, aim, kept=False))
        rows.append(self._row("planes, trained", taught, after, kept_after))
        metric = self.bed.workload.metric
        return {
            "name": self._name,
            "metric": metric.name,
            "unit": metric.unit,
            "of_float": self._of_float["heldout"],
            "allowed": self.allowed["heldout"],
            "base": self._base.name,
            "static": kept,
            "static_cycles": statics,
            "base_cycles": {str(lanes): self._with_lanes(self.bed, lanes).ideal_cycles for lanes in self._lanes()},
            "efforts": efforts,
            "rows": rows,
        }

    def _statics(self, efforts: dict[str, Any], rows: list[dict[str, Any]]) -> tuple[dict[str, float], str]:
        """Rows of the static formats up to the first without loss, those that lose something trained as well.

        Returns their ideal dense cycles by lanes, and the name of the cheapest that loses nothing on data to tune on.
        """
        for each in STATICS:
            self.report(f"{each.name} dense")
            bed = self.bed if each == self._base else Bed.build(self._name, each)
            for name, used in self._before_and_after(each.name, bed, efforts):
                policies = used.uniform(Policy(Mode.DENSE))
                measured = evaluator(used)(used.joined(policies))
                kept = measured.loss <= self.allowed["tune"]
                rows.append(self._judged(name, used, policies, kept=kept))
                if kept:
                    cycles = {str(lanes): self._with_lanes(used, lanes).ideal_cycles for lanes in self._lanes()}
                    return cycles, name
        raise AssertionError("the widest format loses something")

    def _before_and_after(self, name: str, bed: Bed, efforts: dict[str, Any]) -> Iterator[tuple[str, Bed]]:
        """A static format as it is and, if that is asked for, trained."""
        yield f"{name} dense", bed
        self.report(f"training {name}")
        taught, effort = self.teacher.taught(bed, bed.uniform(Policy(Mode.DENSE)))
        efforts[name] = asdict(effort)
        yield f"{name} dense, trained", taught

    def _tuned(self, bed: Bed, what: str, *known: Trial) -> tuple[Trial, list[Trial], bool]:
        self.report(what)
        # Training follows the output, so that h may drift where the output does not look.
        evaluate = evaluator(bed, bed.workload.closeness)
        space = thresholds(bed.joint())[PLANES]
        starts = [*(trial.params for trial in known), *space.starts()]
        tried = search(
            lambda items: [evaluate(item) for item in items],
            space,
            trials=TRIALS[self._name],
            max_loss=self.allowed["tune"],
            starts=starts,
        )
        best, kept = chosen(tried, tried, self.allowed["tune"])
        return best, tried, kept

    def _aim(self, best: Trial, tried: list[Trial]) -> Trial:
        near = [each for each in tried if each.measured.error <= REACH * best.measured.error]
        return min(near, key=lambda each: each.measured.cycles)

    def _lanes(self) -> list[int]:
        most = max(engine.config.lanes for engine in self.bed.engines.values())
        return [LANES, FEWER] if most == LANES else [most]

    def _with_lanes(self, bed: Bed, lanes: int) -> Bed:
        return bed if lanes in {engine.config.lanes for engine in bed.engines.values()} else bed.with_lanes(lanes)

    def _row(self, name: str, bed: Bed, trial: Trial, kept: bool) -> dict[str, Any]:
        return self._judged(name, bed, bed.joint().by_network(trial.policies), kept=kept)

    def _judged(self, name: str, bed: Bed, policies: dict[str, list[Policy]], *, kept: bool) -> dict[str, Any]:
        """Figures on held-out data, with the cycles of every number of lanes."""
        self.report(f"held-out data, {name}")
        counted: dict[int, Row] = {
            lanes: reporter(self._with_lanes(bed, lanes))(Wanted(name, policies)) for lanes in self._lanes()
        }
        row = next(iter(counted.values()))
        better = bed.workload.metric.higher_is_better
        loss = self._of_float["heldout"] - row.quality if better else row.quality - self._of_float["heldout"]
        return {
            **asdict(row),
            "cycles": {str(lanes): each.cycles for lanes, each in counted.items()},
            "loss": loss,
            "without_loss": loss <= self.allowed["heldout"],
            "kept": kept,
            "policies": {key: [describe_policy(one) for one in each] for key, each in policies.items()},
        }
