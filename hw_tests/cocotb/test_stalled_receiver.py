"""A receiver that stalls for thousands of cycles, so that every queue fills: no result is lost, none is wrong.

Engines whose last fold holds a single unit end folds in the quickest succession, and lists that are empty leave nothing
else to wait for: then the places of the output queue are taken as fast as they can be.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import Case, differences, golden_case, image_writes, policy_writes
from hw_tests.cocotb.pair_cases import PAIR, Pair, pair_case
from hw_tests.cocotb.random_networks import for_two, random_input, random_network
from hw_tests.cocotb.random_policies import random_policies
from lstmith.compiler.program_image import build_memory_image, words_per_lane
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob, CoreTrace
from lstmith.host.simulate import Simulation
from lstmith.rtl.cores import to_verilog
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import QuantNetwork

#: Cycles until the first result is taken, and between two: all is jammed and leaves one by one, slowly or fast.
RECEIVERS = ((3000, 0), (3000, 1), (3000, 60), (1500, 7), (0, 60))
#: More than the queue takes, the pipeline holds and the input buffers make.
RESULTS = 160
ENGINES = 6
MORE_ENGINES = range(ENGINES, ENGINES + 200)
#: Differences that no value reaches: all lists but the first are empty.
NOTHING_COUNTS = 0xFFFF


def _engine(rng: np.random.Generator, index: int) -> tuple[EngineConfig, QuantNetwork]:
    """Every other engine takes two sequences in turn."""
    lanes = int(rng.choice([1, 2, 3, 4, 6]))
    units = 1 + lanes * int(rng.integers(1, 3)) if rng.random() < 0.7 else int(rng.integers(1, 9))
    layers = [units] if rng.random() < 0.7 else [units, 1 + lanes]
    planes = 2 if rng.random() < 0.7 else 1
    precisions = ((4,), (8,), (4, 8))[rng.integers(3)]
    network = random_network(rng, [1, *layers], precisions, peepholes=False, requant_width=18, planes=planes)
    span = max(max(layer.x_grid.span, layer.h_grid.span) for layer in network.layers)
    config = EngineConfig(
        lanes=lanes,
        precisions=precisions,
        acc_width=min(48, max(16, max(layer.sum_bound for layer in network.layers).bit_length() + 2)),
        operand_width=max(10, span.bit_length() + 1),
        rows_per_cycle=int(rng.choice([1, 2, 2])),
        units=sum(layer.units for layer in network.layers),
        inputs=1,
        layers=len(network.layers),
        planes=planes,
    )
    config = replace(config, weight_depth=words_per_lane(network, config))
    return for_two(config, network) if index % 2 else (config, network)


def _cases(rng: np.random.Generator, config: EngineConfig, network: QuantNetwork) -> list[Case | Pair]:
    model, layers = GoldenModel(network, config), len(network.layers)
    steps = -(-RESULTS // (config.sequences * config.units))
    quiet = [Policy(Mode.DELTA, theta_x=NOTHING_COUNTS, theta_h=NOTHING_COUNTS)] * layers
    cases: list[Case | Pair] = []
    for index, (closed, gap) in enumerate(RECEIVERS):
        policies = random_policies(rng, network, config) if index % 2 else quiet
        image = build_memory_image(network, config, policies)
        writes = policy_writes(image) if cases else image_writes(image, config)
        x = np.stack([random_input(rng, steps, 1) for _ in PAIR])
        job = CoreJob(x[0], writes, h_closed=closed, h_gap=gap)
        label = f"closed {closed}, gap {gap}, {policies}"
        if config.sequences == 1:
            cases.append(golden_case(label, model, policies, job)[0])
            continue
        hints = np.zeros(x.shape[:2], dtype=bool)
        cases.append(
            pair_case(label, model, policies, x, job, lengths=[steps, steps], state=model.zero_state(2), hints=hints)
        )
    return cases


def _found(case: Case | Pair, core_trace: CoreTrace) -> list[str]:
    return differences(case, core_trace) if isinstance(case, Case) else case.differences(core_trace)


@pytest.mark.drawn(1)
@pytest.mark.parametrize(
    "engine", [*range(ENGINES), *(pytest.param(engine, marks=pytest.mark.slow) for engine in MORE_ENGINES)]
)
def test_nothing_is_lost(engine: int, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, engine, 3])
    config, network = _engine(rng, engine)
    cases = _cases(rng, config, network)
    source = tmp_path / "core.v"
    source.write_text(to_verilog(config))
    core_traces = Simulation([source], "icarus", tmp_path / "simulation").run([case.job for case in cases])
    found = [line for case, core_trace in zip(cases, core_traces, strict=True) for line in _found(case, core_trace)]
    assert not found, "\n".join([str(config), *found])
