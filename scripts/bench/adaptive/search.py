"""The mechanisms of the adaptive engine, each with the parameters that it has, and the search over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstmith.scripts.bench.adaptive.networks import LANES, Static, engine_for, lanes_for, quantised
from lstmith.scripts.bench.adaptive.runner import GoldenRunner
from lstmith.spec.policy import Mode, Policy, Rule, Scope
from lstmith.tuning.activity import dense_cycles
from lstmith.tuning.engine import GoldenEngine
from lstmith.tuning.pieces import Float32
from lstmith.tuning.search import Evaluate, Measured
from lstmith.tuning.space import Params, Space
from lstmith.workloads.catalogue import load
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.workload import Workload

#: Parameters of the mechanisms; ``theta`` and ``low_theta`` are those of later layers.
THETAS = ("theta_x", "theta_h", "theta")
LOW_THETAS = ("low_theta_x", "low_theta_h", "low_theta")
MONITOR = ("ratio", "part", "hysteresis", "warmup")
SKIPPING = ("change", "limit")
#: Thresholds of both planes, which other mechanisms start from.
PLANES = "planes"
TOGETHER = "together"


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
    def build(cls, name: str, static: Static, lanes: int = LANES) -> Bed:
        """Quantise every network of a workload on its calibration data, for engines of at most so many lanes."""
        workload = load(name)
        engines, starts = {}, workload.starts()
        for network, source in workload.networks.items():
            made = quantised(source, workload.calibration[network], static, starts.get(network))
            engines[network] = GoldenEngine(made, source, engine_for(made, lanes_for(source, lanes)))
        return cls(workload, engines)

    def with_lanes(self, lanes: int) -> Bed:
        """The same networks on engines of at most so many lanes."""
        engines = {
            name: GoldenEngine(
                engine.network, engine.source, engine_for(engine.network, lanes_for(engine.source, lanes))
            )
            for name, engine in self.engines.items()
        }
        return Bed(self.workload, engines)

    @property
    def ideal_cycles(self) -> float:
        """Cycles of a dense step if nothing but reading weights took time, mean over the networks."""
        return float(np.mean([dense_cycles(engine.network, engine.config) for engine in self.engines.values()]))

    def joint(self) -> Joint:
        """All choices, scaled by the data to tune on."""
        inputs: dict[str, list[Float32]] = self.workload.inputs("tune")
        return Joint(
            {name: Space.of(engine.network, engine.config, inputs[name]) for name, engine in self.engines.items()}
        )

    def uniform(self, policy: Policy) -> dict[str, list[Policy]]:
        """The same policy for every layer of every network."""
        return {name: [policy] * len(engine.network.layers) for name, engine in self.engines.items()}

    def joined(self, policies: dict[str, list[Policy]]) -> list[Policy]:
        """Policies of all layers of all networks, one after the other."""
        return [policy for name in self.engines for policy in policies[name]]


def loss_of(workload: Workload, value: float, wanted: float) -> float:
    """How much worse a value is than the wanted one."""
    return wanted - value if workload.metric.higher_is_better else value - wanted


def evaluator(bed: Bed, closeness: str | None = None) -> Evaluate:
    """Measures policies on the data to tune on, cut into pieces.

    Parameters
    ----------
    bed : Bed
    closeness : str or None
        The workload's metric that counts as error; None is the error of h.
    """
    joint, runner = bed.joint(), GoldenRunner(bed.engines, cuts=True)
    of_float = bed.workload.evaluate("tune", FloatRunner(bed.workload))

    def evaluate(policies: list[Policy]) -> Measured:
        runner.begin(joint.by_network(policies))
        judged = bed.workload.judged("tune", runner)
        scores = judged[bed.workload.metric.name]
        # As in the tables: every network counts the same, whatever its number of steps.
        cycles = [costs.cycles_per_step for costs in runner.costs().values()]
        loss = loss_of(bed.workload, scores.value, of_float.value)
        error = runner.error() if closeness is None else judged[closeness].value
        return Measured(scores.value, loss, float(np.mean(cycles)), error)

    return evaluate


def thresholds(joint: Joint) -> dict[str, Joint]:
    """The mechanisms that follow changes: with thresholds of both planes, and with one for whole weights."""
    fixed = {"mode": _keeping(joint)}
    found = {"thresholds": joint.only(fixed, *THETAS)}
    if LOW_THETAS[0] in joint.sizes:
        found = {PLANES: joint.only(fixed, *THETAS, *LOW_THETAS), **found}
    return found


def on_top(joint: Joint, planes: Params) -> dict[str, Joint]:
    """The mechanisms that come on top of thresholds, and all of them together; what the engines cannot do is left out.

    Parameters
    ----------
    joint : Joint
    planes : dict
        Thresholds that were found.
    """
    space, sizes = next(iter(joint.spaces.values())), joint.sizes
    fixed = {"mode": _keeping(joint), **planes}
    found = {}
    for name, scope in (("monitor per step", Scope.LAYER), ("monitor per fold", Scope.FOLD)):
        if "monitor" in sizes and (Rule.RATIO, scope) in space.monitors:
            found[name] = joint.only({**fixed, "monitor": space.monitors.index((Rule.RATIO, scope))}, *MONITOR)
    if SKIPPING[0] in sizes:
        found["skipping"] = joint.only(fixed, *SKIPPING)
    found[TOGETHER] = joint
    return found


def _keeping(joint: Joint) -> int:
    modes = next(iter(joint.spaces.values())).modes
    return modes.index(Mode.AUTO if Mode.AUTO in modes else Mode.DELTA)
