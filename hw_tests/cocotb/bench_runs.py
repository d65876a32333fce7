"""A simulator built for a design, with a bench of this folder inside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from cocotb_tools.runner import get_runner

from lstmith.host.simulate import VERILATOR_OPTIONS


def run_bench(
    bench: str,
    variable: str,
    sources: Sequence[Path],
    top: str,
    simulator: str,
    folder: Path,
    options: Sequence[str] = (),
) -> None:
    """Build and run.

    Parameters
    ----------
    bench : str
        Its module; it may import what stands beside it, and ``hw_tests``.
    variable : str
        Of the environment: tells the bench the folder.
    sources : sequence of Path
        Verilog.
    top : str
        Module.
    simulator : str
        ``icarus`` or ``verilator``.
    folder : Path
        For the build and the logs, and what the bench reads and writes.
    options : sequence of str
        More of Verilator's.
    """
    runner = get_runner(simulator)
    runner.build(
        sources=sources,
        hdl_toplevel=top,
        build_args=(*VERILATOR_OPTIONS, *options) if simulator == "verilator" else ("-g2005",),
        build_dir=folder / "build",
        timescale=("1ns", "1ps"),
        always=True,
        log_file=folder / "build.log",
    )
    here = Path(__file__).parent
    with pytest.MonkeyPatch.context() as patch:
        # The runner hands sys.path on to the simulator, which imports the bench by name.
        for path in (here.parents[1], here):
            patch.syspath_prepend(str(path))
        runner.test(
            test_module=bench,
            hdl_toplevel=top,
            build_dir=folder / "build",
            test_dir=folder,
            extra_env={variable: str(folder), "COCOTB_LOG_LEVEL": "WARNING"},
            log_file=folder / "test.log",
        )
