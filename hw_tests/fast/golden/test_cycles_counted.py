"""Cycles of dense steps as numbers: they depend on an engine's shape and on no value."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from hw_tests.cocotb.random_networks import random_input, random_network
from lstmith.compiler.program_image import words_per_lane
from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import QuantNetwork

STEPS = 3


@dataclass(frozen=True)
class Dense:
    """Inputs and units of each layer, lanes, bits, planes, rows per cycle, sequences."""

    dims: tuple[int, ...]
    lanes: int
    precision: int = 8
    planes: int = 1
    rows: int = 2
    sequences: int = 1
    idle: bool = False

    def engine(self, rng: np.random.Generator) -> tuple[EngineConfig, QuantNetwork]:
        """An engine of this shape, and a network with any values."""
        network = random_network(
            rng, list(self.dims), (self.precision,), peepholes=False, requant_width=18, planes=self.planes
        )
        config = EngineConfig(
            lanes=self.lanes,
            precisions=(self.precision,),
            acc_width=46,
            operand_width=18,
            rows_per_cycle=self.rows,
            planes=self.planes,
            units=sum(self.dims[1:]),
            inputs=self.dims[0],
            layers=len(self.dims) - 1,
            sequences=self.sequences,
        )
        return replace(config, weight_depth=words_per_lane(network, config)), network


#: Shape, cycles of each sequence's steps, and what all of them are spent on.
COUNTED: list[tuple[Dense, list[list[int]], dict[str, int]]] = [
    (
        Dense((1, 5), 3),
        [[63, 64, 64]],
        {"BUSY": 52, "PACE": 4, "OPEN": 4, "DRAIN": 72, "FEEDBACK": 4, "INPUT": 9, "TAIL": 46},
    ),
    (
        Dense((2, 7), 3, rows=1),
        [[81, 86, 86]],
        {"BUSY": 120, "PACE": 16, "OPEN": 4, "DRAIN": 56, "FEEDBACK": 4, "INPUT": 9, "TAIL": 44},
    ),
    (
        Dense((3, 7), 5, rows=4),
        [[68, 75, 72]],
        {"BUSY": 92, "CAPTURE": 5, "OPEN": 2, "DRAIN": 52, "FEEDBACK": 9, "INPUT": 11, "TAIL": 44},
    ),
    (
        Dense((2, 9), 4, precision=16),
        [[82, 154, 142]],
        {"BUSY": 288, "PACE": 4, "DRAIN": 12, "FEEDBACK": 20, "INPUT": 10, "TAIL": 44},
    ),
    (
        Dense((2, 5), 2, precision=4),
        [[65, 67, 67]],
        {"BUSY": 48, "CAPTURE": 16, "OPEN": 2, "DRAIN": 76, "FEEDBACK": 2, "INPUT": 10, "TAIL": 45},
    ),
    (
        Dense((2, 5), 2, planes=2),
        [[77, 86, 86]],
        {"BUSY": 96, "CAPTURE": 16, "DRAIN": 72, "FEEDBACK": 4, "INPUT": 19, "TAIL": 42},
    ),
    (
        Dense((5, 3), 8, precision=16, planes=2, rows=1),
        [[90, 65, 65]],
        {"BUSY": 84, "DRAIN": 58, "FEEDBACK": 8, "INPUT": 21, "TAIL": 49},
    ),
    (
        Dense((2, 4, 7), 3),
        [[132, 156, 156]],
        {"BUSY": 212, "PACE": 2, "OPEN": 10, "RECORD": 1, "DRAIN": 158, "FEEDBACK": 6, "INPUT": 10, "TAIL": 45},
    ),
    (
        Dense((1, 1, 2), 2, rows=1),
        [[108, 104, 104]],
        {"BUSY": 24, "OPEN": 10, "RECORD": 9, "DRAIN": 212, "FEEDBACK": 4, "INPUT": 8, "TAIL": 49},
    ),
    (
        Dense((3, 6), 4, sequences=2),
        [[71, 69, 47], [16, 38, 38]],
        {"BUSY": 168, "PACE": 4, "OPEN": 10, "DRAIN": 40, "INPUT": 11, "TAIL": 46},
    ),
    (
        Dense((2, 5, 3), 2, planes=2, sequences=2),
        [[145, 121, 121], [85, 121, 121]],
        {"BUSY": 360, "CAPTURE": 58, "DRAIN": 222, "FEEDBACK": 12, "INPUT": 19, "TAIL": 43},
    ),
    (Dense((9, 2), 1), [[97, 72, 72]], {"BUSY": 124, "OPEN": 4, "DRAIN": 48, "FEEDBACK": 4, "INPUT": 17, "TAIL": 44}),
    (Dense((2, 7), 3, idle=True), [[70, 108, 108]], {"BUSY": 120, "PACE": 4, "INPUT": 30, "TAIL": 132}),
    (
        Dense((1, 40), 33, rows=4),
        [[103, 168, 167]],
        {"BUSY": 332, "CAPTURE": 5, "PACE": 39, "OPEN": 2, "FEEDBACK": 1, "INPUT": 9, "TAIL": 50},
    ),
    (
        Dense((2, 3, 5), 4, precision=16, rows=1, idle=True),
        [[143, 169, 169]],
        {"BUSY": 200, "PACE": 6, "RECORD": 5, "DRAIN": 96, "FEEDBACK": 12, "INPUT": 27, "TAIL": 135},
    ),
    (
        Dense((40, 2), 2, precision=4, sequences=2),
        [[135, 48, 47], [44, 45, 45]],
        {"BUSY": 248, "CAPTURE": 10, "OPEN": 5, "DRAIN": 4, "INPUT": 50, "TAIL": 47},
    ),
    (
        Dense((60, 3), 4, precision=4, rows=4),
        [[173, 67, 66]],
        {"BUSY": 186, "CAPTURE": 2, "OPEN": 4, "INPUT": 69, "TAIL": 45},
    ),
    (
        Dense((20, 4), 4, precision=4, planes=2, sequences=2),
        [[105, 58, 54], [26, 30, 30]],
        {"BUSY": 136, "CAPTURE": 10, "OPEN": 20, "DRAIN": 46, "INPUT": 43, "TAIL": 48},
    ),
    (
        Dense((3, 12), 4, precision=4, planes=2, sequences=2),
        [[87, 85, 58], [24, 51, 51]],
        {"BUSY": 198, "CAPTURE": 34, "PACE": 15, "DRAIN": 41, "INPUT": 20, "TAIL": 48},
    ),
    (
        Dense((1, 16), 16, precision=4, rows=1, sequences=2),
        [[114, 64, 64], [64, 64, 64]],
        {"BUSY": 70, "CAPTURE": 10, "PACE": 72, "OPEN": 5, "DRAIN": 164, "INPUT": 8, "TAIL": 105},
    ),
    (
        Dense((30, 2), 2, precision=4),
        [[115, 51, 51]],
        {"BUSY": 94, "CAPTURE": 4, "OPEN": 2, "DRAIN": 29, "FEEDBACK": 2, "INPUT": 39, "TAIL": 47},
    ),
]


@pytest.mark.parametrize(("shape", "cycles", "spent"), COUNTED)
def test_dense_steps(shape: Dense, cycles: list[list[int]], spent: dict[str, int], rng: np.random.Generator) -> None:
    """``hw_tests/fast/rtl/test_engine.py`` compares the same model with the hardware; here no number may move."""
    config, network = shape.engine(rng)
    x = np.stack([random_input(rng, STEPS, network.inputs) for _ in range(shape.sequences)])
    policies = [Policy(Mode.DENSE)] * len(network.layers)
    traces, model = GoldenModel(network, config).run(x, policies), CycleModel(network, config)
    idle = np.full((shape.sequences, STEPS), shape.idle)
    assert model.cycles(traces, policies, idle=idle).tolist() == cycles
    total = model.breakdown(traces, policies, idle=idle).total(np.ones(idle.shape, dtype=bool))
    assert {kind.name: int(count) for kind, count in total.items() if count} == spent
