"""Checks of units on the simulators and on netlists: one build for many units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from amaranth.back import verilog

from hw_tests.checks import Check, Packed, Table, judge, outputs_of, pack
from hw_tests.cocotb.bench_runs import run_bench
from lstmith.flow.netlist import cell_models, map_netlist

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
    np.save(folder / "inputs.npy", pack(packed.fields["inputs"], table))
    run_bench("vector_bench", "LSTMITH_VECTORS", sources, TOP, simulator, folder, options)
    bits = np.unpackbits(np.load(folder / "outputs.npy"), axis=1, bitorder="little")
    return outputs_of(packed, bits)
