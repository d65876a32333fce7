"""Random fixed networks of every precision, on both simulators, against golden."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import core_files, differences
from hw_tests.cocotb.vectors import SIMULATORS
from hw_tests.fixed_cases import fixed_cases, fixed_engine
from lstmith.compiler import compile_model
from lstmith.compiler.data import load_sequences
from lstmith.host.request import make_request
from lstmith.host.results import mismatches
from lstmith.host.rtl_core import RtlCore
from lstmith.host.run import run_golden
from lstmith.host.simulate import Simulation
from lstmith.spec.codes import Kind
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy_check import default_policies

STEPS = 5
#: What each engine has, and its network: inputs, then units of each layer.
ENGINES = {
    "4 bit": (EngineConfig(lanes=2, precisions=(4,), family="ecp5"), [3, 7]),
    "8 bit": (EngineConfig(lanes=1, precisions=(8,), family="ecp5"), [1, 9]),
    "16 bit": (EngineConfig(lanes=2, precisions=(16,), family="ecp5", peepholes=True), [2, 6]),
    "8 bit, dense": (EngineConfig(lanes=2, precisions=(8,), family="ecp5", delta=False), [1, 8]),
    "8 bit, one row per cycle": (EngineConfig(lanes=2, precisions=(8,), rows_per_cycle=1), [3, 6]),
    "all bits, a stack": (EngineConfig(lanes=3, precisions=(4, 8, 16)), [2, 5, 4]),
    "16 bit, all kinds": (EngineConfig(lanes=2, precisions=(16,), kinds=tuple(Kind)), [3, 5, 4]),
}


@pytest.mark.drawn(3)
@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("name", ENGINES)
def test_equals_golden(name: str, simulator: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, *name.encode()])
    engine, network = fixed_engine(rng, *ENGINES[name])
    image, cases = fixed_cases(rng, engine, network, STEPS)
    core = Simulation(core_files(engine, tmp_path, image), simulator, tmp_path / "simulation")
    core_traces = core.run([case.job for case in cases])
    found = [
        line for case, core_trace in zip(cases, core_traces, strict=True) for line in differences(case, core_trace)
    ]
    assert not found, "\n".join([str(engine), *found])


def test_compiled_text_equals_golden(rng: np.random.Generator, tmp_path: Path) -> None:
    """What ``compile --fixed`` and ``generate`` make, through what ``run`` does, in Icarus and in the fast harness."""
    units, inputs = 6, 2
    arrays = {name: rng.normal(0, 0.4, (4 * units, size)) for name, size in (("W_ih", inputs), ("W_hh", units))}
    arrays |= {name: rng.normal(0, 0.4, 4 * units) for name in ("b_ih", "b_hh")}
    x = rng.normal(0, 1, (2, 60, inputs)).astype(np.float32)
    design = compile_model(arrays, x, target="ulx3s-25f", lanes=2, fixed=True)
    np.savez(tmp_path / "few.npz", x=x[:, :STEPS])
    policies = default_policies(design.network, design.engine)
    request = make_request(design, load_sequences(tmp_path / "few.npz", design.source), policies)
    golden = run_golden(request)
    for simulator in ("icarus", "verilator"):
        run = RtlCore(request, simulator, tmp_path / simulator).run(request)
        assert mismatches(run, golden) == 0, simulator
        np.testing.assert_array_equal(run.cycles, golden.cycles, simulator)
