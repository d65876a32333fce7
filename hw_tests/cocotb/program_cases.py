"""Random engines of several programs, and runs that switch between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hw_tests.cocotb.core_cases import COUNTERS, Case, golden_case, image_writes, state_writes
from hw_tests.cocotb.random_networks import input_of, random_engine, random_layer, random_state
from hw_tests.cocotb.random_policies import random_policies
from lstmith.compiler.program_image import ProgramContents, lay_out, words_per_lane
from lstmith.golden.model import GoldenModel
from lstmith.host.activity import Activity
from lstmith.host.core_traces import read_layers
from lstmith.host.jobs import EVENT_FIELDS, RESULT_FIELDS, CoreJob, CoreTrace
from lstmith.spec.codes import Kind
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Policy
from lstmith.spec.policy_check import default_policies
from lstmith.spec.quantised import IntArray, QuantLayer, QuantNetwork
from lstmith.spec.registers import Region, address

#: What stands at a place: units, cell format and kind of every layer, and its h and c.
Left = tuple[list[tuple[int, int, Kind]], list[tuple[IntArray, IntArray]]]


@dataclass(frozen=True)
class Programs:
    """An engine with programs that fit it; neighbours at the same place take up each other's states."""

    config: EngineConfig
    networks: list[QuantNetwork]
    places: list[int]


def random_programs(
    rng: np.random.Generator, most: int = 24, *, symbols: bool = False, count: int | None = None
) -> Programs:
    """Two or three: the second has the first one's units, the third a place of its own or also the first one's."""
    config, (first, third) = random_engine(rng, most=most, mixed=bool(rng.random() < 0.5), symbols=symbols)
    first, third = _plain(first), _plain(third)
    while True:
        inputs = int(rng.integers(1, 1 + most))
        second = [_like(rng, config, layer, inputs if index == 0 else None) for index, layer in enumerate(first.layers)]
        # As narrow as the engine is; with small weights nearly every network is.
        if all(
            layer.sum_bound < 1 << (config.acc_width - 1)
            and max(layer.x_grid.span, layer.h_grid.span) < 1 << (config.operand_width - 1)
            for layer in second
        ):
            break
        acc_width, operand_width = min(48, config.acc_width + 4), min(18, config.operand_width + 2)
        config = replace(config, acc_width=acc_width, operand_width=operand_width)
    networks = [first, QuantNetwork(tuple(second)), third][: count or int(rng.integers(2, 4))]
    units = [sum(layer.units for layer in network.layers) for network in networks]
    places = [0, 0, int(rng.choice([0, units[0]]))][: len(networks)]
    sized = replace(
        config,
        programs=len(networks),
        active_counts=1,
        monitor=False,
        skip=False,
        units=max(place + count for place, count in zip(places, units, strict=True)),
        inputs=max(network.inputs for network in networks),
        symbols=max(network.symbols for network in networks),
        layers=max(len(network.layers) for network in networks),
    )
    sized = replace(sized, weight_depth=sum(words_per_lane(network, sized) for network in networks))
    return Programs(sized, networks, places)


def _like(rng: np.random.Generator, config: EngineConfig, layer: QuantLayer, inputs: int | None) -> QuantLayer:
    """Another layer whose states are as those of a given one; first in its chain where ``inputs`` are given."""
    precision = int(rng.choice(config.precisions))
    found = random_layer(
        rng,
        layer.inputs if inputs is None else inputs,
        layer.units,
        precision,
        unsigned=inputs is not None,
        peepholes=config.peepholes,
        requant_width=config.requant_width,
        planes=1 if precision == 4 else config.planes,
        kind=layer.kind,
    )
    return replace(found, c_frac=layer.c_frac)


def _plain(network: QuantNetwork) -> QuantNetwork:
    """Without active counts and predictor, which engines of several programs do not have."""
    layers = (replace(layer, counts=(), skims=False, reduced_bias=None, idle_h=None) for layer in network.layers)
    return QuantNetwork(tuple(layers))


