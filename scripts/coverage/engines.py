"""Random engines that steer towards empty bins, and what their simulations covered.

Of several engines with their runs, all drawn at random, the one is simulated that would hit the most empty bins: golden
tells of a run what its labels are before any simulator has seen it. A run counts once the hardware's answer equals
golden's.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from amaranth.back import verilog

from hw_tests.cocotb.core_cases import Case, core_files, differences, golden_case, image_writes, policy_writes
from hw_tests.cocotb.pair_cases import PAIR, Pair, pair_case
from hw_tests.cocotb.random_networks import for_two, input_of, random_engine
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.cocotb.random_runs import random_pairs, random_runs
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob, CoreTrace
from lstmith.host.results import LayerResult
from lstmith.host.simulate import Simulation
from lstmith.rtl.cells import cell_models
from lstmith.rtl.top import NAME, Top
from lstmith.scripts.coverage.labels import labels_of
from lstmith.scripts.coverage.plan import AXES, Bin, Labels, Plan
from lstmith.scripts.coverage.points import Point, SourceMap, read_points, signal_rose
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import QuantNetwork

#: Verilator's options; its own words for lines include branches.
OPTIONS = ("--coverage-line", "--coverage-toggle")
#: Engines of which one is simulated.
DRAWS = 24
#: Units and inputs of a layer, and lanes, at most: a build costs more than all its runs.
MOST_UNITS, MOST_LANES = 12, 4
#: The same of a large engine, whose sizes and addresses fill more of their fields; and the steps of its runs.
LARGE_UNITS, LARGE_STEPS = 150, 2
#: Results that a receiver which is closed for long leaves in the queue and before it, and how long.
RESULTS, CLOSED = 120, 3000
#: Steps of a run between whose results nothing stands but the queue: nothing is listed.
NOTHING_COUNTS = 0xFFFF
#: What only Verilator tells: how full the output queue was.
QUEUE = "queue"
#: Cycles after which a run is given up, by a reset.
ABANDONED = (3, 200)


@dataclass(frozen=True)
class _Run:
    """A job with golden's answer, and whether the run before ended in a reset; or a job that is given up."""

    case: Case | Pair | None
    job: CoreJob
    after_reset: bool = False


@dataclass(frozen=True)
class Drawn:
    """An engine and its runs.

    Attributes
    ----------
    config : EngineConfig
    runs : list of _Run
        As streams flow and pause at random.
    jammed : list of _Run
        With a receiver that is closed until all is jammed.
    """

    config: EngineConfig
    runs: list[_Run]
    jammed: list[_Run]

    def labels(self, runs: Sequence[_Run], queue: frozenset[str] = frozenset()) -> list[Labels]:
        """Labels of runs."""
        found: list[Labels] = []
        for run in runs:
            if run.case is None:
                continue
            for layers in _sequences(run.case):
                found += labels_of(
                    self.config,
                    run.case.network,
                    run.case.policies,
                    run.job,
                    layers,
                    after_reset=run.after_reset,
                    queue=queue,
                )
        return found


def _sequences(case: Case | Pair) -> list[list[LayerResult]]:
    """Results of each sequence by layer, without what follows its end."""
    if isinstance(case, Case):
        return [case.layers]
    return [
        [
            LayerResult(**{name: value[row : row + 1, :length] for name, value in vars(layer).items()})
            for layer in case.layers
        ]
        for row, length in enumerate(case.lengths)
    ]


def _after_resets(rng: np.random.Generator, network: QuantNetwork, config: EngineConfig) -> list[_Run]:
    """Runs that end in a reset, those that follow them, and one on a noisy bus, in each mode."""
    model, found = GoldenModel(network, config), list[_Run]()
    modes = [Mode.DENSE, *([Mode.SKIP, Mode.DELTA] if config.delta else [])]
    modes += [Mode.AUTO] if config.planes == 2 else []
    for mode in modes:
        policies = [Policy(mode)] * len(network.layers)
        writes = policy_writes(build_memory_image(network, config, policies))
        job = CoreJob(input_of(rng, 3, network), writes)
        found.append(_Run(None, replace(job, abandon=int(rng.integers(*ABANDONED)))))
        case = golden_case(f"{mode.name} after a reset", model, policies, job)[0]
        found.append(_Run(case, case.job, after_reset=True))
        noisy = replace(job, noise=0.3, seed=int(rng.integers(1 << 30)))
        case = golden_case(f"{mode.name} on a noisy bus", model, policies, noisy)[0]
        found.append(_Run(case, case.job))
    return found


