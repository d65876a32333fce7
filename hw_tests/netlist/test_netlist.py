"""What yosys makes of a small core equals golden, in every number and cycle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import differences, golden_case
from hw_tests.cocotb.random_networks import random_hints, random_input, random_layer
from hw_tests.cocotb.random_policies import random_policies
from hw_tests.fixed_cases import fixed_cases, fixed_engine
from hw_tests.presets import claiming
from lstmith.compiler.program_image import build_memory_image, words_per_lane
from lstmith.flow.netlist import cell_models, map_netlist
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.host.simulate import Simulation
from lstmith.rtl.top import NAME, Top
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.presets import Tier, preset
from lstmith.spec.quantised import QuantNetwork
from lstmith.spec.registers import WEIGHTS

pytestmark = pytest.mark.netlist

#: Operands of wider grids than the preset's: a multiplier for each row.
WIDE_OPERANDS = replace(preset("ice40").small(), lanes=2, operand_width=13, acc_width=24, weight_depth=1024)
FIXED = (
    EngineConfig(lanes=1, precisions=(8,), family="ecp5"),
    replace(preset("ice40").small(), lanes=2),
)
CELLS = {
    "ecp5": {"MULT18X18D", "DP16KD", "TRELLIS_DPR16X4", "CCU2C", "PFUMX"},
    "ice40": {"SB_MAC16", "SB_RAM40_4K", "SB_SPRAM256KA", "SB_CARRY"},
    "gowin": {"MULT18X18", "SDPX9B", "RAM16SDP4", "ALU", "MUX2_LUT5"},
}
STEPS = 4


def _policies(rng: np.random.Generator, network: QuantNetwork, config: EngineConfig) -> list[list[Policy]]:
    """Every mode without thresholds; where the engine has rules, two policies that use them."""
    if not config.delta:
        return [[Policy(Mode.DENSE)]]
    if config.planes == 1:
        return [[Policy(Mode.SKIP)], [Policy(Mode.DELTA)]]
    return [[Policy(Mode.AUTO)], *(random_policies(rng, network, config) for _ in range(2))]


def _network(rng: np.random.Generator, config: EngineConfig, precision: int) -> QuantNetwork:
    """A random layer that the engine takes."""
    while True:
        layer = random_layer(
            rng,
            4,
            5,
            precision,
            unsigned=True,
            peepholes=config.peepholes,
            requant_width=config.requant_width,
            planes=precision // config.plane_bits(precision),
            active_counts=config.active_counts,
        )
        span = max(layer.x_grid.span, layer.h_grid.span)
        if layer.sum_bound < 1 << (config.acc_width - 1) and span < 1 << (config.operand_width - 1):
            return QuantNetwork((layer,))


@pytest.mark.drawn(1)
@pytest.mark.parametrize("name", [each.name for each in claiming(Tier.NETLIST)])
def test_equals_golden(name: str, tmp_path: Path, rng: np.random.Generator) -> None:
    config = preset(name).small()
    cells = _compare(config, tmp_path, rng)
    assert CELLS[config.family] <= cells


@pytest.mark.slow
def test_wide_operands_on_ice40(tmp_path: Path, rng: np.random.Generator) -> None:
    assert not WIDE_OPERANDS.dual_rows
    assert CELLS["ice40"] - {"SB_SPRAM256KA"} <= _compare(WIDE_OPERANDS, tmp_path, rng)


@pytest.mark.parametrize("options", FIXED, ids=[each.family for each in FIXED])
def test_fixed_engine(options: EngineConfig, tmp_path: Path, rng: np.random.Generator) -> None:
    """Memories that nothing writes, constants that synthesis removes what they decide by, activations that multiply."""
    # Wide operands take the multipliers of iCE40.
    drawn = (fixed_engine(rng, options, [1, 5]) for _ in range(1000))
    engine, network = next(each for each in drawn if each[0].spare_multipliers)
    image, cases = fixed_cases(rng, engine, network, STEPS)
    netlist, cells = map_netlist(Top(engine, image), engine.family, NAME, tmp_path / "map")
    core = Simulation([netlist, *cell_models(engine.family, tmp_path)], "icarus", tmp_path / "simulation")
    core_traces = core.run([case.job for case in cases])
    found = [
        line for case, core_trace in zip(cases, core_traces, strict=True) for line in differences(case, core_trace)
    ]
    assert not found, "\n".join(found)
    wanted = {"ecp5": {"MULT18X18D", "DP16KD"}, "ice40": {"SB_MAC16", "SB_RAM40_4K"}}
    assert wanted[engine.family] <= set(cells)


def _compare(config: EngineConfig, tmp_path: Path, rng: np.random.Generator) -> set[str]:
    """Hold an engine's netlist against golden; returns the types of its cells."""
    family = config.family
    netlist, cells = map_netlist(Top(config), family, NAME, tmp_path / "map")
    core = Simulation([netlist, *cell_models(family, tmp_path)], "icarus", tmp_path / "simulation")
    cases = []
    for precision in config.precisions:
        network = _network(rng, config, precision)
        model = GoldenModel(network, config)
        for policies in _policies(rng, network, config):
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
            hints = random_hints(rng, STEPS)
            cases.append(
                golden_case(f"{precision} bit {policies}", model, policies, CoreJob(x, writes), hints=hints)[0]
            )
    core_traces = core.run([case.job for case in cases])
    found = [
        line for case, core_trace in zip(cases, core_traces, strict=True) for line in differences(case, core_trace)
    ]
    assert not found, "\n".join(found)
    return set(cells)
