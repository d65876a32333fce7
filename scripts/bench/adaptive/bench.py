"""``lstmith bench adaptive``: every mechanism on every network, tuned on one part of the data, judged on another."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.compiler.files import whole_file
from lstmith.scripts.bench.adaptive import rows as adaptive_rows
from lstmith.scripts.bench.adaptive import search as adaptive_search
from lstmith.scripts.bench.adaptive.networks import Static
from lstmith.scripts.bench.adaptive.rows import BOOTSTRAP_SEED, Row, Wanted
from lstmith.scripts.bench.adaptive.runner import GoldenRunner
from lstmith.scripts.bench.adaptive.search import Bed, Joint, loss_of, mechanisms
from lstmith.scripts.bench.stamps import MEASURED, stamp
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Scope
from lstmith.spec.policy_file import describe_policy
from lstmith.tuning.activity import dense_cycles
from lstmith.tuning.search import Measured, Trial, Workers, fastest, search
from lstmith.workloads.catalogue import load
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.workload import Workload

#: Static formats from the cheapest on; the first without loss is what the engine is compared with.
STATICS = (Static(4, 8), Static(8, 8), Static(8, 16), Static(16, 16))
NARROW = STATICS[0]
#: Policies tried per network, all mechanisms together; a single mechanism gets a quarter.
TRIALS = {"silero": 200, "dtln": 64, "icu_thai": 160, "textgenrnn": 64, "g2p": 24, "japanese_vowels": 160}
#: Loss against float that counts as none: relative, and for decisions, of which float changes none, absolute.
RELATIVE, ABSOLUTE = 0.005, 0.001
SEEDS = (1, 2, 3)
Report = Callable[[str], None]


@dataclass(frozen=True)
class Network:
    """Everything found for one workload.

    Parameters
    ----------
    name : str
    metric, unit : str
    higher_is_better : bool
    of_float : float
        Quality in float, held out.
    allowed, limit : float
        Loss against float that counts as none, on held-out data and on data to tune on.
    static : str
        The cheapest static format without loss on the data to tune on.
    base : str
        The format that the mechanisms run on.
    lanes : dict of int
    static_cycles, base_cycles, wide_cycles : float
        Ideal dense cycles per step of the best static format, of the base, and of eight bits or what more is needed.
    rows : list of Row
    policies : dict of list
        Tuned policies, as in policy files, per mechanism and network.
    losses : dict of float
        Loss of each on the data it was tuned on, with its doubt.
    """

    name: str
    metric: str
    unit: str
    higher_is_better: bool
    of_float: float
    allowed: float
    limit: float
    static: str
    base: str
    lanes: dict[str, int]
    static_cycles: float
    base_cycles: float
    static_row: Row
    rows: list[Row]
    policies: dict[str, Any]
    losses: dict[str, float]

    def without_loss(self, row: Row) -> bool:
        """No worse than the best static format's interval, and than float by what is allowed."""
        sign = 1.0 if self.higher_is_better else -1.0
        edge = self.static_row.low if self.higher_is_better else self.static_row.high
        return sign * row.quality >= sign * edge and sign * (self.of_float - row.quality) <= self.allowed

    def speedup(self, row: Row) -> float:
        """Over the ideal dense cycles of the best static format."""
        return self.static_cycles / row.cycles


def run_adaptive(names: list[str], report: Report, scale: float, folder: Path) -> dict[str, Any]:
    """Measure networks, and give the figures of all that were ever measured as JSON values.

    Parameters
    ----------
    names : list of str
    report : callable
        Told what is going on.
    scale : float
        Multiplies the policies tried.
    folder : Path
        Keeps each network's figures, so that one may be measured again without the others.
    """
    workers = os.cpu_count() or 1
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        found = measure_network(name, max(8, round(TRIALS[name] * scale)), workers, report)
        with whole_file(folder / f"{name}.json") as draft:
            draft.write_text(json.dumps({**asdict(found), MEASURED: stamp()}) + "\n")
    files = {name: path for name in TRIALS if (path := folder / f"{name}.json").is_file()}
    kept = [_read(path) for path in files.values()]
    return {
        MEASURED: {name: json.loads(path.read_text())[MEASURED] for name, path in files.items()},
        "complete": len(kept) == len(TRIALS),
        "missing": [name for name in TRIALS if name not in {network.name for network in kept}],
        "networks": [_plain(network) for network in kept],
        "summary": _summary(kept),
    }


