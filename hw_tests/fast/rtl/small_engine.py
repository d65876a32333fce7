"""Engines of two lanes with chosen features, and networks for them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hw_tests.cocotb.random_networks import random_network
from lstmith.compiler.program_image import words_per_lane
from lstmith.spec.codes import Kind
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import QuantNetwork


@dataclass(frozen=True)
class Features:
    """What a network and its engine have."""

    dims: tuple[int, ...] = (3, 5)
    precisions: tuple[int, ...] = (8,)
    rows_per_cycle: int = 2
    mac: str = "dsp"
    peepholes: bool = False
    planes: int = 1
    skip: bool = False
    active_counts: int = 1
    delta: bool = True
    kinds: tuple[Kind, ...] = (Kind.LSTM,)


def small_engine(rng: np.random.Generator, features: Features) -> tuple[EngineConfig, QuantNetwork]:
    """A network, and the narrowest engine of two lanes for it."""
    network = random_network(
        rng,
        list(features.dims),
        features.precisions,
        peepholes=features.peepholes,
        requant_width=18,
        planes=features.planes,
        active_counts=features.active_counts,
        predictor=features.skip,
        kinds=features.kinds,
    )
    span = max(max(layer.x_grid.span, layer.h_grid.span) for layer in network.layers)
    config = EngineConfig(
        lanes=2,
        precisions=features.precisions,
        mac=features.mac,
        rows_per_cycle=features.rows_per_cycle,
        peepholes=features.peepholes,
        planes=features.planes,
        monitor=features.planes > 1,
        skip=features.skip,
        active_counts=features.active_counts,
        delta=features.delta,
        kinds=features.kinds,
        acc_width=min(48, max(layer.sum_bound for layer in network.layers).bit_length() + 9),
        operand_width=max(10, span.bit_length() + 1),
        units=sum(features.dims[1:]),
        inputs=features.dims[0],
        layers=len(features.dims) - 1,
    )
    return replace(config, weight_depth=words_per_lane(network, config)), network
