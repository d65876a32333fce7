"""The mechanisms of the adaptive engine, each with the parameters that it has, and the search over them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lstmith.scripts.bench.adaptive.networks import Static, engine_for, lanes_for, quantised
from lstmith.scripts.bench.adaptive.runner import GoldenRunner
from lstmith.spec.policy import Mode, Policy, Rule, Scope
from lstmith.tuning.engine import GoldenEngine
from lstmith.tuning.pieces import Float32
from lstmith.tuning.search import Evaluate, Measured
from lstmith.tuning.space import Params, Space
from lstmith.workloads.catalogue import load
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.workload import Scores, Workload

ERRORS = 1.645  #: standard errors of a loss that make a bound: it holds with 95 %
TAUS = ("tau_x", "tau_h", "restart_tau_x", "restart_tau_h", "tau", "refresh")
MONITOR = ("ratio", "part", "hysteresis", "warmup", "restart_above", "refresh")
THETAS = ("theta_x", "theta_h", "theta")
SKIPPING = ("change", "limit")


@dataclass(frozen=True)
class Joint:
    """One set of parameters for several networks: their spaces side by side.

    Parameters
    ----------
    spaces : dict of Space
        Per network.
    """

    spaces: dict[str, Space]

    @property
    def sizes(self) -> dict[str, int]:
        """What every network can do."""
        every = [space.sizes for space in self.spaces.values()]
        shared = [name for name in every[0] if all(name in sizes for sizes in every)]
        return {name: min(sizes[name] for sizes in every) for name in shared}

    def policies(self, params: Params) -> list[Policy]:
        """Policies of all layers of all networks, one after the other."""
        return [policy for space in self.spaces.values() for policy in space.policies(params)]

    def starts(self) -> list[Params]:
        """Known starts of the first network, as far as they go for all."""
        sizes = self.sizes
        starts = [
            {name: min(start[name], size - 1) for name, size in sizes.items()}
            for start in next(iter(self.spaces.values())).starts()
        ]
        return [dict(pairs) for pairs in dict.fromkeys(tuple(start.items()) for start in starts)]

    def only(self, fixed: Params, *free: str) -> Joint:
        """See :meth:`lstmith.tuning.space.Space.only`."""
        return Joint({name: space.only(fixed, *free) for name, space in self.spaces.items()})

    def by_network(self, policies: list[Policy]) -> dict[str, list[Policy]]:
        """Inverse of the joining in :meth:`policies`."""
        found, rest = {}, list(policies)
        for name, space in self.spaces.items():
            layers = len(space.network.layers)
            found[name], rest = rest[:layers], rest[layers:]
        return found


@dataclass(frozen=True)
class Bed:
    """A workload on engines of one static format.

    Parameters
    ----------
    workload : Workload
    engines : dict of GoldenEngine
    """

    workload: Workload
    engines: dict[str, GoldenEngine]

    @classmethod
    def build(cls, name: str, static: Static) -> Bed:
        """Quantise every network of a workload on its calibration data."""
        workload = load(name)
        engines, starts = {}, workload.starts()
        for network, source in workload.networks.items():
            made = quantised(source, workload.calibration[network], static, starts.get(network))
            engines[network] = GoldenEngine(made, source, engine_for(made, lanes_for(source)))
        return cls(workload, engines)

    def joint(self) -> Joint:
        """All choices, scaled by the data to tune on."""
        inputs: dict[str, list[Float32]] = self.workload.inputs("tune")
        return Joint(
            {name: Space.of(engine.network, engine.config, inputs[name]) for name, engine in self.engines.items()}
        )

    def uniform(self, policy: Policy) -> dict[str, list[Policy]]:
        """The same policy for every layer of every network."""
        return {name: [policy] * len(engine.network.layers) for name, engine in self.engines.items()}


def loss_of(workload: Workload, value: float, wanted: float) -> float:
    """How much worse a value is than the wanted one."""
    return wanted - value if workload.metric.higher_is_better else value - wanted


def doubt(workload: Workload, have: Scores, want: Scores) -> float:
    """Standard errors of the loss, from unit to unit.

    Units that a policy betters and units that it spoils may cancel out where it is tuned and not elsewhere; in the
    error they add up. So a policy that changes little is preferred to one that was lucky.
    """
    differences = loss_of(workload, 1.0, 0.0) * (have.numerator - want.numerator)
    total = want.denominator.sum()
    mean = differences.sum() / total
    error = np.sqrt(np.sum((differences - mean * want.denominator) ** 2)) / total
    return float(ERRORS * error)


def evaluator(name: str, static: Static) -> Evaluate:
    """What a worker measures with: the data to tune on, cut into pieces."""
    bed = Bed.build(name, static)
    joint, runner = bed.joint(), GoldenRunner(bed.engines, cuts=True)
    of_float = bed.workload.evaluate("tune", FloatRunner(bed.workload))

    def evaluate(policies: list[Policy]) -> Measured:
        runner.begin(joint.by_network(policies))
        scores = bed.workload.evaluate("tune", runner)
        # As in the tables: every network counts the same, whatever its number of steps.
        cycles = [costs.cycles_per_step for costs in runner.costs().values()]
        loss = loss_of(bed.workload, scores.value, of_float.value)
        unsure = doubt(bed.workload, scores, of_float)
        return Measured(scores.value, loss, float(np.mean(cycles)), runner.error(), unsure)

    return evaluate


def prepare(name: str, static: Static) -> Callable[[], Evaluate]:
    """:func:`evaluator`, to be called in another process."""
    return functools.partial(evaluator, name, static)


def mechanisms(joint: Joint) -> dict[str, Joint]:
    """The searched mechanisms by name; those that the engines cannot do are left out."""
    space = next(iter(joint.spaces.values()))
    auto = {"mode": space.modes.index(Mode.AUTO)}
    sizes = joint.sizes
    found = {"thresholds": joint.only(auto, *THETAS)}
    if "tau_x" in sizes:
        found["mixing"] = joint.only(auto, *TAUS)
    for name, scope in (("monitor per step", Scope.LAYER), ("monitor per fold", Scope.FOLD)):
        if "monitor" in sizes and (Rule.RATIO, scope) in space.monitors:
            found[name] = joint.only({**auto, "monitor": space.monitors.index((Rule.RATIO, scope))}, *MONITOR)
    if "change" in sizes:
        found["skipping"] = joint.only(auto, *SKIPPING)
    if "tau_x" in sizes:
        found["control: rule on values"] = joint.only(
            {"mode": space.modes.index(Mode.SKIP)}, "restart_tau_x", "restart_tau_h", "tau"
        )
    found["together"] = joint
    return found