def _jammed(rng: np.random.Generator, network: QuantNetwork, config: EngineConfig) -> list[_Run]:
    """A receiver that is closed until nothing moves, and then slow."""
    model, units = GoldenModel(network, config), sum(layer.units for layer in network.layers)
    steps = int(np.clip(-(-RESULTS // (config.sequences * units)), 2, 40))
    quiet = Policy(Mode.DELTA, theta_x=NOTHING_COUNTS, theta_h=NOTHING_COUNTS) if config.delta else Policy(Mode.DENSE)
    found: list[_Run] = []
    for index, policies in enumerate(([quiet] * len(network.layers), random_policies(rng, network, config))):
        image = build_memory_image(network, config, policies)
        writes = policy_writes(image) if index else image_writes(image, config)
        pause = float(rng.choice([0.0, 0.1, 0.6]))
        job = CoreJob(np.zeros((0, network.inputs), np.int16), writes, x_stall=pause, h_closed=CLOSED)
        job = replace(job, h_gap=int(rng.integers(4)), seed=int(rng.integers(1 << 30)))
        x = np.stack([input_of(rng, steps, network) for _ in PAIR])
        case: Case | Pair
        if config.sequences == 1:
            case = golden_case("jammed", model, policies, replace(job, x=x[0]))[0]
        else:
            hints = np.zeros(x.shape[:2], dtype=bool)
            state = model.zero_state(2)
            case = pair_case("jammed", model, policies, x, job, lengths=[steps, steps], state=state, hints=hints)
        found.append(_Run(case, case.job))
    return found


def draw(rng: np.random.Generator) -> Drawn:
    """Any engine with two networks, small enough to be built soon."""
    while True:
        config, networks = random_engine(
            rng,
            MOST_UNITS,
            delta=rng.random() < 0.9,
            mixed=bool(rng.random() < 0.5),
            symbols=bool(rng.random() < 0.3),
        )
        if config.lanes <= MOST_LANES:
            break
    if rng.random() < 0.3:
        fitting = [for_two(config, network) for network in networks]
        config, networks = fitting[0][0], [network for _, network in fitting]
        pairs = [pair for network in networks for pair in random_pairs(rng, network, config)]
        return Drawn(config, [_Run(pair, pair.job) for pair in pairs], _jammed(rng, networks[0], config))
    runs: list[_Run] = []
    for index, network in enumerate(networks):
        cases = random_runs(rng, network, config, f"network {index}", load=True, rounds=2)
        runs += [_Run(case, case.job) for case in cases]
        runs += _after_resets(rng, network, config)
    return Drawn(config, runs, _jammed(rng, networks[0], config))


def draw_large(rng: np.random.Generator) -> Drawn:
    """An engine of several layers, together larger than ``LARGE_UNITS``, with a monitor; few runs, and short ones."""
    while True:
        config, (network,) = random_engine(rng, LARGE_UNITS, networks=1)
        if config.lanes <= MOST_LANES and config.monitor and config.layers > 1 and config.units > LARGE_UNITS:
            break
    model, found = GoldenModel(network, config), list[_Run]()
    dense = [Policy(Mode.DENSE)] * len(network.layers)
    for policies in (dense, random_policies(rng, network, config), random_policies(rng, network, config)):
        image = build_memory_image(network, config, policies)
        job = CoreJob(
            input_of(rng, LARGE_STEPS, network), policy_writes(image) if found else image_writes(image, config)
        )
        case = golden_case("large", model, policies, job)[0]
        found.append(_Run(case, case.job))
    return Drawn(config, found, [])


def steered(rng: np.random.Generator, plan: Plan, draws: int = DRAWS, *, queue: bool = True) -> Drawn:
    """Of so many engines the one that would hit the most empty bins, and if asked for the queue's among them."""
    empty = plan.empty(without=None if queue else QUEUE)

    def promises(drawn: Drawn) -> int:
        labels = drawn.labels(drawn.runs) + drawn.labels(drawn.jammed, frozenset(AXES[QUEUE]))
        hit: set[Bin] = set().union(*map(plan.bins_of, labels))
        return len(hit & empty)

    return max((draw(rng) for _ in range(draws)), key=promises)


@dataclass(frozen=True)
class Simulated:
    """What a simulation found: lines that differ from golden, and points, if it counted them."""

    wrong: list[str]
    points: Counter[Point]


def _differences(runs: Sequence[_Run], answers: Sequence[CoreTrace]) -> list[str]:
    found: list[str] = []
    for run, answer in zip(runs, answers, strict=True):
        if isinstance(run.case, Case):
            found += differences(run.case, answer)
        elif run.case is not None:
            found += run.case.differences(answer)
    return found


def _marked_files(config: EngineConfig, folder: Path) -> list[Path]:
    """As :func:`.core_files`, in a text that says of each statement where it comes from, which Icarus does not take."""
    text = verilog.convert(Top(config), name=NAME)
    files = {"core.v": text, "core_cells.v": cell_models(text)}
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return [folder / name for name, content in files.items() if content]


def simulate(drawn: Drawn, plan: Plan, simulator: str, folder: Path, root: Path) -> Simulated:
    """Simulates an engine's runs; those that equal golden count in the plan.

    Parameters
    ----------
    drawn : Drawn
    plan : Plan
    simulator : str
        ``verilator`` counts points; ``icarus`` begins sooner.
    folder : Path
        For the build; emptied before.
    root : Path
        Of the sources.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    counts = simulator == "verilator"
    files = _marked_files(drawn.config, folder) if counts else core_files(drawn.config, folder)
    simulation = Simulation(files, simulator, folder / "simulation", options=OPTIONS if counts else ())
    points, wrong = Counter[Point](), list[str]()
    source = SourceMap(files[0].read_text(encoding="utf-8"), root) if counts else None
    for runs in filter(None, (drawn.runs, drawn.jammed)):
        before = set(folder.glob("simulation/run_*"))
        found = _differences(runs, simulation.run([run.job for run in runs]))
        wrong += found
        data = [path / "coverage.dat" for path in set(folder.glob("simulation/run_*")) - before]
        queue: frozenset[str] = frozenset()
        if source is not None:
            points.update(read_points(data[0], source))
            queue = queue_labels(data[0], drawn.config)
        if not found:
            for labels in drawn.labels(runs, queue):
                plan.sample(labels)
    return Simulated(wrong, points)


def queue_labels(data: Path, config: EngineConfig) -> frozenset[str]:
    """How full the output queue was: half of its places were reserved by entries under way; half held results."""
    half = (config.out_depth // 2).bit_length() - 1
    told = {
        "half reserved": signal_rose(data, ".throttle", f"outstanding[{half}]"),
        "half full": signal_rose(data, ".queue", f"level[{half}]"),
    }
    return frozenset(label for label, met in told.items() if met)
