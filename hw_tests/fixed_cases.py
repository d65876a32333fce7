"""Random networks on fixed engines of their own, and golden's answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hw_tests.cocotb.core_cases import Case, golden_case
from hw_tests.cocotb.random_networks import input_of, random_network
from lstmith.compiler.program_image import build_memory_image, words_per_lane
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.spec.config import EngineConfig
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.policy_check import default_policies
from lstmith.spec.quantised import QuantNetwork


def fixed_engine(rng: np.random.Generator, options: EngineConfig, dims: list[int]) -> tuple[EngineConfig, QuantNetwork]:
    """A network that uses an engine's options, and the narrowest fixed engine for it.

    Parameters
    ----------
    rng : Generator
    options : EngineConfig
        Of which sizes and widths are not looked at.
    dims : list of int
        Inputs, then units of each layer.
    """
    network = random_network(
        rng,
        dims,
        options.precisions,
        peepholes=options.peepholes,
        requant_width=options.requant_width,
        kinds=options.kinds,
        symbols=options.symbols > 0,
    )
    layers = network.layers
    span = max(max(layer.x_grid.span, layer.h_grid.span) for layer in layers)
    engine = replace(
        options,
        fixed=True,
        precisions=tuple(sorted({layer.precision for layer in layers})),
        acc_width=max(16, max(layer.sum_bound for layer in layers).bit_length() + 1),
        operand_width=max(9, span.bit_length() + 1),
        units=sum(layer.units for layer in layers),
        inputs=network.inputs,
        symbols=network.symbols,
        layers=len(layers),
    )
    return replace(engine, weight_depth=words_per_lane(network, engine)), network


def fixed_cases(
    rng: np.random.Generator, engine: EngineConfig, network: QuantNetwork, steps: int
) -> tuple[MemoryImage, list[Case]]:
    """What a fixed engine is made of, and two sequences: one without pauses, one whose streams stall."""
    policies = default_policies(network, engine)
    model = GoldenModel(network, engine)
    jobs = [CoreJob(input_of(rng, steps, network)) for _ in range(2)]
    jobs[1] = replace(jobs[1], x_stall=0.3, h_stall=0.3, seed=int(rng.integers(1 << 30)))
    cases = [golden_case(f"sequence {index}", model, policies, job)[0] for index, job in enumerate(jobs)]
    return build_memory_image(network, engine, policies), cases
