"""What CORE.json says of a core: its ports, registers and memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lstmith.compiler.port_meanings import AXI, NATIVE, WISHBONE
from lstmith.compiler.programs import Program
from lstmith.rtl.cores import core_ports
from lstmith.rtl.top import SIGNED
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import CoreMap, core_map
from lstmith.spec.layer_descriptor import DESCRIPTOR_STRIDE, LAYOUT
from lstmith.spec.register_map import Bus, Entry
from lstmith.spec.streams import H_USER, X_USER

_MEANINGS = {Bus.NATIVE: NATIVE, Bus.AXI: AXI, Bus.WISHBONE: {**NATIVE, **WISHBONE}}
_TUSER = {"s_axis_x": X_USER, "m_axis_h": H_USER}


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
        "ports": _ports(engine, bus),
        "clock": "aclk" if bus is Bus.AXI else "wb_clk_i" if bus is Bus.WISHBONE else "clk",
        "reset": {
            "port": "aresetn" if bus is Bus.AXI else "wb_rst_i" if bus is Bus.WISHBONE else "rst",
            "active": "low" if bus is Bus.AXI else "high",
        },
        **(
            {"tuser": {name: [asdict(field) for field in fields] for name, fields in _TUSER.items()}}
            if bus is Bus.AXI
            else {}
        ),
        "registers": {entry.name: entry.address for entry in core.entries},
        "regions": {
            **({} if engine.fixed else {"control": 0}),
            **{memory.name: memory.base for memory in core.memories},
        },
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
                "verdict": layer.verdict.name.lower(),
                "threshold": layer.threshold,
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


def _ports(engine: EngineConfig, bus: Bus) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "direction": direction,
            "width": width,
            "signed": name in SIGNED | {"s_axis_x_tdata", "m_axis_h_tdata"},
            "meaning": _MEANINGS[bus][name],
        }
        for name, (direction, width) in core_ports(engine, bus).items()
    ]
