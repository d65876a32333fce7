"""Checks of units on the simulators and on netlists: one build for many units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.back import verilog
from cocotb_tools.runner import get_runner

from hw_tests.checks import Check, Packed, Table, judge, outputs_of, pack
from lstmith.flow.netlist import cell_models, map_netlist
from lstmith.host.simulate import VERILATOR_OPTIONS

SIMULATORS = ("icarus", "verilator")
TOP = "units"


def run_checks(
    checks: Mapping[str, Check],
    simulator: str,
    folder: Path,
    family: str | None = None,
    options: Sequence[str] = (),
) -> None:
    """Build all units into one simulator, since building takes longer than running, and judge each alone.

    With ``family``, ``ecp5`` or ``ice40``, what is simulated is the netlist that yosys makes of them. With ``options``,
    more of Verilator's, ``units.v`` tells where each statement comes from.
    """
    packed = Packed({name: check.unit for name, check in checks.items()})
    table = {f"{name}.{port}": values for name, check in checks.items() for port, values in check.table.items()}
    judge(checks, _simulate(packed, table, simulator, folder, family, options), simulator)


def _simulate(
    packed: Packed,
    table: Mapping[str, npt.ArrayLike],
    simulator: str,
    folder: Path,
    family: str | None,
    options: Sequence[str],
) -> Table:
    if family is None:
        sources = [folder / "units.v"]
        told = bool(options)
        sources[0].write_text(verilog.convert(packed, name=TOP, emit_src=told, strip_internal_attrs=not told))
    else:
        netlist, _ = map_netlist(packed, family, TOP, folder)
        sources = [netlist, *cell_models(family, folder)]
    runner = get_runner(simulator)
    runner.build(
        sources=sources,
        hdl_toplevel=TOP,
        build_args=(*VERILATOR_OPTIONS, *options) if simulator == "verilator" else ("-g2005",),
        build_dir=folder / "build",
        timescale=("1ns", "1ps"),
        always=True,
        log_file=folder / "build.log",
    )
    np.save(folder / "inputs.npy", pack(packed.fields["inputs"], table))
    with pytest.MonkeyPatch.context() as patch:
        # The runner hands sys.path on to the simulator, which imports the bench by name.
        patch.syspath_prepend(str(Path(__file__).parent))
        runner.test(
            test_module="vector_bench",
            hdl_toplevel=TOP,
            build_dir=folder / "build",
            test_dir=folder,
            extra_env={"LSTMITH_VECTORS": str(folder), "COCOTB_LOG_LEVEL": "WARNING"},
            log_file=folder / "test.log",
        )
    bits = np.unpackbits(np.load(folder / "outputs.npy"), axis=1, bitorder="little")
    return outputs_of(packed, bits)
