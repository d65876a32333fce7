"""What CORE.json says of a core: its ports, registers and memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lstmith.compiler.programs import Program
from lstmith.rtl.top import port_widths
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import CoreMap, core_map
from lstmith.spec.layer_descriptor import DESCRIPTOR_STRIDE, LAYOUT
from lstmith.spec.register_map import Bus, Entry
from lstmith.spec.registers import READ_LATENCY

MEANINGS = {
    "clk": "clock; everything happens at its rising edge",
    "rst": "synchronous reset, active high; memories keep their contents",
    "x_value": "signed input, one element of a step per transfer, in units of x_lsb",
    "x_start": "with a step's first element: begin a sequence with zero state",
    "x_restart": "with a step's first element: compute the sums anew; needed after loading states",
    "x_mark": "with a step's only element: the step is skipped, h and c stay as they are",
    "x_mask": "with a step's first element: index of the active count, 0 for all units",
    "x_sequence": "with a step's first element: which of the two sequences the step belongs to",
    "x_program": "with a step's first element, where it has x_start or x_restart: the program that the sequence runs",
    "x_valid": "the other x ports hold an element",
    "x_ready": "the element is taken at this clock edge if x_valid is high",
    "h_value": "signed h in Q1.15, units in order",
    "h_cell": "signed cell state of the same unit, with the layer's c_frac fraction bits",
    "h_layer": "layer the result belongs to",
    "h_last": "last unit of the layer in this step",
    "h_sequence": "sequence the result belongs to",
    "h_valid": "the other h ports hold a result",
    "h_ready": "the result is taken at this clock edge if h_valid is high",
    "bus_addr": "word address, see registers and regions; while busy is high only registers are read",
    "bus_w_data": "data to write",
    "bus_w_en": "write at this clock edge",
    "bus_r_en": f"read; bus_r_data is valid {READ_LATENCY - 1} cycles after the edge that takes the address",
    "bus_r_data": "data read",
    "event_valid": "a layer's step has finished; the other event ports describe it",
    "event_layer": "layer that finished a step",
    "event_columns": "list entries that the step took",
    "event_digits": "digits of these entries: one for each plane that an entry is listed in",
    "event_low": "of them, those of the low plane",
    "event_restart": "whether the step computed its sums anew",
    "event_mask": "index of the active count",
    "event_sequence": "sequence whose layer finished a step",
    "outcome_valid": "once per step in order: it is known whether the step is computed",
    "outcome_skipped": "the step is skipped",
    "busy": "something is in flight",
}
SIGNED = {"x_value", "h_value", "h_cell"}


def describe_core(engine: EngineConfig, programs: Sequence[Program], bus: Bus = Bus.NATIVE) -> dict[str, Any]:
    """JSON values: parameters, ports, registers, regions, program records and layers.

    Parameters
    ----------
    engine : EngineConfig
    programs : sequence of Program
        Those that the engine was made for.
    bus : Bus
        Which top level it has.
    """
    core = core_map(engine, bus)
    return {
        "bus": bus,
        "parameters": asdict(engine),
        "ports": _ports(engine),
        "registers": {entry.name: entry.address for entry in core.entries},
        "regions": {"control": 0, **{memory.name: memory.base for memory in core.memories}},
        "register_map": [_register(entry, core) for entry in core.entries],
        "memory_map": [
            {
                "name": memory.name,
                "address": memory.base,
                "words": memory.words(engine),
                "access": memory.access,
                "bits": memory.bits,
                "running": "none",
                "meaning": memory.meaning,
            }
            for memory in core.memories
        ],
        "program_record": {
            "stride": DESCRIPTOR_STRIDE,
            "fields": {name: {"word": w, "bit": b, "width": n} for name, (w, b, n) in LAYOUT.items()},
        },
        "programs": [
            {"name": program.name, "layers": len(program.network.layers), "place": program.place}
            for program in programs
        ],
        "layers": [
            {
                "name": source.name,
                "inputs": layer.inputs,
                "units": layer.units,
                "precision": layer.precision,
                "planes": layer.planes,
                "kind": layer.kind.name.lower(),
                "c_frac": layer.c_frac,
                "x_lsb": layer.x_lsb,
                "h_lsb": layer.h_lsb,
            }
            for program in programs
            for layer, source in zip(program.network.layers, program.source.layers, strict=True)
        ],
    }


def _register(entry: Entry, core: CoreMap) -> dict[str, Any]:
    return {
        "name": entry.name,
        "address": entry.address,
        "access": entry.access,
        "running": entry.running,
        "reset": entry.reset(core.config) if entry.reset else 0,
        "image": entry.image,
        "fields": [asdict(field) for field in entry.fields],
        "meaning": entry.meaning,
    }


def _ports(engine: EngineConfig) -> list[dict[str, Any]]:
    ports = {"clk": ("in", 1), "rst": ("in", 1), **port_widths(engine)}
    return [
        {
            "name": name,
            "direction": direction,
            "width": width,
            "signed": name in SIGNED,
            "meaning": MEANINGS[name],
        }
        for name, (direction, width) in ports.items()
    ]
