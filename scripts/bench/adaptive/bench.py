"""``lstmith bench adaptive``: every mechanism on every network, tuned on one part of the data, judged on another."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.scripts.bench.adaptive.fewer_lanes import FEWER, counted
from lstmith.scripts.bench.adaptive.judgement import CONTROL, Network, summary
from lstmith.scripts.bench.adaptive.networks import Static
from lstmith.scripts.bench.adaptive.rows import Row, Wanted, prepare
from lstmith.scripts.bench.adaptive.search import PLANES, TOGETHER, Bed, Joint, on_top, thresholds
from lstmith.scripts.bench.kept import measured_and_kept
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Scope
from lstmith.spec.policy_file import describe_policy
from lstmith.tuning.search import MARGIN, Measured, Trial, Workers, fastest, search
from lstmith.tuning.space import Params
from lstmith.workloads.catalogue import load
from lstmith.workloads.float_runner import FloatRunner

#: Static formats from the cheapest on; the first without loss is what B is counted from.
STATICS = (Static(4, 8), Static(8, 8), Static(8, 16), Static(16, 16))
#: Those whose weights have two planes.
IN_PLANES = (Static(8, 8), Static(16, 16))
#: Policies tried per network for thresholds of both planes, and for all mechanisms together; others get a quarter.
TRIALS = {"silero": 96, "dtln": 32, "icu_thai": 64, "textgenrnn": 64, "g2p": 24, "japanese_vowels": 96}
FEWEST_TRIALS = 8
#: Loss against float that counts as none: relative, and for decisions, of which float changes none, absolute.
RELATIVE, ABSOLUTE = 0.005, 0.001
SEEDS = (1, 2, 3)
Report = Callable[[str], None]
Measure = Callable[[list[Any]], list[Any]]


@dataclass
class _Found:
    """Rows of one static format, the policies behind them, and every policy that was tried."""

    rows: list[Row] = field(default_factory=list)
    policies: dict[str, Any] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    tried: list[Trial] = field(default_factory=list)

    def add(self, other: _Found) -> None:
        """Put further rows behind these."""
        self.rows += other.rows
        self.policies |= other.policies
        self.kept += other.kept
        self.tried += other.tried


def run_adaptive(names: list[str], report: Report, scale: float, lanes: int, folder: Path) -> dict[str, Any]:
    """Measure networks, and give the figures of all that were ever measured as JSON values.

    Parameters
    ----------
    names : list of str
    report : callable
        Told what is going on.
    scale : float
        Multiplies the policies tried.
    lanes : int
        Most lanes of an engine.
    folder : Path
        Keeps each network's figures, so that one may be measured again without the others.
    """
    workers = os.cpu_count() or 1

    def measure(name: str) -> dict[str, Any]:
        trials = max(FEWEST_TRIALS, round(TRIALS[name] * scale))
        return asdict(measure_network(name, trials, lanes, workers, report))

    found = measured_and_kept(names, tuple(TRIALS), measure, folder)
    kept = [Network.read(each) for each in found["networks"]]
    return found | {
        "complete": not found["missing"],
        "networks": [network.plain() for network in kept],
        "summary": summary(kept),
    }


def measure_network(name: str, trials: int, lanes: int, workers: int, report: Report) -> Network:
    """Choose the static formats, tune every mechanism, measure all on held-out data."""
    workload = load(name)
    of_float = {part: workload.evaluate(part, FloatRunner(workload)).value for part in ("tune", "heldout")}
    tolerated = {part: RELATIVE * abs(value) if value else ABSOLUTE for part, value in of_float.items()}
    limit = tolerated["tune"]
    beds: dict[Static, Bed] = {}
    found: dict[Static, _Found] = {}

    def working(each: Static) -> Workers[Any, Any]:
        return Workers(prepare(name, each, lanes), workers)

    for each in STATICS:
        report(f"{name}: {each.name}")
        beds[each] = Bed.build(name, each, lanes)
        with working(each) as measure:
            found[each] = _Task(measure, beds[each], each, limit, report).dense()
        if found[each].kept and each in IN_PLANES:
            break
    base, static = each, next((one for one in STATICS if found[one].kept), each)
    with working(base) as measure:
        found[base].add(_Task(measure, beds[base], base, limit, report).mechanisms(trials))
    for each in beds:
        if each not in IN_PLANES:
            with working(each) as measure:
                task = _Task(measure, beds[each], each, limit, report)
                # What an error of h costs is the network's, whichever format makes the error.
                found[each].add(task.thresholds(max(FEWEST_TRIALS, trials // 4), found[base].tried))
    network = Network(
        name=name,
        metric=workload.metric.name,
        unit=workload.metric.unit,
        higher_is_better=workload.metric.higher_is_better,
        of_float=of_float["heldout"],
        allowed=tolerated["heldout"],
        limit=limit,
        static=static.name,
        base=base.name,
        lanes={key: engine.config.lanes for key, engine in beds[base].engines.items()},
        static_cycles=beds[static].ideal_cycles,
        base_cycles=beds[base].ideal_cycles,
        static_row=found[static].rows[0],
        rows=[row for each in found.values() for row in each.rows],
        policies={key: policy for each in found.values() for key, policy in each.policies.items()},
        kept=[row for each in found.values() for row in each.kept],
    )
    report(f"{name}: fewer lanes")
    counts = [counted(network, beds[base], most) for most in FEWER if most < lanes]
    return replace(network, fewer=[count for count in counts if count])


@dataclass(frozen=True)
class _Task:
    """One workload in one static format.

    Parameters
    ----------
    measure : callable
        Gives :class:`Row` for :class:`Wanted`, and :class:`Measured` for policies.
    bed : Bed
    static : Static
    limit : float
        Loss that counts as none where policies are tuned.
    report : callable
    """

    measure: Measure
    bed: Bed
    static: Static
    limit: float
    report: Report

    def _tell(self, what: str) -> None:
        self.report(f"{self.bed.workload.name}: {self.static.name}, {what}")

    def dense(self) -> _Found:
        """The static format itself; its row is kept if it loses nothing on the data to tune on."""
        name, policies = f"{self.static.name} dense", self.bed.uniform(Policy(Mode.DENSE))
        tuned: Measured = self.measure([self.bed.joined(policies)])[0]
        return _Found(self.measure([Wanted(name, policies)]), kept=[name] if tuned.loss <= self.limit else [])

    def thresholds(self, trials: int, known: list[Trial]) -> _Found:
        """Thresholds alone, for a format that the other mechanisms do not run on.

        Parameters
        ----------
        trials : int
        known : list of Trial
            Of the base: they tell as well what an error of h usually costs.
        """
        joint = self.bed.joint()
        name = f"{self.static.name}, thresholds"
        tried = self._tried(thresholds(joint)["thresholds"], trials, "thresholds")
        tuned, kept = chosen(tried, [*tried, *known], self.limit)
        found = _Found(policies={name: self._described(tuned)}, kept=[name] if kept else [])
        found.rows = self.measure([Wanted(name, joint.by_network(tuned.policies))])
        return found

    def mechanisms(self, trials: int) -> _Found:
        """Everything that the engine can do, and its controls."""
        joint = self.bed.joint()
        tried: dict[str, list[Trial]] = {}
        for name, choices in thresholds(joint).items():
            tried[name] = self._tried(choices, trials if name == PLANES else trials // 4, name)
        planes, _ = chosen(tried[PLANES], _all(tried), self.limit)
        for name, choices in on_top(joint, planes.params).items():
            count = trials if name == TOGETHER else trials // 4
            tried[name] = self._tried(choices, count, name, planes.params)
        # Whatever one mechanism found, all together can do as well.
        tried[TOGETHER] = _all(tried)
        tuned: dict[str, Trial] = {}
        found = _Found(tried=tried[TOGETHER])
        for name, each in tried.items():
            tuned[name], kept = chosen(each, tried[TOGETHER], self.limit)
            found.policies[name] = self._described(tuned[name])
            found.kept += [name] if kept else []
        self._tell("held-out data")
        exact = {
            f"{CONTROL}: zero skipping": Policy(Mode.SKIP),
            "delta, exact": Policy(Mode.DELTA),
            "shorter list, exact": Policy(Mode.AUTO),
        }
        wanted = [Wanted(name, self.bed.uniform(policy)) for name, policy in exact.items()]
        wanted += [Wanted(name, joint.by_network(trial.policies)) for name, trial in tuned.items()]
        found.rows = self.measure(wanted)
        self._tell("controls")
        found.rows += merged(self.measure(self._controls(joint, tuned, {row.name: row for row in found.rows})))
        return found

    def _tried(self, choices: Joint, trials: int, what: str, *starts: Params) -> list[Trial]:
        """Search; starts of a smaller space come first, with nothing besides."""
        self._tell(f"tuning {what}")
        neutral = choices.starts()[0]
        first = [{name: start.get(name, neutral[name]) for name in choices.sizes} for start in starts]
        count = max(FEWEST_TRIALS, trials)
        return search(self.measure, choices, trials=count, max_loss=self.limit, starts=first + choices.starts())

    def _described(self, trial: Trial) -> dict[str, Any]:
        by_network = self.bed.joint().by_network(trial.policies)
        return {key: [describe_policy(one) for one in each] for key, each in by_network.items()}

    def _controls(self, joint: Joint, tuned: dict[str, Trial], rows: dict[str, Row]) -> list[Wanted]:
        """What the mechanisms must beat: the same amount of deferral, by lot or by a rule that sees nothing."""
        found = []
        planes = joint.by_network(tuned[PLANES].policies)
        if "monitor per step" in tuned:
            passive = {key: [_passive(policy) for policy in each] for key, each in planes.items()}
            fraction = {key: one["deferred_steps"] for key, one in rows["monitor per step"].networks.items()}
            found += [Wanted(f"{CONTROL}: random steps", passive, "random steps", fraction, seed) for seed in SEEDS]
            found.append(Wanted(f"{CONTROL}: every second step", passive, "every second step"))
            found.append(Wanted(f"{CONTROL}: warm-up only", passive, "warm-up only", fraction))
            watching = joint.by_network(tuned["monitor per step"].policies)
            inverted = {key: [_without_hysteresis(policy) for policy in each] for key, each in watching.items()}
            found.append(Wanted(f"{CONTROL}: inverted rule", inverted, "inverted rule"))
        common = joint.by_network(tuned["thresholds"].policies)
        common = {key: [_passive(policy) for policy in each] for key, each in common.items()}
        served = {
            key: rows[PLANES].networks[key]["low_words"] / max(1.0, one["low_words"])
            for key, one in rows["thresholds"].networks.items()
        }
        fraction = {key: float(np.clip(1.0 - part, 0.0, 1.0)) for key, part in served.items()}
        found += [Wanted(f"{CONTROL}: random columns", common, "random columns", fraction, seed) for seed in SEEDS]
        if self.static.weights == 8:
            found.append(Wanted(f"{CONTROL}: static W6", self.bed.uniform(Policy(Mode.DENSE)), "six bits"))
        return found


def chosen(tried: list[Trial], known: list[Trial], limit: float, margin: float = MARGIN) -> tuple[Trial, bool]:
    """What ``tune`` would choose (:func:`lstmith.tuning.search.fastest`), and whether it is within the limit.

    If no policy is, the one of least error is given, as its row is wanted all the same.

    Parameters
    ----------
    tried : list of Trial
        What is chosen from.
    known : list of Trial
        What tells the usual loss: all trials of the network, these among them.
    limit : float
    margin : float
    """
    best = fastest(tried, limit, known, margin)
    return best or min(tried, key=lambda trial: (trial.measured.error, trial.measured.cycles)), best is not None


def _all(tried: dict[str, list[Trial]]) -> list[Trial]:
    return [trial for each in tried.values() for trial in each]


def _passive(policy: Policy) -> Policy:
    """A monitor that never defers anything itself, so that what is forced is all there is."""
    return replace(policy, monitor=Monitor(Rule.RATIO, Scope.LAYER, low=0))


def _without_hysteresis(policy: Policy) -> Policy:
    return replace(policy, monitor=replace(policy.monitor, hysteresis=0))


def merged(rows: list[Row]) -> list[Row]:
    """Rows of one name, such as those of several seeds: means, with the spread of quality as interval."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.name, []).append(row)
    found = []
    for name, each in groups.items():
        if len(each) == 1:
            found += each
            continue
        networks = {
            key: {figure: float(np.mean([row.networks[key][figure] for row in each])) for figure in figures}
            for key, figures in each[0].networks.items()
        }
        qualities = [row.quality for row in each]
        found.append(
            Row(
                name=name,
                quality=float(np.mean(qualities)),
                low=min(qualities),
                high=max(qualities),
                loss_low=min(row.loss_low for row in each),
                loss_high=max(row.loss_high for row in each),
                error=float(np.mean([row.error for row in each])),
                also={key: float(np.mean([row.also[key] for row in each])) for key in each[0].also},
                networks=networks,
            )
        )
    return found