def switching_cases(rng: np.random.Generator, programs: Programs, runs: int, steps: int) -> list[Case]:
    """Runs of programs in any order: from zero, from loaded states, or from what was left at the program's place."""
    config, networks, places = programs.config, programs.networks, programs.places
    models = [GoldenModel(network, config) for network in networks]
    left: dict[int, Left] = {}
    cases: list[Case] = []
    before = 0
    for number in range(runs):
        index = int(rng.integers(len(networks)))
        network, model, place = networks[index], models[index], places[index]
        policies = [random_policies(rng, each, config) for each in networks]
        image = lay_out(_contents(networks, policies, places), config)
        writes = image_writes(image, config) if number == 0 else [(at, value, 0) for at, value in image.policy_writes()]
        job = CoreJob(input_of(rng, steps, network), writes, program=index)
        kinds = ["start", "loaded"]
        layout = [(layer.units, layer.c_frac, layer.kind) for layer in network.layers]
        # The engine lists h anew where another program ran before.
        if place in left and left[place][0] == layout and index != before:
            kinds += ["resumed"] * 3
        kind, state = str(rng.choice(kinds)), None
        if kind == "loaded":
            values = random_state(rng, network, config)
            state = model.loaded_state(policies[index], values)
            loads = state_writes(network, values, place=place, program=index)
            job = replace(job, writes=[*writes, *loads], start=False, restart=True)
        elif kind == "resumed":
            state = model.resumed_state(policies[index], left[place][1])
            job = replace(job, start=False, restart=True)
        if rng.random() < 0.3:
            stall = float(rng.choice([0.1, 0.6]))
            job = replace(job, x_stall=stall, h_stall=stall, seed=int(rng.integers(1 << 30)))
        label = f"run {number}: program {index} {kind} after {before}"
        case, state = golden_case(label, model, policies[index], job, state, place=place)
        cases.append(case)
        _forget(left, place, sum(layer.units for layer in network.layers))
        left[place] = layout, [(layer.h, layer.c) for layer in state]
        before = index
    return cases


def with_refusals(rng: np.random.Generator, programs: Programs, cases: Sequence[Case]) -> list[Case]:
    """The same runs, and between them sequences that name a program that is not there, as far as its port can."""
    if len(programs.networks) == 1 << programs.config.program_bits:
        return list(cases)
    found: list[Case] = []
    for case in cases:
        found += [case, *([_refused(rng, programs)] if rng.random() < 0.5 else [])]
    return found


def _refused(rng: np.random.Generator, programs: Programs) -> Case:
    """Each of its elements is a step that is skipped; nothing else happens."""
    config, network = programs.config, programs.networks[0]
    steps = int(rng.integers(1, 40))
    start, stall = bool(rng.random() < 0.7), float(rng.choice([0, 0.4]))
    job = CoreJob(
        rng.integers(-(1 << 15), 1 << 15, (steps, 1)).astype(np.int16),
        start=start,
        restart=not start,
        program=int(rng.integers(len(programs.networks), 1 << config.program_bits)),
        reads=[address(Region.CONTROL, register) for register in COUNTERS],
        x_stall=stall,
        h_stall=stall,
        seed=int(rng.integers(1 << 30)),
    )
    results, events = (np.zeros((0, len(fields)), dtype=np.int64) for fields in (RESULT_FIELDS, EVENT_FIELDS))
    skips = np.stack([np.arange(steps), np.ones(steps, dtype=np.int64)], axis=1)
    before = [
        (np.zeros(layer.units, np.int64), np.zeros(layer.units, np.int64), layer.units) for layer in network.layers
    ]
    layers = read_layers(network, CoreTrace(results, events, skips, 0, np.zeros(0, np.int64)), steps, before)
    quiet = Activity(dict.fromkeys((4, 8, 16), 0), {}, 0, 0, 0, steps, 0, 0)
    policies = default_policies(network, config)
    return Case(f"program {job.program}", job, network, policies, layers, before, np.zeros(0, np.int64), None, quiet)


def _forget(left: dict[int, Left], place: int, units: int) -> None:
    """States that a run has overwritten."""
    for other in list(left):
        held = sum(count for count, _, _ in left[other][0])
        if other < place + units and place < other + held:
            del left[other]


def _contents(
    networks: Sequence[QuantNetwork], policies: Sequence[list[Policy]], places: Sequence[int]
) -> list[ProgramContents]:
    return [ProgramContents(*program) for program in zip(networks, policies, places, strict=True)]
