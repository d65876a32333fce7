"""The map of a core as IP-XACT (IEEE 1685-2014), which vendors' tools and PeakRDL read."""

from __future__ import annotations

from xml.etree import ElementTree

from lstmith.spec.core_map import CoreMap
from lstmith.spec.register_map import Access, Entry, Memory
from lstmith.spec.registers import REGION_SHIFT, FrontRegister

_NAMESPACE = "http://www.accellera.org/XMLSchema/IPXACT/1685-2014"
_ACCESS = {
    Access.READ: "read-only",
    Access.WRITE: "write-only",
    Access.READ_WRITE: "read-write",
    Access.CLEAR: "read-write",
}


def ipxact(core: CoreMap, name: str, version: str) -> str:
    """A component with its memory map; addresses are bytes, as a processor sees them.

    Parameters
    ----------
    core : CoreMap
    name : str
        Of the component.
    version : str
    """
    ElementTree.register_namespace("ipxact", _NAMESPACE)
    component = ElementTree.Element(_tag("component"))
    for what, text in {"vendor": "lstmith", "library": "cores", "name": name, "version": version}.items():
        _add(component, what, text)
    found = _add(_add(component, "memoryMaps"), "memoryMap")
    _add(found, "name", "map")
    own = [entry for entry in core.entries if not isinstance(entry.register, FrontRegister)]
    front = [entry for entry in core.entries if isinstance(entry.register, FrontRegister)]
    for block, entries in (("control", own), ("front", front)):
        if entries:
            _registers(core, found, block, entries)
    for memory in core.memories:
        _memory(core, found, memory)
    _add(found, "addressUnitBits", "8")
    ElementTree.indent(component)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(component, encoding="unicode") + "\n"


def _tag(name: str) -> str:
    return f"{{{_NAMESPACE}}}{name}"


def _add(parent: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, _tag(name))
    child.text = text
    return child


def _block(
    parent: ElementTree.Element, name: str, base: int, words: int, usage: str, access: str
) -> ElementTree.Element:
    block = _add(parent, "addressBlock")
    values = {"name": name, "baseAddress": f"'h{4 * base:x}", "range": f"'h{4 * words:x}", "width": "32"}
    for what, text in {**values, "usage": usage, "access": access}.items():
        _add(block, what, text)
    return block


def _registers(core: CoreMap, parent: ElementTree.Element, name: str, entries: list[Entry]) -> None:
    base = entries[0].address >> REGION_SHIFT << REGION_SHIFT
    words = 1 << (entries[-1].address - base).bit_length()
    block = _block(parent, name, base, words, "register", "read-write")
    for entry in entries:
        register = _add(block, "register")
        offset = f"'h{4 * (entry.address - base):x}"
        meaning = f"{entry.meaning}. While the engine runs: {entry.running}."
        for what, text in {"name": entry.name, "description": meaning, "addressOffset": offset, "size": "32"}.items():
            _add(register, what, text)
        _add(register, "access", _ACCESS[entry.access])
        reset = entry.reset(core.config) if entry.reset else 0
        for field in entry.fields:
            part = _add(register, "field")
            _add(part, "name", field.name)
            _add(part, "description", field.meaning)
            _add(part, "bitOffset", str(field.bit))
            # What a network in the core's memories decides has no value here.
            if not entry.image:
                value = reset >> field.bit & ((1 << field.width) - 1)
                _add(_add(_add(part, "resets"), "reset"), "value", f"'h{value:x}")
            _add(part, "bitWidth", str(field.width))
            _add(part, "access", _ACCESS[entry.access])
            if entry.access is Access.CLEAR:
                _add(part, "modifiedWriteValue", "oneToClear")


def _memory(core: CoreMap, parent: ElementTree.Element, memory: Memory) -> None:
    _block(parent, memory.name, memory.base, memory.words(core.config), "memory", _ACCESS[memory.access])
