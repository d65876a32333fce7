"""Two sequences in turn: each as if it were alone, in exactly the predicted cycles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from hw_tests.cocotb.core_cases import core_files, image_writes, policy_writes
from hw_tests.cocotb.pair_cases import PAIR, Pair, pair_case
from hw_tests.cocotb.random_networks import (
    for_two,
    input_of,
    preset_engine,
    random_engine,
    random_hints,
    random_state,
)
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.presets import claiming
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.activity import LayerState
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.host.sequences import state_writes
from lstmith.host.simulate import Simulation
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.presets import Tier, preset
from lstmith.spec.quantised import QuantNetwork

#: Presets for two sequences, on both simulators, and random engines.
PRESETS = [each.name for each in claiming(Tier.RANDOM) if each.engine.sequences > 1]
ENGINES = 11
ON_VERILATOR = range(0, ENGINES, 6)
#: Engines for all kinds of layers.
MIXED = range(0, ENGINES, 2)
#: Engines whose networks read symbols, all or some of them.
SYMBOLS = range(0, ENGINES, 3)
#: Weight words that one dense run of a sequence may issue.
WORDS_PER_RUN = 2000


def random_pairs(rng: np.random.Generator, network: QuantNetwork, config: EngineConfig) -> list[Pair]:
    """Of different lengths, alone, from loaded states, continued, stalled."""
    model = GoldenModel(network, config)
    words = sum(config.folds(layer.units) * layer.weights.shape[1] * layer.entry_words for layer in network.layers)
    steps = int(np.clip(WORDS_PER_RUN // words, 2, 10))
    whole = [steps, steps]

    def made() -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_]]:
        return (
            np.stack([input_of(rng, steps, network) for _ in PAIR]),
            np.stack([random_hints(rng, steps) for _ in PAIR]),
        )

    def run(label: str, policies: list[Policy], job: CoreJob, lengths: list[int], state: list[LayerState]) -> Pair:
        x, hints = made()
        return pair_case(f"{label} {policies}", model, policies, x, job, lengths=lengths, state=state, hints=hints)

    empty = np.zeros((0, network.inputs), dtype=np.int16)
    dense = [Policy(Mode.DENSE)] * len(network.layers)
    image = build_memory_image(network, config, dense)
    pairs = [run("dense", dense, CoreJob(empty, image_writes(image, config)), whole, model.zero_state(2))]
    for lengths in ([steps, int(rng.integers(1, steps))], [int(rng.integers(1, steps)), steps], whole):
        policies = random_policies(rng, network, config)
        writes = policy_writes(build_memory_image(network, config, policies))
        pairs.append(run("random", policies, CoreJob(empty, writes), lengths, model.zero_state(2)))

    policies = random_policies(rng, network, config)
    states = [random_state(rng, network, config) for _ in PAIR]
    both = [
        (np.concatenate([one[0], two[0]]), np.concatenate([one[1], two[1]])) for one, two in zip(*states, strict=True)
    ]
    state = model.loaded_state(policies, both)
    writes = policy_writes(build_memory_image(network, config, policies))
    for row in PAIR:
        values = [(h[0], c[0]) for h, c in states[row]]
        writes += state_writes(network, values, 0, row, row << config.unit_bits)
    pairs.append(run("loaded", policies, CoreJob(empty, writes, start=False, restart=True), whole, state))
    stall = float(rng.choice([0.0, 0.1, 0.6]))
    job = CoreJob(empty, start=False, restart=False, x_stall=stall, h_stall=stall, seed=int(rng.integers(1 << 30)))
    pairs.append(run("continued", policies, job, whole, state))
    return pairs


@pytest.mark.parametrize(
    ("engine", "simulator"),
    [
        *((engine, "verilator") for engine in (*PRESETS, *ON_VERILATOR)),
        *((engine, "icarus") for engine in (*PRESETS, *range(ENGINES))),
    ],
)
def test_each_as_if_alone(engine: int | str, simulator: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, *str(engine).encode(), 2])
    if isinstance(engine, str):
        config, networks = preset_engine(rng, preset(engine).engine)
    else:
        config, networks = random_engine(rng, most=24, mixed=engine in MIXED, symbols=engine in SYMBOLS)
    fitting = [for_two(config, network) for network in networks]
    config = fitting[0][0]
    pairs = [pair for _, network in fitting for pair in random_pairs(rng, network, config)]
    core_traces = Simulation(core_files(config, tmp_path), simulator, tmp_path / "simulation").run(
        [pair.job for pair in pairs]
    )
    found = [line for pair, core_trace in zip(pairs, core_traces, strict=True) for line in pair.differences(core_trace)]
    assert not found, "\n".join([str(config), *found])