def _read(path: Path) -> Network:
    values = json.loads(path.read_text())
    del values[MEASURED]
    rows = [Row(**row) for row in values.pop("rows")]
    return Network(**{**values, "static_row": Row(**values["static_row"])}, rows=rows)


def measure_network(name: str, trials: int, workers: int, report: Report) -> Network:
    """Choose the static format, tune every mechanism, measure all on held-out data."""
    workload = load(name)
    report(f"{name}: static formats")
    float_tune = workload.evaluate("tune", FloatRunner(workload)).value
    float_held = workload.evaluate("heldout", FloatRunner(workload)).value
    allowed = RELATIVE * abs(float_held) if float_held else ABSOLUTE
    limit = RELATIVE * abs(float_tune) if float_tune else ABSOLUTE
    static, base = _formats(name, workload, float_tune, limit)
    bed = Bed.build(name, base)
    static_bed = bed if static == base else Bed.build(name, static)
    # What the base itself loses for all one can tell, no exact policy can avoid.
    limit = max(min(limit, _edge(static_bed, float_tune)), _dense(name, base, workload).bound)
    tuned: dict[str, Trial] = {}
    with Workers(adaptive_search.prepare(name, base), workers) as measure:
        joint = bed.joint()
        for mechanism, choices in mechanisms(joint).items():
            report(f"{name}: tuning {mechanism}")
            count = trials if mechanism == "together" else max(8, trials // 4)
            tuned[mechanism] = _tuned(measure, choices, count, limit, tuned)
    rows, static_row = _rows(name, base, bed, joint, tuned, workers, report)
    policies = {key: joint.by_network(trial.policies) for key, trial in tuned.items()}
    if base.weights > NARROW.weights:
        narrow = _narrow_rows(name, workers, report, limit, max(8, trials // 4), tuned, policies)
        rows += narrow
        static_row = narrow[0] if static == NARROW else static_row
    return Network(
        name=name,
        metric=workload.metric.name,
        unit=workload.metric.unit,
        higher_is_better=workload.metric.higher_is_better,
        of_float=float_held,
        allowed=allowed,
        limit=limit,
        static=static.name,
        base=base.name,
        lanes={key: engine.config.lanes for key, engine in bed.engines.items()},
        static_cycles=_ideal(static_bed),
        base_cycles=_ideal(bed),
        static_row=static_row,
        rows=rows,
        policies={
            mechanism: {key: [describe_policy(one) for one in each] for key, each in found.items()}
            for mechanism, found in policies.items()
        },
        losses={key: trial.measured.bound for key, trial in tuned.items()},
    )


def _formats(name: str, workload: Workload, of_float: float, limit: float) -> tuple[Static, Static]:
    """The cheapest format without loss, and the cheapest such one that has a lower variant."""
    found = None
    for static in STATICS:
        # Without the doubt that counts in a search, for nothing is chosen here by luck.
        loss = loss_of(workload, _dense(name, static, workload).metric, of_float)
        if static != STATICS[-1] and loss > limit:
            continue
        found = found or static
        if static.weights > NARROW.weights:
            return found, static
    raise AssertionError("the widest format is always taken")


def _dense(name: str, static: Static, workload: Workload) -> Measured:
    """A static format on the data to tune on."""
    return adaptive_search.evaluator(name, static)([Policy(Mode.DENSE)] * _layers(workload))


def _edge(bed: Bed, of_float: float) -> float:
    """Loss at the worse end of the interval of a dense format, on the data to tune on."""
    runner = GoldenRunner(bed.engines, cuts=True)
    runner.begin(bed.uniform(Policy(Mode.DENSE)))
    ends = bed.workload.evaluate("tune", runner).bootstrap(BOOTSTRAP_SEED)
    return max(loss_of(bed.workload, end, of_float) for end in ends)


def _layers(workload: Workload) -> int:
    return sum(len(network.layers) for network in workload.networks.values())


def _ideal(bed: Bed) -> float:
    return float(np.mean([dense_cycles(engine.network, engine.config) for engine in bed.engines.values()]))


def _tuned(
    measure: Callable[[list[list[Policy]]], list[Measured]],
    choices: Joint,
    trials: int,
    limit: float,
    earlier: dict[str, Trial],
) -> Trial:
    """The fastest policy within the limit; if there is none the one of least loss, whose row is wanted all the same."""
    tried = [*search(measure, choices, trials=trials, max_loss=limit), *_shared(choices, earlier)]
    return fastest(tried, limit) or min(tried, key=lambda trial: (trial.measured.bound, trial.measured.cycles))


def _shared(choices: Joint, earlier: dict[str, Trial]) -> list[Trial]:
    """Whatever one mechanism found, all together can do as well."""
    everything = all(not space.fixed for space in choices.spaces.values())
    return list(earlier.values()) if everything else []


def _rows(
    name: str, base: Static, bed: Bed, joint: Joint, tuned: dict[str, Trial], workers: int, report: Report
) -> tuple[list[Row], Row]:
    """Rows of the base format, and that of its dense steps."""
    exact = {
        f"{base.name} dense": Policy(Mode.DENSE),
        "control: zero skipping": Policy(Mode.SKIP),
        "delta, exact": Policy(Mode.DELTA),
        "shorter list, exact": Policy(Mode.AUTO),
    }
    wanted = [Wanted(key, bed.uniform(policy)) for key, policy in exact.items()]
    wanted += [Wanted(key, joint.by_network(trial.policies)) for key, trial in tuned.items()]
    report(f"{name}: held-out data")
    with Workers(adaptive_rows.prepare(name, base), workers) as measure:
        rows = measure(wanted)
        by_name = {row.name: row for row in rows}
        more = _controls(base, bed, joint, tuned, by_name)
        report(f"{name}: controls")
        rows += _merged(measure(more))
    return rows, rows[0]


def _controls(base: Static, bed: Bed, joint: Joint, tuned: dict[str, Trial], rows: dict[str, Row]) -> list[Wanted]:
    """Random choice, warm-up only and a static width between, at the fractions that the mechanisms had."""
    found = []
    if "monitor per step" in tuned:
        policies = {
            key: [_passive(policy) for policy in each]
            for key, each in joint.by_network(tuned["monitor per step"].policies).items()
        }
        fraction = {key: figures["low_steps"] for key, figures in rows["monitor per step"].networks.items()}
        found += [Wanted("control: random steps", policies, "random steps", fraction, seed) for seed in SEEDS]
        found.append(Wanted("control: warm-up only", policies, "warm-up only", fraction))
    if "mixing" in tuned:
        policies = joint.by_network(tuned["mixing"].policies)
        if any(policy.mixes for each in policies.values() for policy in each):
            fraction = {key: figures["low_columns"] for key, figures in rows["mixing"].networks.items()}
            found += [Wanted("control: random columns", policies, "random columns", fraction, seed) for seed in SEEDS]
    if base.weights == 8:
        found.append(Wanted("control: static W6", bed.uniform(Policy(Mode.DENSE)), "six bits"))
    return found


def _passive(policy: Policy) -> Policy:
    """A monitor that never lowers anything itself, so that what is forced is all there is."""
    return replace(policy, monitor=Monitor(Rule.RATIO, Scope.LAYER, low=0))


def _merged(rows: list[Row]) -> list[Row]:
    """Rows of one name, such as those of several seeds: means, with the spread of quality as interval."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.name, []).append(row)
    merged = []
    for name, each in groups.items():
        if len(each) == 1:
            merged += each
            continue
        networks = {
            key: {field: float(np.mean([row.networks[key][field] for row in each])) for field in figures}
            for key, figures in each[0].networks.items()
        }
        qualities = [row.quality for row in each]
        merged.append(Row(name, float(np.mean(qualities)), min(qualities), max(qualities), networks))
    return merged


def _narrow_rows(
    name: str,
    workers: int,
    report: Report,
    limit: float,
    trials: int,
    tuned: dict[str, Trial],
    policies: dict[str, dict[str, list[Policy]]],
) -> list[Row]:
    """The narrowest static format on the same engine: where it loses nothing it is the one to beat."""
    report(f"{name}: {NARROW.name}")
    bed = Bed.build(name, NARROW)
    key = f"{NARROW.name}, thresholds"
    with Workers(adaptive_search.prepare(name, NARROW), workers) as measure:
        joint = bed.joint()
        tuned[key] = _tuned(measure, mechanisms(joint)["thresholds"], trials, limit, {})
    policies[key] = joint.by_network(tuned[key].policies)
    with Workers(adaptive_rows.prepare(name, NARROW), workers) as measure:
        return measure(
            [
                Wanted(f"{NARROW.name} dense", bed.uniform(Policy(Mode.DENSE))),
                Wanted(f"{NARROW.name}, shorter list, exact", bed.uniform(Policy(Mode.AUTO))),
                Wanted(key, policies[key]),
            ]
        )


def _plain(network: Network) -> dict[str, Any]:
    values = asdict(network)
    for row, found in zip(values["rows"], network.rows, strict=True):
        row["cycles_per_step"] = found.cycles
        row["speedup_vs_static"] = network.speedup(found)
        row["without_loss"] = network.without_loss(found)
    return values


def _summary(networks: list[Network]) -> dict[str, Any]:
    """The best row of each network, its best control, and the geometric means."""
    best = {network.name: best_row(network) for network in networks}
    controls = {network.name: best_control(network) for network in networks}
    sure = {network.name: fastest_without_loss(network) for network in networks}
    return {
        "best": {name: row.name for name, row in best.items()},
        "best_control": {name: row and row.name for name, row in controls.items()},
        "fastest_without_loss": {name: row.name for name, row in sure.items()},
        "without_loss": sum(network.without_loss(best[network.name]) for network in networks),
        "geometric_mean_vs_static": _mean([network.speedup(best[network.name]) for network in networks]),
        "geometric_mean_vs_base": _mean([network.base_cycles / best[network.name].cycles for network in networks]),
        "geometric_mean_without_loss": _mean([network.speedup(sure[network.name]) for network in networks]),
    }


def _mean(speedups: list[float]) -> float:
    return float(np.exp(np.mean(np.log(speedups))))


def best_row(network: Network) -> Row:
    """What tuning would have one use: the fastest of the rows that were within the limit where they were tuned.

    The choice looks at cycles and at the loss on the data tuned on alone; whether the row holds what it promised
    is then read off the held-out data.
    """
    able = [row for row in network.rows if network.losses.get(row.name, np.inf) <= network.limit]
    able = [row for row in able if not row.name.startswith("control")]
    return min(able or network.rows[:1], key=lambda row: row.cycles)


def best_control(network: Network) -> Row | None:
    """The fastest control without loss on held-out data."""
    able = [row for row in network.rows if row.name.startswith("control") and network.without_loss(row)]
    return min(able, key=lambda row: row.cycles, default=None)


def fastest_without_loss(network: Network) -> Row:
    """The fastest row, no control, without loss on held-out data."""
    able = [row for row in network.rows if not row.name.startswith("control") and network.without_loss(row)]
    return min(able or [network.static_row], key=lambda row: row.cycles)
