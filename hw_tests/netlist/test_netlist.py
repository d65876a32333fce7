"""What yosys makes of a small core equals golden, in every number and cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import differences, golden_case
from hw_tests.cocotb.random_networks import random_input, random_layer
from lstmith.compiler.program_image import build_memory_image, words_per_lane
from lstmith.flow.netlist import cell_models, map_netlist
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.host.simulate import Simulation
from lstmith.rtl.top import NAME, Top
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import QuantNetwork
from lstmith.spec.registers import WEIGHTS

pytestmark = pytest.mark.netlist

ENGINES = {
    "ecp5": EngineConfig(lanes=2, precisions=(4, 8), family="ecp5", units=5, inputs=4),
    "ecp5, without delta": EngineConfig(lanes=1, precisions=(8,), family="ecp5", units=5, inputs=4, delta=False),
    # Lanes without DSP blocks; the cell unit keeps its own.
    "ecp5, digit": EngineConfig(lanes=2, precisions=(4, 8), mac="digit", family="ecp5", units=5, inputs=4),
    # As on the board: 8 bit only, and weights in SPRAM.
    "ice40": EngineConfig(
        lanes=4,
        precisions=(8,),
        family="ice40",
        rows_per_cycle=1,
        operand_width=9,
        c_width=16,
        requant_width=16,
        weight_depth=1 << 14,
        units=5,
        inputs=4,
    ),
    # Operands of wider grids: a multiplier for each row.
    "ice40, wide operands": EngineConfig(
        lanes=2, precisions=(8,), family="ice40", rows_per_cycle=1, c_width=16, requant_width=16, units=5, inputs=4
    ),
    "gowin": EngineConfig(lanes=2, precisions=(4, 8), family="gowin", rows_per_cycle=1, units=5, inputs=4),
}
CELLS = {
    "ecp5": {"MULT18X18D", "DP16KD", "TRELLIS_DPR16X4", "CCU2C", "PFUMX"},
    "ice40": {"SB_MAC16", "SB_RAM40_4K", "SB_SPRAM256KA", "SB_CARRY"},
    "gowin": {"MULT18X18", "SDPX9B", "RAM16SDP4", "ALU", "MUX2_LUT5"},
}
STEPS = 4


def _network(rng: np.random.Generator, config: EngineConfig, precision: int) -> QuantNetwork:
    """A random layer that the engine takes."""
    while True:
        layer = random_layer(rng, 4, 5, precision, first=True, peepholes=False, requant_width=config.requant_width)
        span = max(layer.x_grid.span, layer.h_grid.span)
        if layer.sum_bound < 1 << (config.acc_width - 1) and span < 1 << (config.operand_width - 1):
            return QuantNetwork((layer,))


@pytest.mark.parametrize("engine", ENGINES)
def test_equals_golden(engine: str, tmp_path: Path, rng: np.random.Generator) -> None:
    config = ENGINES[engine]
    family = config.family
    netlist, cells = map_netlist(Top(config), family, NAME, tmp_path / "map")
    assert (CELLS[family] - {"SB_SPRAM256KA"} if "wide" in engine else CELLS[family]) <= set(cells)
    core = Simulation([netlist, *cell_models(family, tmp_path)], "icarus", tmp_path / "simulation")
    cases = []
    for precision in config.precisions:
        network = _network(rng, config, precision)
        model = GoldenModel(network, config)
        for mode in (Mode.SKIP, Mode.DELTA) if config.delta else (Mode.DENSE,):
            policies = [Policy(mode)]
            image = build_memory_image(network, config, policies)
            # Of the weight memory only the part in use: a netlist is slow.
            used = words_per_lane(network, config)
            writes = [(place, value, 0) for place, value in image.bus_writes(config, weights=False)]
            writes += [
                (WEIGHTS | lane << config.address_bits | index, int(word), 0)
                for lane, words in enumerate(image.weights)
                for index, word in enumerate(words[:used])
            ]
            x = random_input(rng, STEPS, network.inputs)
            cases.append(golden_case(f"{precision} bit {mode.name}", model, policies, CoreJob(x, writes))[0])
    core_traces = core.run([case.job for case in cases])
    found = [
        line for case, core_trace in zip(cases, core_traces, strict=True) for line in differences(case, core_trace)
    ]
    assert not found, "\n".join(found)
