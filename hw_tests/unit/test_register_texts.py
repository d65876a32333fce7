"""Register reference, C header and SystemRDL tell the same map, as the programs that read them see it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from peakrdl_ipxact.importer import IPXACTImporter
from systemrdl.compiler import RDLCompiler
from systemrdl.node import AddressableNode, MemNode, RegNode

from lstmith.compiler.register_texts.c_header import c_header
from lstmith.compiler.register_texts.ipxact import ipxact
from lstmith.compiler.register_texts.markdown import register_reference
from lstmith.compiler.register_texts.reference import PAGE
from lstmith.compiler.register_texts.systemrdl import systemrdl
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import CoreMap, core_map
from lstmith.spec.register_map import Bus

ROOT = Path(__file__).resolve().parents[2]
ENGINES = {
    "small": EngineConfig(lanes=1, precisions=(8,), units=3, inputs=2, weight_depth=16),
    "every option": EngineConfig(
        lanes=5, precisions=(4, 8, 16), peepholes=True, planes=2, skip=True, monitor=True, active_counts=4, layers=3
    ),
}


@pytest.fixture(params=[(name, bus) for name in ENGINES for bus in Bus], ids=lambda each: f"{each[0]}-{each[1]}")
def core(request: pytest.FixtureRequest) -> CoreMap:
    name, bus = request.param
    return core_map(ENGINES[name], bus)


def test_page_is_current() -> None:
    """``python -m lstmith.compiler.register_texts.reference`` writes it."""
    assert (ROOT / PAGE).read_text() == register_reference()


def test_header_compiles_and_holds_the_map(core: CoreMap, tmp_path: Path) -> None:
    """A C compiler without any library checks every constant."""
    wanted: dict[str, int] = {}
    for entry in core.entries:
        own = f"UNIT_{entry.name.upper()}"
        wanted[own] = 4 * entry.address
        for field in entry.fields:
            wanted[f"{own}_{field.name.upper()}_MASK"] = field.mask
            wanted[f"{own}_{field.name.upper()}_SHIFT"] = field.bit
        if entry.reset is not None:
            wanted[f"{own}_RESET"] = entry.reset(core.config)
    for memory in core.memories:
        wanted[f"UNIT_{memory.name.upper()}"] = 4 * memory.base
        wanted[f"UNIT_{memory.name.upper()}_WORDS"] = memory.words(core.config)
    wanted["UNIT_ENGINE_LANES"] = core.config.lanes
    header = c_header(core, "unit")
    names = re.findall(r"^#define (\w+) ", header, re.MULTILINE)
    assert len(names) == len(set(names))
    assert {name for name in names if not name.startswith("UNIT_ENGINE_")} == set(wanted) - {"UNIT_ENGINE_LANES"}
    checks = [
        f"typedef char check_{index}[({name} == {value}u) ? 1 : -1];"
        for index, (name, value) in enumerate(wanted.items())
    ]
    (tmp_path / "unit_map.h").write_text(header)
    (tmp_path / "check.c").write_text('#include "unit_map.h"\n#include "unit_map.h"\n' + "\n".join(checks) + "\n")
    subprocess.run(
        ["gcc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "check.c"],
        cwd=tmp_path,
        check=True,
    )


def test_systemrdl_compiles_to_the_map(core: CoreMap, tmp_path: Path) -> None:
    """As SystemRDL's own compiler reads it, with every field's place, access and reset value."""
    (tmp_path / "core.rdl").write_text(systemrdl(core, "unit"))
    compiler = RDLCompiler()
    compiler.compile_file(str(tmp_path / "core.rdl"))
    top = compiler.elaborate().top
    nodes = {node.inst_name: node for node in top.children()}
    assert set(nodes) == {entry.name for entry in core.entries} | {memory.name for memory in core.memories}
    for entry in core.entries:
        node = nodes[entry.name]
        assert isinstance(node, RegNode)
        assert node.absolute_address == 4 * entry.address
        fields = {field.inst_name: field for field in node.fields()}
        assert set(fields) == {field.name for field in entry.fields}
        for field in entry.fields:
            found = fields[field.name]
            assert (found.low, found.width) == (field.bit, field.width)
            assert (found.is_sw_readable, found.is_sw_writable) == (entry.access.reads, entry.access.writes)
            value = (entry.reset(core.config) if entry.reset else 0) >> field.bit & ((1 << field.width) - 1)
            assert found.get_property("reset") == (None if entry.image else value)
    for memory in core.memories:
        node = nodes[memory.name]
        assert isinstance(node, MemNode)
        assert (node.absolute_address, node.total_size) == (4 * memory.base, 4 * memory.words(core.config))
        assert node.is_sw_readable == memory.access.reads


def test_ipxact_tells_the_same_as_systemrdl(core: CoreMap, tmp_path: Path) -> None:
    """As PeakRDL reads it."""
    (tmp_path / "core.xml").write_text(ipxact(core, "unit", "0.1"))
    compiler = RDLCompiler()
    IPXACTImporter(compiler).import_file(str(tmp_path / "core.xml"))
    top = compiler.elaborate().top
    blocks = {node.inst_name: node for node in top.children()}
    registers = {node.inst_name: node for node in top.descendants() if isinstance(node, RegNode)}
    assert list(registers) == [entry.name for entry in core.entries]
    for entry in core.entries:
        node = registers[entry.name]
        assert node.absolute_address == 4 * entry.address
        fields = {field.inst_name: field for field in node.fields()}
        assert {name: (field.low, field.width) for name, field in fields.items()} == {
            field.name: (field.bit, field.width) for field in entry.fields
        }
        for field in entry.fields:
            found = fields[field.name]
            assert (found.is_sw_readable, found.is_sw_writable) == (entry.access.reads, entry.access.writes)
            value = (entry.reset(core.config) if entry.reset else 0) >> field.bit & ((1 << field.width) - 1)
            assert found.get_property("reset") == (None if entry.image else value)
    for memory in core.memories:
        block = blocks[memory.name]
        assert isinstance(block, AddressableNode)
        assert (block.absolute_address, block.total_size) == (4 * memory.base, 4 * memory.words(core.config))
