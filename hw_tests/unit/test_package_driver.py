"""The C driver of a package, compiled as C99, against the package's core in Verilator: all values equal golden's."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import lstmith.package
import lstmith.test_support
from hw_tests.unit.package_cases import WIDTH, several_programs, small_design, with_verdict
from lstmith.compiler.design import Design
from lstmith.compiler.register_texts.c_header import c_header
from lstmith.host.compiled import compile_program
from lstmith.host.request import RunRequest, integer_request
from lstmith.host.results import EngineRun
from lstmith.host.run import run_golden
from lstmith.package import write_package
from lstmith.package.c_files import descriptor_header
from lstmith.spec.codes import Verdict
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import core_map
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.policy_check import default_policies
from lstmith.spec.register_map import Bus

DRIVER = Path(lstmith.package.__file__).with_name("driver")
BENCH = Path(lstmith.test_support.__file__).with_name("driver_bench.cpp")
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-Os", "-DLSTMITH_PATIENCE=20000")
OK, BAD_IMAGE, BAD_VALUE, NO_ANSWER, WRONG = 0, 2, 3, 5, 6
STEPS = 6
#: Of an ELF file: the machine, and the flag of a section that lies in memory.
RISCV, IN_MEMORY = 243, 2
MOST_BYTES = 4096


@dataclass
class Told:
    """The lines of a run, one after the other."""

    lines: list[list[str]]

    def next(self, name: str) -> list[int]:
        """The integers of the next line, which has this name."""
        found, *values = self.lines.pop(0)
        assert found == name
        return [int(value) for value in values]


def build(design: Design, bus: Bus, folder: Path) -> Path:
    """A package without its image inside, its driver as C99, and the core in Verilator around it."""
    package = folder / "package"
    write_package(design, design.generate(image=False, bus=bus), package)
    driver = package / "driver"
    for name in ("lstmith", "lstmith_core_design"):
        subprocess.run(["gcc", *STRICT, "-c", f"{name}.c", "-o", str(folder / f"{name}.o")], cwd=driver, check=True)
    objects = [str(folder / f"{name}.o") for name in ("lstmith", "lstmith_core_design")]
    several = " -DPROGRAMS" if len(design.programs) > 1 else ""
    options = ["-CFLAGS", f"-I{driver} -DBUS_{bus.upper()}{several}", "-LDFLAGS", " ".join(objects)]
    return compile_program([package / "core.v", BENCH], "lstmith_core", folder / "verilator", options, fast="-O0")


@pytest.mark.drawn(1)
@pytest.mark.parametrize("bus", Bus)
def test_driver_equals_golden(bus: Bus, rng: np.random.Generator, tmp_path: Path) -> None:
    # Active counts order the units anew.
    design = small_design(rng, 2, active="4,3")
    network, last = design.network, design.network.layers[-1]
    assert all(layer.order is not None for layer in network.layers)
    x = rng.integers(-(1 << 14), 1 << 14, (STEPS, WIDTH)).astype(np.int16)
    planes = [Policy(Mode.AUTO, 3, 5, 1, 2), Policy(Mode.DELTA, 4, 700, 4, 900)]
    chosen = [f"{int(p.mode)} {p.theta_x} {p.theta_h} {p.low_theta_x} {p.low_theta_h}" for p in planes]
    given = f"{STEPS} {' '.join(map(str, x.ravel()))} {' '.join(chosen)}"
    program = build(design, bus, tmp_path)
    done = subprocess.run([program], input=given, capture_output=True, text=True, check=True, timeout=120)
    told = Told([line.split() for line in done.stdout.splitlines()])

    def golden(steps: np.ndarray, policies: list[Policy]) -> EngineRun:
        return run_golden(integer_request(design, policies, steps[None]))

    def h_of(run: EngineRun) -> list[int]:
        return [int(value) for value in last.to_source(run.layers[-1].h[0]).ravel()]

    standard = default_policies(network, design.engine)
    once, twice = golden(x, standard), golden(np.concatenate([x, x]), standard)
    assert told.next("open") == [OK]
    # Nothing is in its memories yet.
    assert told.next("unloaded") in ([WRONG], [NO_ANSWER])
    assert told.next("load") == [OK]
    assert told.next("self_test") == [OK]
    assert told.next("run") == [OK]
    assert told.next("h") == h_of(once)
    for layer, run in zip(network.layers, once.layers, strict=True):
        assert told.next("get_state") == [OK]
        assert told.next("state_h") == layer.to_source(run.h[0, -1]).tolist()
        assert told.next("state_c") == layer.to_source(run.c[0, -1]).tolist()
    second = h_of(twice)[len(h_of(once)) :]
    assert second != h_of(once)
    for name, wanted in (("go_on", second), ("begin", h_of(once))):
        assert told.next(name) == [OK]
        assert told.next("h") == wanted
    for _ in network.layers:
        assert told.next("set_state") == [OK]
    assert told.next("go_on_again") == [OK]
    assert told.next("h") == second

    under = golden(x, planes)
    assert h_of(under) != h_of(once)
    assert told.next("set_policies") == [OK]
    assert told.next("run") == [OK]
    assert told.next("h") == h_of(under)
    assert told.next("self_test") == [OK]
    assert sum(told.next("count")) > 0
    for name, status in (("bad_policy", BAD_VALUE), ("bad_layer", BAD_VALUE), ("damaged", BAD_IMAGE)):
        assert told.next(name) == [status]
    assert told.next("short") == [BAD_IMAGE]
    assert told.next("self_test") == [OK]
    assert told.next("no_program") == [BAD_VALUE]
    assert not told.lines


@pytest.mark.drawn(1)
@pytest.mark.parametrize("bus", Bus)
def test_driver_switches_programs(bus: Bus, rng: np.random.Generator, tmp_path: Path) -> None:
    """Program by program, from zero and in the states of another; what cannot be handed over is refused."""
    design = several_programs(rng)
    requests = []
    for number in range(len(design.programs)):
        chosen = design.select(number)
        x = rng.integers(-(1 << 14), 1 << 14, (STEPS, chosen.network.inputs)).astype(np.int16)
        policies = default_policies(chosen.network, chosen.engine)
        requests.append(integer_request(chosen, policies, x[None]))
    # Some are refused: a program's own states, those of another form, a program that is not there.
    calls = [(1, False), (0, True), (0, True), (2, True), (1, True), (2, False), (1, True), (3, False), (3, True)]
    calls += [(0, False), (1, True), (1, False)]
    given = [STEPS, *(int(value) for request in requests for value in request.x.ravel())]
    coarse = Policy(Mode.DELTA, 40, 700, 60, 900)
    given += [len(calls), *(int(value) for call in calls for value in call)]
    given += [
        int(coarse.mode),
        *coarse.thetas_x(1),
        *coarse.thetas_h(1),
        *coarse.thetas_x(2)[1:],
        *coarse.thetas_h(2)[1:],
    ]
    program = build(design, bus, tmp_path)
    done = subprocess.run(
        [program], input=" ".join(map(str, given)), capture_output=True, text=True, check=True, timeout=120
    )
    told = Told([line.split() for line in done.stdout.splitlines()])
    assert told.next("open") == [OK]
    assert told.next("unloaded") in ([WRONG], [NO_ANSWER])
    assert told.next("load") == [OK]
    assert told.next("self_test") == [OK]

    def h_of(request: RunRequest) -> list[int]:
        values = run_golden(request).layers[-1].h[0]
        return [int(value) for value in request.design.network.layers[-1].to_source(values).ravel()]

    before: RunRequest | None = None
    for number, handed in calls:
        takes = before is not None and {number, before.design.program} == {0, 1}
        if number == len(requests) or (handed and not takes):
            assert told.next("chosen") == [BAD_VALUE]
            continue
        before = replace(requests[number], after=before if handed else None)
        golden = run_golden(before)
        first = before.design.network.layers[0]
        assert told.next("chosen") == [OK]
        assert told.next("run") == [OK]
        assert told.next("h") == h_of(before)
        assert told.next("get_state") == [OK]
        assert told.next("state_c") == first.to_source(golden.layers[0].c[0, -1]).tolist()
    assert told.next("other") == [OK]
    assert told.next("set_state") == [OK]
    assert told.next("not_left") == [BAD_VALUE]
    state = [(h[0], c[0]) for h, c in golden.final_states()]
    on = integer_request(design.select(1), requests[1].policies, requests[1].x, state=state)
    under = requests[1].with_policies([coarse])
    assert (run_golden(under).h != run_golden(requests[1]).h).any()
    for name, request in (("", on), ("set_policies", under), ("chosen", requests[0])):
        assert not name or told.next(name) == [OK]
        assert told.next("run") == [OK]
        assert told.next("h") == h_of(request)
    assert told.next("self_test") == [OK]
    assert not told.lines


def test_driver_takes_verdicts(rng: np.random.Generator, tmp_path: Path) -> None:
    design = with_verdict(small_design(rng), Verdict.ARGMAX)
    x = rng.integers(-(1 << 14), 1 << 14, (STEPS, WIDTH)).astype(np.int16)
    given = f"{STEPS} {' '.join(map(str, x.ravel()))} 2 0 0 0 0"
    program = build(design, Bus.WISHBONE, tmp_path)
    done = subprocess.run([program], input=given, capture_output=True, text=True, check=True, timeout=120)
    told = Told([line.split() for line in done.stdout.splitlines()])
    golden = run_golden(integer_request(design, default_policies(design.network, design.engine), x[None]))
    assert told.next("open") == [OK]
    assert told.next("unloaded") in ([WRONG], [NO_ANSWER])
    for name in ("load", "self_test", "run"):
        assert told.next(name) == [OK]
    assert told.next("h") == golden.layers[-1].verdict[0].tolist()


@pytest.mark.parametrize("bus", Bus)
def test_driver_is_small_on_riscv(bus: Bus, tmp_path: Path) -> None:
    """The driver compiles without any library for rv32imc, and all that it takes of the memory is little."""
    registers = core_map(EngineConfig(lanes=1, precisions=(4, 8, 16), planes=2), bus)
    (tmp_path / "lstmith_map.h").write_text(c_header(registers, "lstmith"))
    (tmp_path / "lstmith_descriptor.h").write_text(descriptor_header("a test"))
    for name in ("lstmith.h", "lstmith.c"):
        shutil.copyfile(DRIVER / name, tmp_path / name)
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "riscv32-freestanding", "-mcpu=generic_rv32+m+c"]
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(tmp_path), "ZIG_LOCAL_CACHE_DIR": str(tmp_path)}
    command = [*compiler, *STRICT, "-c", "lstmith.c", "-o", "lstmith.o"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    size = loaded_bytes((tmp_path / "lstmith.o").read_bytes())
    print(f"{bus}: {size} bytes")
    assert 1000 < size < MOST_BYTES


def loaded_bytes(content: bytes) -> int:
    """Bytes of the sections of a 32-bit RISC-V object that lie in memory (System V ABI, section headers)."""
    assert content[:5] == b"\x7fELF\x01"
    assert struct.unpack_from("<H", content, 18) == (RISCV,)
    (table,) = struct.unpack_from("<I", content, 32)
    width, count = struct.unpack_from("<HH", content, 46)
    sections = [struct.unpack_from("<6I", content, table + index * width) for index in range(count)]
    return sum(section[5] for section in sections if section[2] & IN_MEMORY)
