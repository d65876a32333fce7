"""What ``generate`` writes, with the vendor's cells, in Icarus in both language modes and Verilator, against golden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_tests.presets import claiming
from lstmith.compiler import compile_model
from lstmith.compiler.data import load_sequences
from lstmith.compiler.design import Design
from lstmith.host.request import make_request
from lstmith.host.results import mismatches
from lstmith.host.rtl_core import RtlCore
from lstmith.host.run import run_golden
from lstmith.rtl.array.weight_bank import initialised
from lstmith.spec.policy_check import default_policies
from lstmith.spec.presets import Tier, preset

STEPS = 4
#: Simulator and options: Verilog 2005, SystemVerilog, which is cocotb's default, and Verilator.
SIMULATORS = {"icarus-2005": ("icarus", ("-g2005",)), "icarus-2012": ("icarus", ()), "verilator": ("verilator", ())}
#: Inputs and units of the network that each preset is compiled for, and options that the preset does not fix.
NETWORKS: dict[str, tuple[int, int, dict[str, Any]]] = {
    "tiny": (3, 5, {}),
    "ice40": (4, 96, {"lanes": 1}),
    "gowin": (3, 6, {}),
    "adaptive": (3, 6, {"active": "5,4,3"}),
    "digit": (3, 6, {}),
    "wide": (2, 5, {"precision": "16"}),
    "pair": (3, 5, {"precision": "4"}),
    "generic": (2, 5, {"precision": "16", "active": "4,3,2"}),
}
#: What a preset without a board is compiled for, by family.
TARGETS = {"ecp5": "icepi-zero", "generic": "generic"}
PRESETS = [each.name for each in claiming(Tier.TEXT)]


def _design(name: str, rng: np.random.Generator, folder: Path) -> Design:
    """A random network, compiled to an engine that has the preset's options."""
    inputs, units, options = NETWORKS[name]
    chosen = preset(name)
    engine = chosen.engine
    shapes: dict[str, tuple[int, ...]] = {
        "W_ih": (4 * units, inputs), "W_hh": (4 * units, units), "b_ih": (4 * units,), "b_hh": (4 * units,),
    }  # fmt: skip
    arrays: dict[str, Any] = {key: rng.normal(0, 0.4, shape) for key, shape in shapes.items()}
    if engine.peepholes:
        arrays["peep"] = rng.normal(0, 0.3, (3, units))
    np.savez(folder / "model.npz", **arrays)
    np.savez(folder / "x.npz", x=rng.normal(0, 1, (2, 60, inputs)).astype(np.float32))
    given = {"lanes": min(engine.lanes, 2), "mac": engine.mac, "sequences": engine.sequences, "delta": engine.delta}
    target = chosen.board or TARGETS[engine.family]
    design = compile_model(folder / "model.npz", folder / "x.npz", target=target, **{**given, **options})
    # With so few lanes the compiler may take one row per cycle.
    rows = {"rows_per_cycle": design.engine.rows_per_cycle} if design.engine.few_lanes else {}
    assert {option: getattr(design.engine, option) for option in chosen.options} == chosen.options | rows
    return design


@pytest.mark.drawn(1)
@pytest.mark.parametrize(
    ("name", "simulators"),
    [
        *((name, ("icarus-2005", "icarus-2012")) for name in PRESETS if name != "ice40"),
        ("adaptive", ("verilator",)),
        # Its weights take a while to be written; they are the same in every simulator.
        ("ice40", ("icarus-2012",)),
        *(pytest.param(name, tuple(SIMULATORS), marks=pytest.mark.slow) for name in PRESETS),
    ],
)
def test_equals_golden(name: str, simulators: tuple[str, ...], rng: np.random.Generator, tmp_path: Path) -> None:
    design = _design(name, rng, tmp_path)
    np.savez(tmp_path / "few.npz", x=rng.normal(0, 1, (2, STEPS, NETWORKS[name][0])).astype(np.float32))
    policies = default_policies(design.network, design.engine)
    request = make_request(design, load_sequences(tmp_path / "few.npz", design.source), policies)
    golden = run_golden(request)
    for simulator in simulators:
        kind, options = SIMULATORS[simulator]
        run = RtlCore(request, kind, tmp_path / simulator, options).run(request)
        assert mismatches(run, golden) == 0, simulator
        np.testing.assert_array_equal(run.cycles, golden.cycles, simulator)


def test_designs_have_the_cells_that_matter(rng: np.random.Generator, tmp_path: Path) -> None:
    """Every model is used by one of the designs, and one of them has memories without initial contents."""
    used, bare = set(), []
    for name in ("adaptive", "ice40"):
        design = _design(name, rng, tmp_path)
        text = design.generate().cells
        used |= {line.split()[1] for line in text.splitlines() if line.startswith("module ")}
        bare += [] if initialised(depth=design.engine.weight_depth, family=design.engine.family) else [name]
    assert used == {"CCU2C", "MULT18X18D", "SB_MAC16", "SB_SPRAM256KA"}
    assert bare == ["ice40"]


def test_two_cores_stand_in_one_design(rng: np.random.Generator, tmp_path: Path) -> None:
    """Different names, no module twice; but for the names the text is the same."""
    design = _design("generic", rng, tmp_path)
    first, second = (design.generate(name=name) for name in ("core_one", "core_two"))
    assert not set(first.description["names"].values()) & set(second.description["names"].values())
    assert all(
        module.isidentifier()
        for module in [*first.description["names"].values(), *second.description["names"].values()]
    )
    assert first.text.replace("core_one", "core_two") == second.text
