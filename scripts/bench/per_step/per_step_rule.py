"""Fine-tunes networks for the monitor's rule per step and judges it against controls.

    python -m lstmith.scripts.bench.per_step.per_step_rule japanese_vowels icu_thai -o build/per_step_rule.json

Needs the extra ``torch``. A workload takes one to six minutes of one core.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.fit import accumulator_bits
from lstmith.compiler.quantise.quantise import quantise
from lstmith.golden.network import FloatNetwork
from lstmith.scripts.bench.per_step.controls import (
    Choice,
    Engine,
    EngineRunner,
    after_warmup,
    every_second,
    every_step,
    middle_width,
    random_steps,
)
from lstmith.scripts.bench.per_step.subjects import SUBJECTS, Subject
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import RATIO_FRAC
from lstmith.spec.policy import Mode, Monitor, Policy, Rule
from lstmith.spec.quantised import Grid, QuantNetwork
from lstmith.training.data import masked, sequences
from lstmith.training.finetune import finetune
from lstmith.training.rule import halves, subset, with_share
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.workload import Float32, Metric, Runner, Scores

#: Part of the steps that thresholds are set for, so that what judges is above the 57 % that count.
SHARE = 0.62
RANDOM_SEEDS = (1, 2, 3)
BOOTSTRAP_SEED = 1
#: Bits of a sum beyond what the first weights need: training moves them.
SUM_ROOM = 1
#: Operands of 4-bit digits have at most 11 bits.
LIMITS = EngineLimits(operand_width=11, planes=2)
LANES = 16
#: Sequences on which thresholds are set.
RULE_SEQUENCES = 100


@dataclass(frozen=True)
class Row:
    """One way to run a workload.

    Parameters
    ----------
    name : str
    share : float
        Part of the held-out steps after which the low plane is deferred.
    scores : Scores
    """

    name: str
    share: float
    scores: Scores


def compiled(network: FloatNetwork, calibration: list[Float32]) -> tuple[QuantNetwork, EngineConfig]:
    """W8A8 in two planes, and an engine with the monitor."""
    batch, valid = masked(calibration)
    found = quantise(
        network, Calibration(batch, valid.sum(axis=1)), precision=[8], activation_bits=8, limits=LIMITS
    ).network
    found = finer_inputs(found)
    width = max(accumulator_bits(layer) for layer in found.layers) + SUM_ROOM
    config = EngineConfig(
        lanes=LANES,
        precisions=(8,),
        acc_width=width,
        units=sum(layer.units for layer in found.layers),
        inputs=found.inputs,
        layers=len(found.layers),
        weight_depth=1 << 20,
        planes=2,
        monitor=True,
    )
    return found, config


def finer_inputs(network: QuantNetwork) -> QuantNetwork:
    """Inputs on the finest grid that their operands have room for: bits in place of the left shift."""
    layers = []
    for layer in network.layers:
        grid = layer.x_grid
        moved = min(grid.exponent, grid.shift)
        top = (1 << (15 - grid.shift + moved)) - 1
        finer = Grid(grid.shift - moved, -top - 1 if grid.low else 0, top, grid.exponent - moved)
        layers.append(replace(layer, x_grid=finer))
    return replace(network, layers=tuple(layers))


def judge(
    name: str, *, quiet: bool, share: float = SHARE, changes: dict[str, Any] | None = None
) -> tuple[Metric, list[Row]]:
    """Fine-tune the networks of a workload and run all rows of its table on the held-out data."""
    subject = SUBJECTS[name]()
    settings = replace(subject.settings, quiet=quiet, **(changes or {}))
    workload, static, before, after = subject.workload, {}, {}, {}
    for network, source in workload.networks.items():
        plain, config = compiled(source, workload.calibration[network])
        static[network] = Engine(plain, config, [Policy(Mode.DELTA)] * len(plain.layers))
        whole = subset(sequences(plain, subject.whole[network]), RULE_SEQUENCES)
        monitored = [Policy(Mode.DELTA, monitor=Monitor(Rule.RATIO))] * len(plain.layers)
        policies = with_share(plain, config, monitored, whole, share)
        before[network] = Engine(plain, config, policies)
        data = sequences(plain, subject.training[network])
        tuned = finetune(plain, config, policies, data, subject.loss(network, data), settings)
        best, losses = min(tuned.history), tuned.history
        print(f"{name} {network}: loss {losses[0]:.5f} before, {best:.5f} after epoch {losses.index(best)}")
        chosen = with_share(tuned.network, config, monitored, whole, share)
        after[network] = Engine(tuned.network, config, chosen)
        for policy, (first, second) in zip(chosen, halves(tuned.network, config, chosen, whole), strict=True):
            ratio = policy.monitor.low / (1 << RATIO_FRAC)
            print(f"  threshold {ratio:.2f}, deferred in first and second halves {first:.2f}, {second:.2f}")
    return workload.metric, _rows(subject, static, before, after)


def _rows(
    subject: Subject, static: dict[str, Engine], before: dict[str, Engine], after: dict[str, Engine]
) -> list[Row]:
    found = [Row("float", 0.0, _scores(subject, FloatRunner(subject.workload)))]

    def add(name: str, engines: dict[str, Engine]) -> EngineRunner:
        runner = EngineRunner(engines)
        scores = _scores(subject, runner)
        found.append(Row(name, runner.share, scores))
        return runner

    def forced(choices: dict[str, Choice]) -> dict[str, Engine]:
        return {name: replace(engine, choice=choices[name]) for name, engine in after.items()}

    def unmonitored(name: str) -> Engine:
        return replace(static[name], network=after[name].network)

    add("static W8A8", static)
    add("rule, not fine-tuned", before)
    shares = add("rule", after).shares
    for seed in RANDOM_SEEDS:
        add(f"random steps {seed}", forced({name: random_steps(part, seed) for name, part in shares.items()}))
    add("every second step", forced({name: every_second(len(part)) for name, part in shares.items()}))
    add("warm-up only", forced({name: after_warmup(part) for name, part in shares.items()}))
    add("static W6A8", {name: middle_width(unmonitored(name)) for name in after})
    add("static W6A8, not fine-tuned", {name: middle_width(engine) for name, engine in static.items()})
    add("fine-tuned, both planes", {name: unmonitored(name) for name in after})
    add("fine-tuned, top plane alone", forced({name: every_step(len(part)) for name, part in shares.items()}))
    return found


def _scores(subject: Subject, runner: Runner) -> Scores:
    return subject.workload.evaluate("heldout", runner)


def difference(one: Scores, two: Scores) -> tuple[float, float, float]:
    """``one`` less ``two`` on the same resampled units: value and 95 % interval."""
    return one.value - two.value, *one.paired(two, BOOTSTRAP_SEED)


def table(name: str, rows: list[Row], metric: Metric) -> tuple[Table, dict[str, Any]]:
    """A table of rows, and the same as JSON values."""
    rule = next(row for row in rows if row.name == "rule")
    shown = Table("run", "deferred steps", metric.name, "95 % interval", "rule better by", title=name)
    content = []
    for row in rows:
        low, high = row.scores.bootstrap(BOOTSTRAP_SEED)
        better = difference(rule.scores, row.scores)
        if not metric.higher_is_better:
            better = -better[0], -better[2], -better[1]
        shown.add_row(
            row.name,
            f"{100 * row.share:.1f} %",
            f"{row.scores.value:.4f}",
            f"{low:.4f} .. {high:.4f}",
            "" if row is rule else f"{better[0]:+.4f} ({better[1]:+.4f} .. {better[2]:+.4f})",
        )
        content.append(
            {"run": row.name, "share": row.share, "value": row.scores.value, "interval": [low, high], "better": better}
        )
    return shown, {"metric": metric.name, "higher_is_better": metric.higher_is_better, "rows": content}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("workloads", nargs="*", metavar="workload", help=f"of {', '.join(SUBJECTS)}; all if none")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/per_step_rule.json"))
    parser.add_argument("--share", type=float, default=SHARE)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    given = parser.parse_args()
    if unknown := [name for name in given.workloads if name not in SUBJECTS]:
        parser.error(f"workload {unknown[0]!r} is unknown: choose from {', '.join(SUBJECTS)}")
    torch.set_num_threads(1)
    changes = {name: getattr(given, name) for name in ("epochs", "rate") if getattr(given, name) is not None}
    results = json.loads(given.output.read_text()) if given.output.is_file() else {}
    for name in given.workloads or SUBJECTS:
        begun = time.monotonic()
        metric, rows = judge(name, quiet=given.quiet, share=given.share, changes=changes)
        shown, content = table(name, rows, metric)
        Console(width=110).print(shown)
        print(f"{time.monotonic() - begun:.0f} s")
        results[name] = content
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
