"""What a run was like, in the plan's words: from the engine, the policy, the job and golden's answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lstmith.golden.cell import requantise
from lstmith.host.jobs import CoreJob
from lstmith.host.results import LayerResult
from lstmith.scripts.coverage.plan import Labels
from lstmith.spec.codes import Kind
from lstmith.spec.config import REQUANT_PRESHIFT, Z_BITS, EngineConfig
from lstmith.spec.policy import Mode, Policy, Rule
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork

#: From this probability of a pause on, a stream waits more than it flows.
MOSTLY = 0.5


def _stream(name: str, chance: float) -> str:
    return f"{name} flows" if not chance else f"{name} pauses" if chance < MOSTLY else f"{name} mostly waits"


def _engine(config: EngineConfig) -> dict[str, frozenset[str]]:
    def counted(number: int, what: str) -> frozenset[str]:
        return frozenset({f"{number} {what}{'s' * (number > 1)}"})

    return {
        "planes": counted(config.planes, "plane"),
        "sequences": counted(config.sequences, "sequence"),
        "rows": counted(config.rows_per_cycle, "row"),
        "mac": frozenset({config.mac}),
        "lanes": frozenset({"one lane" if config.lanes == 1 else "several lanes"}),
    }


def _job(job: CoreJob, after_reset: bool) -> dict[str, frozenset[str]]:
    begin = {"bus noise"} if job.noise else set()
    begin |= {"after a reset"} if after_reset else set()
    begin |= {"start" if job.start else "loaded state" if job.restart else "continued"}
    closed = "h is closed" if job.h_closed else _stream("h", 1.0 if job.h_gap else job.h_stall)
    return {
        "begin": frozenset(begin),
        "x stream": frozenset({_stream("x", job.x_stall)}),
        "h stream": frozenset({closed}),
    }


def _policy(policy: Policy, skip: Policy) -> dict[str, frozenset[str]]:
    monitor, rules = policy.monitor, skip.skip
    named = {"change": rules.change > 0, "hints": rules.hints, "predictor": rules.predictor}
    judged = set() if monitor.rule is Rule.OFF else {f"{monitor.rule.name}, {monitor.scope.name}".lower()}
    return {
        "mode": frozenset({policy.mode.name.lower()}),
        "monitor": frozenset(judged),
        "skip rule": frozenset(name for name, on in named.items() if on),
    }


def _lists(layer: QuantLayer, policy: Policy, result: LayerResult) -> dict[str, frozenset[str]]:
    computed = ~result.skipped[0]
    columns, low = result.columns[0][computed], result.low[0][computed]
    total = 1 if layer.symbols else layer.inputs + layer.recurrent
    lengths = {"empty": columns == 0, "one entry": columns == 1, "all": columns == total}
    lengths["some"] = (columns > 1) & (columns < total)
    again, active = result.restart[0][computed], result.active[0]
    counts = {"all units": active == layer.units, "fewer units": active < layer.units, "count changes": np.diff(active)}
    steps = {"computed": computed, "skipped": result.skipped[0]}
    planes = {"listed": low > 0, "left out": (low == 0) & (columns > 0)}
    found = {"list": lengths, "active units": counts, "step": steps}
    found["restart"] = {"sums anew": again, "changes added": ~again}
    if policy.monitors:
        found["low plane"] = planes
    if policy.mode in (Mode.DENSE, Mode.SKIP):
        del found["restart"]["changes added"]
    if policy.mode is Mode.DENSE:
        found["list"] = {"all": lengths["all"]}
    return {axis: frozenset(word for word, met in words.items() if np.any(met)) for axis, words in found.items()}


def _saturations(
    layer: QuantLayer, config: EngineConfig, policy: Policy, x: IntArray, result: LayerResult
) -> frozenset[str]:
    """Of a dense run from zero, whose row sums follow from x and h; of the rest, only that of the cell state."""
    found = set()
    if layer.kind is Kind.LSTM and layer.saturated(result.c, config.c_width).any():
        found.add("cell state")
    if policy.mode is not Mode.DENSE or layer.symbols or result.skipped.any() or layer.counts:
        return frozenset(found)
    h = np.concatenate([np.zeros_like(result.h[0][:1]), result.h[0][:-1]])[:, : layer.recurrent]
    operands = np.concatenate([layer.x_grid.apply(x) << layer.x_grid.exponent, layer.h_grid.apply(h)], axis=1)
    total = operands @ layer.weights.T
    shifted = (total << REQUANT_PRESHIFT) >> layer.shift
    limit = 1 << (config.requant_width - 2)
    if ((shifted < -limit) | (shifted >= limit)).any():
        found.add("multiplier")
    z, reach = requantise(total, layer, config, layer.bias) >> 1, 1 << (Z_BITS - 1)
    if ((z < -reach) | (z >= reach)).any():
        found.add("gate")
    return frozenset(found or {"none"})


def labels_of(
    config: EngineConfig,
    network: QuantNetwork,
    policies: Sequence[Policy],
    job: CoreJob,
    layers: Sequence[LayerResult],
    *,
    after_reset: bool = False,
    queue: frozenset[str] = frozenset(),
) -> list[Labels]:
    """Labels of every layer of a run.

    Parameters
    ----------
    config : EngineConfig
    network : QuantNetwork
    policies : sequence of Policy
    job : CoreJob
    layers : sequence of LayerResult
        Golden's answer, which the hardware's equals; of one sequence, or of the first of two.
    after_reset : bool
        Whether a reset ended the run before.
    queue : frozenset of str
        How full the output queue was.
    """
    found: list[Labels] = []
    x = job.x.astype(np.int64)
    of_run = {**_engine(config), **_job(job, after_reset), "queue": queue}
    for layer, policy, result in zip(network.layers, policies, layers, strict=True):
        folds = config.folds(layer.units)
        units = {"one fold" if folds == 1 else "several folds"}
        if config.lanes > 1 and folds > 1 and layer.units % config.lanes == 1:
            units.add("last fold of one unit")
        kind = "dense layer" if layer.kind is Kind.DENSE else layer.kind.name.lower()
        labels = {
            **of_run,
            **_policy(policy, policies[0]),
            **_lists(layer, policy, result),
            "weights": frozenset({f"{layer.precision} bits"}),
            "kind": frozenset({kind}),
            "input": frozenset({"symbols" if layer.symbols else "values"}),
            "folds": frozenset(units),
        }
        if config.sequences == 1 and job.start:
            labels["saturation"] = _saturations(layer, config, policy, x, result)
        found.append(labels)
        x = result.h[0].astype(np.int64)
    return found
