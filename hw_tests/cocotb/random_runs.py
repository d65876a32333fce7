"""Runs of a random network on an engine, with golden's answers: what is loaded, continued, stalled or masked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from hw_tests.cocotb.core_cases import Case, golden_case, image_writes, policy_writes, state_writes
from hw_tests.cocotb.pair_cases import PAIR, Pair, pair_case
from hw_tests.cocotb.random_networks import input_of, random_active_indices, random_hints, random_state
from hw_tests.cocotb.random_policies import random_policies
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.activity import LayerState
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.host.sequences import state_writes as state_writes_of
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import QuantNetwork

#: Weight words that one dense run may issue, so that a run on Icarus takes about a second; and a run of a sequence.
WORDS_PER_RUN, WORDS_PER_SEQUENCE = 3000, 2000


def random_runs(
    rng: np.random.Generator, network: QuantNetwork, config: EngineConfig, name: str, *, load: bool, rounds: int
) -> list[Case]:
    """The first two runs share an input; of each round's three, the last continues the one before it."""
    layers = len(network.layers)
    model = GoldenModel(network, config)
    words = sum(config.folds(layer.units) * layer.weights.shape[1] * layer.entry_words for layer in network.layers)
    steps = int(np.clip(WORDS_PER_RUN // words, 2, 12))
    x = input_of(rng, steps, network)
    cases = []

    def stalled(job: CoreJob) -> CoreJob:
        x_stall, h_stall = (float(chance) for chance in rng.choice([0.0, 0.1, 0.6], 2))
        return replace(job, x_stall=x_stall, h_stall=h_stall, seed=int(rng.integers(1 << 30)))

    dense = [Policy(Mode.DENSE)] * layers
    image = build_memory_image(network, config, dense)
    writes = image_writes(image, config) if load else policy_writes(image)
    cases.append(golden_case(f"{name} dense", model, dense, CoreJob(x, writes))[0])

    exact = [Mode.SKIP, Mode.DELTA] if config.delta else [Mode.DENSE]
    exact += [Mode.AUTO] if config.planes == 2 else []
    sparse = [Policy(Mode(int(mode))) for mode in rng.choice(exact, layers)]
    writes = policy_writes(build_memory_image(network, config, sparse))
    cases.append(golden_case(f"{name} exact {sparse}", model, sparse, stalled(CoreJob(x, writes)))[0])

    for loaded in (False, True) * rounds:
        policies = random_policies(rng, network, config)
        writes = policy_writes(build_memory_image(network, config, policies))
        x, hints = input_of(rng, steps, network), random_hints(rng, steps)
        # Half of the runs stay at the policy's own active count.
        own = rng.random() < 0.5
        active_indices = random_active_indices(rng, network, steps, policies).tolist() if own else []
        if not loaded:
            # As over a wire: some steps begin in an idle core, the others right behind the one before.
            rests = [False, *(rng.random(steps - 1) < 0.5).tolist()]
            job = CoreJob(x, writes, active_indices=active_indices, rests=rests)
            cases.append(golden_case(f"{name} {policies}", model, policies, job, hints=hints)[0])
            continue
        values = random_state(rng, network, config)
        state = model.loaded_state(policies, values)
        half = max(1, steps // 2)
        writes += state_writes(network, values, int(state[0].active_index[0]))
        job = CoreJob(x[:half], writes, start=False, restart=True, active_indices=active_indices[:half])
        case, state = golden_case(f"{name} loaded {policies}", model, policies, job, state, hints[:half])
        job = stalled(CoreJob(x[half:], start=False, restart=False, active_indices=active_indices[half:]))
        cases += [case, golden_case(f"{name} continued {policies}", model, policies, job, state, hints[half:])[0]]
    return cases


def short_run(rng: np.random.Generator, network: QuantNetwork, config: EngineConfig) -> Case:
    """A few steps in a random policy, whatever the network before left behind."""
    policies = random_policies(rng, network, config)
    writes = image_writes(build_memory_image(network, config, policies), config)
    x_stall, h_stall = (float(chance) for chance in rng.choice([0.0, 0.1, 0.6], 2))
    job = CoreJob(input_of(rng, 3, network), writes, x_stall=x_stall, h_stall=h_stall, seed=int(rng.integers(1 << 30)))
    label = f"{[layer.kind.name for layer in network.layers]} {policies}"
    return golden_case(label, GoldenModel(network, config), policies, job, hints=random_hints(rng, 3))[0]


def random_pairs(rng: np.random.Generator, network: QuantNetwork, config: EngineConfig) -> list[Pair]:
    """Of different lengths, alone, from loaded states, continued, stalled."""
    model = GoldenModel(network, config)
    words = sum(config.folds(layer.units) * layer.weights.shape[1] * layer.entry_words for layer in network.layers)
    steps = int(np.clip(WORDS_PER_SEQUENCE // words, 2, 10))
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
        writes += state_writes_of(network, values, 0, row, row << config.unit_bits)
    pairs.append(run("loaded", policies, CoreJob(empty, writes, start=False, restart=True), whole, state))
    stall = float(rng.choice([0.0, 0.1, 0.6]))
    job = CoreJob(empty, start=False, restart=False, x_stall=stall, h_stall=stall, seed=int(rng.integers(1 << 30)))
    pairs.append(run("continued", policies, job, whole, state))
    return pairs
