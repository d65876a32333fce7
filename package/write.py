"""Writes the folder: everything that an integrator needs of a design."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2

from lstmith.compiler.design import Design
from lstmith.compiler.files import Folder, whole_directory
from lstmith.compiler.generate import CELLS_NOTE, Core
from lstmith.compiler.marks import CORE_DESCRIPTION, KEY
from lstmith.compiler.register_texts.c_header import c_header
from lstmith.compiler.register_texts.systemrdl import systemrdl
from lstmith.package.c_files import descriptor_header, design_header, design_source
from lstmith.package.image_files import Write, binary, hex_lines
from lstmith.package.vectors import Vectors, make_vectors, measure_timing
from lstmith.rtl.array.weight_bank import initialised
from lstmith.spec.core_map import core_map
from lstmith.spec.errors import UserError
from lstmith.spec.policy_check import default_policies
from lstmith.spec.register_map import Access, Bus
from lstmith.spec.registers import IDENTITY, READ_LATENCY, REGION_SHIFT, FrontRegister, Register

_HERE = Path(__file__).parent
_TEMPLATES = _HERE / "templates"
_MARKER, _CELLS = "core.json", "core_cells.v"
#: What is in the folder, with its meaning; NAME stands for the module's name.
FILES = {
    "core.v": "the core; synthesise this file",
    _CELLS: "models of the vendor's cells that core.v instantiates, for simulation alone",
    _MARKER: "ports, parameters, registers, memories and names of modules, for programs",
    "instance.vh": "instantiation template",
    "README.md": "this page",
    "constraints.md": "clock, reset and what else a constraints file needs",
    "core.core": "the core for FuseSoC: targets `lint`, `sim`, `sim_verilator`, `synth`",
    "component.xml": "IP-XACT 1685-2014: ports, registers, files",
    "registers.rdl": "SystemRDL 2.0: registers and memories",
    "Makefile": "`make test`",
    "lint.vlt": "waivers for Verilator's lint",
    "bench/bench.v": "the self-checking bench",
    "bench/x.hex": "what it sends, one element per line",
    "bench/h.hex": "what must come out, one result per line: layer, last, c, h",
    "bench/cycles.hex": "cycles of each step, which AXI4-Stream does not tell",
    "image.hex": "the bus writes that load the network, one per line",
    "image.bin": "the same for the driver, with a CRC-32",
    "driver/lstmith.h": "the driver's interface, C99",
    "driver/lstmith.c": "the driver",
    "driver/lstmith_map.h": "addresses and fields of the registers, for the driver and for you",
    "driver/lstmith_descriptor.h": "fields of the layer descriptors, for the driver",
    "driver/lstmith_spi.h": "the interface of a driver for a microcontroller, whose board was built with `--front spi`",
    "driver/lstmith_spi.c": "this driver; it needs none of the other files",
    "driver/NAME_design.h": "declares the design for the driver",
    "driver/NAME_design.c": "the design as C: programs, image, vectors of the self-test",
    "soc/litex_core.py": "the core as a LiteX module",
    "soc/litex_soc.py": "an example system in LiteX: a RISC-V with the core, simulated or on a ULX3S",
    "soc/firmware/main.c": "its firmware, on the driver: loads the network, runs the bench's sequence, compares",
    "soc/firmware/start.S": "what runs before main",
    "soc/firmware/link.ld": "where the firmware lies",
}
FOLDER = Folder(
    "lstmith generate --package",
    _MARKER,
    (KEY, "package"),
    # `make` and the example system put what they build into build.
    (*(file.replace("NAME", "*") for file in FILES), "build/*", "soc/__pycache__/*"),
)
#: Files that are the same in every package that has them.
_COPIED = tuple(file for file in FILES if (_HERE / file).is_file())
#: Files that a template gives.
_RENDERED = ("instance.vh", "README.md", "constraints.md", "core.core", "component.xml", "Makefile", "lint.vlt")
_CYCLES, _SOC = "bench/cycles.hex", "soc/"
#: What the example system is built with: the extra `litex` of pyproject.toml.
LITEX = (
    *("litex==2024.12", "litex-boards==2023.12", "pythondata-cpu-vexriscv==1.0.1.post407"),
    *("pythondata-misc-tapcfg==0.0.post517", "pythondata-software-compiler-rt==0.0.post6206"),
    "pythondata-software-picolibc==1.7.9.post181",
)
#: What IP-XACT calls the ways to access a word; writing 1 to clear is a write that it cannot tell from others.
_IPXACT_ACCESS = {
    Access.READ: "read-only",
    Access.WRITE: "write-only",
    Access.READ_WRITE: "read-write",
    Access.CLEAR: "read-write",
}
#: Of a block of registers, a power of two beyond the last one's number.
_REGION_WORDS = 1 << max(*Register, *FrontRegister).bit_length()
#: Cycles without a transfer after which the bench gives up: no step takes as many.
_PATIENCE, _PATIENCE_STEPS = 10_000, 20


def write_package(design: Design, core: Core, folder: str | Path) -> None:
    """Write everything that an integrator needs of a core into a folder, which appears whole.

    Parameters
    ----------
    design : Design
    core : Core
        What ``design.generate`` gave.
    folder : str or Path
        New, empty, or an earlier package, which is replaced.

    Raises
    ------
    UserError
        If the design is fixed, or the folder holds anything else or cannot be written.
    """
    check_package(design)
    with whole_directory(Path(folder), FOLDER) as draft:
        texts = _texts(design, core)
        for file in _files(core):
            (draft / file).parent.mkdir(parents=True, exist_ok=True)
            if file in _COPIED:
                shutil.copyfile(_HERE / file, draft / file)
            elif file in texts:
                (draft / file).write_text(texts[file], encoding="utf-8")
        (draft / "image.bin").write_bytes(binary(_writes(design)))


def _files(core: Core) -> dict[str, str]:
    """What the package of this core holds, with its meaning."""
    name, bus = core.description["module"], core.description["bus"]
    left_out = {
        _CELLS: not core.cells,
        _CYCLES: bus == Bus.AXI,
        **{file: bus != Bus.WISHBONE for file in FILES if file.startswith(_SOC)},
    }
    return {file.replace("NAME", name): meaning for file, meaning in FILES.items() if not left_out.get(file)}


def check_package(design: Design) -> None:
    """Refuse a design of which no package can be made.

    Raises
    ------
    UserError
        If it is fixed.
    """
    if design.engine.fixed:
        problem = "the design is fixed, and a package's driver loads the weights through a bus"
        raise UserError("option --package", problem, "give -o CORE.v, or compile without --fixed")


def _writes(design: Design) -> list[Write]:
    # Whichever program is selected, all have their default policies.
    return list(design.image().bus_writes(design.engine))


def _texts(design: Design, core: Core) -> dict[str, str]:
    """The text files but those that are copied, by their places in the folder."""
    name = core.description["module"]
    mark = f"lstmith {version('lstmith')}: of the core {name}. This text is yours, under any terms."
    vectors, writes = make_vectors(design), _writes(design)
    registers = core_map(design.engine, Bus(core.description["bus"]))
    files = _files(core)
    timed = _CYCLES in files
    described = {
        **core.description,
        "cells": _CELLS if core.cells else None,
        "package": list(files),
        KEY: CORE_DESCRIPTION.mark,
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    lists = {
        "image.hex": hex_lines(writes),
        "bench/x.hex": vectors.elements(),
        "bench/h.hex": vectors.results(cells=timed),
        **({_CYCLES: [f"{count:08x}" for count in vectors.cycles]} if timed else {}),
    }
    facts = {**_facts(design, core, vectors, len(writes)), "files": files, "mark": mark, "timed": timed}
    facts["bench_data"] = list(lists)
    facts["litex"] = LITEX if any(file.startswith(_SOC) for file in files) else ()
    return {
        "core.v": core.text,
        _MARKER: json.dumps(described, indent=2) + "\n",
        **({_CELLS: f"// {CELLS_NOTE}\n{core.cells}"} if core.cells else {}),
        **{file: "\n".join(lines) + "\n" for file, lines in lists.items()},
        **{file: environment.get_template(f"{file}.j2").render(facts) for file in _RENDERED},
        "bench/bench.v": environment.get_template("bench.v.j2").render(facts),
        "registers.rdl": f"// {mark}\n{systemrdl(registers, name)}",
        "driver/lstmith_map.h": c_header(registers, "lstmith"),
        "driver/lstmith_descriptor.h": descriptor_header(mark),
        f"driver/{name}_design.h": design_header(name, mark),
        f"driver/{name}_design.c": design_source(design, name, mark, binary(writes), vectors),
    }


def _facts(design: Design, core: Core, vectors: Vectors, writes: int) -> dict[str, Any]:
    """What the templates know, beside what core.json says."""
    engine, described = design.engine, core.description
    family = engine.family
    return {
        **described,
        "name": described["module"],
        "version": version("lstmith"),
        "target": design.target,
        "cells": _CELLS if core.cells else None,
        "sources": ["core.v", *([_CELLS] if core.cells else [])],
        "widths": {port["name"]: port["width"] for port in described["ports"]},
        "programs": _programs(design, vectors),
        # Of each layer the program.
        "owners": [
            f"{number} {program.name}".strip()
            for number, program in enumerate(design.programs)
            for _ in program.network.layers
        ],
        # Some memories hold nothing from the start, whatever was asked for.
        "loaded": described["image"] and initialised(depth=engine.weight_depth, family=family),
        "identity": IDENTITY,
        "register_map": [
            {**register, "region": register["address"] >> REGION_SHIFT << REGION_SHIFT}
            for register in described["register_map"]
        ],
        "access": _IPXACT_ACCESS,
        "first_memory": 1 << REGION_SHIFT,
        "region_words": _REGION_WORDS,
        "read_latency": READ_LATENCY,
        "elements": sum(run.x.size for run in vectors.runs),
        "steps": len(vectors.cycles),
        "results": len(vectors.results(cells=False)),
        "result_ready": "m_axis_h_tready" if described["bus"] == Bus.AXI else "h_ready",
        "writes": writes,
        "patience": _PATIENCE + _PATIENCE_STEPS * max(vectors.cycles),
        "mode": default_policies(design.network, engine)[0].mode.name.lower(),
        # Yosys has no synthesis without a family; plain Verilog is counted as what most boards here have.
        "yosys_arch": "ecp5" if family == "generic" else family,
    }


def _programs(design: Design, vectors: Vectors) -> list[dict[str, Any]]:
    """What the templates know of each program."""
    described = []
    for number, program in enumerate(design.programs):
        first, last = program.network.layers[0], program.network.layers[-1]
        # Of its sequence from zero.
        cycles = next(run.cycles for run in vectors.runs if (run.program, run.handed) == (number, False))
        described.append(
            {
                "label": f"{number} {program.name}".strip(),
                "layers": len(program.network.layers),
                "inputs": first.inputs,
                "x_lsb": first.x_lsb,
                "units": last.units,
                "h_lsb": last.h_lsb,
                "verdict": last.verdict.name.lower(),
                "reordered": last.order is not None,
                "timing": measure_timing(design.select(number)),
                "mean_cycles": sum(cycles) / len(cycles),
            }
        )
    return described
