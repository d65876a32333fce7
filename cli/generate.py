"""``lstmith generate``: the core as Verilog, with a description of its ports beside it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from lstmith.cli.console import say, steps
from lstmith.cli.inputs import save_json
from lstmith.cli.outputs import Output, check_outputs
from lstmith.compiler.design import Design
from lstmith.compiler.files import whole_file
from lstmith.compiler.generate import design_verilog
from lstmith.compiler.marks import CORE, CORE_DESCRIPTION
from lstmith.rtl.cells import cell_models
from lstmith.rtl.top import NAME, port_widths
from lstmith.rtl.verilog import is_identifier
from lstmith.spec.errors import UserError
from lstmith.spec.layer_descriptor import DESCRIPTOR_STRIDE, LAYOUT
from lstmith.spec.registers import READ_LATENCY, WEIGHTS, Region, Register, address

MEANINGS = {
    "clk": "clock; everything happens at its rising edge",
    "rst": "synchronous reset, active high; memories keep their contents",
    "x_value": "signed input, one element of a step per transfer, in units of x_lsb",
    "x_start": "with a step's first element: begin a sequence with zero state",
    "x_restart": "with a step's first element: compute the sums anew; needed after loading states",
    "x_mark": "with a step's only element: the step is skipped, h and c stay as they are",
    "x_mask": "with a step's first element: index of the active count, 0 for all units",
    "x_sequence": "with a step's first element: which of the two sequences the step belongs to",
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
    "event_low": "of them, those on the lower weight image as small operands",
    "event_level": "highest weight precision of the folds: 0, 1, 2 for 4, 8, 16 bit",
    "event_restart": "whether the step computed its sums anew",
    "event_mask": "index of the active count",
    "event_sequence": "sequence whose layer finished a step",
    "outcome_valid": "once per step in order: it is known whether the step is computed",
    "outcome_skipped": "the step is skipped",
    "busy": "something is in flight",
}
CELLS_NOTE = "lstmith: for simulation alone; synthesis tools of the vendor know these cells."
SIGNED = {"x_value", "h_value", "h_cell"}


def command(
    design: Annotated[Path, typer.Argument(help="Directory that 'compile' wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Verilog file; CORE.json appears beside it.")],
    image: Annotated[bool, typer.Option(help="Put weights and program into the memories' initial contents.")] = True,
    name: Annotated[str, typer.Option(help="Of the module, and the beginning of all its parts' names.")] = NAME,
) -> None:
    """Write the core as Verilog, byte for byte the same every time."""
    if not is_identifier(name):
        fix = "use letters, digits and _; no reserved word, no vendor cell"
        raise UserError("option --name", f"{name!r} cannot name a module", fix)
    described, models = output.with_suffix(".json"), output.with_name(f"{output.stem}_cells.v")
    beside = [Output(described, CORE_DESCRIPTION, beside=output), Output(models, CORE, beside=output)]
    check_outputs([design], [Output(output, CORE), *beside])
    loaded = Design.load(design)
    size, cells = write_core(loaded, output, image=image, name=name)
    say(f"{output}: module {name}, {loaded.engine.lanes} lanes, {size} bytes; ports and registers in {described}")
    if cells:
        say(f"{models}: models of the vendor's cells, for simulation alone")


def write_core(design: Design, output: Path, *, image: bool = True, name: str = NAME) -> tuple[int, bool]:
    """Write CORE.v, beside it CORE.json and, if the text instantiates vendor cells, CORE_cells.v.

    Returns
    -------
    size : int
        Bytes of the text.
    cells : bool
        Whether models were written.
    """
    described, models = output.with_suffix(".json"), output.with_name(f"{output.stem}_cells.v")
    with steps() as report:
        report("generating Verilog")
        text, description = generate(design, image=image, name=name)
        cells = cell_models(text)
    if cells:
        with whole_file(models) as draft:
            draft.write_text(f"// {CELLS_NOTE}\n{cells}")
    elif models.exists() and models.stat().st_size:
        # Of an earlier core of another family.
        models.unlink()
    description["cells"] = models.name if cells else None
    with whole_file(output) as draft:
        draft.write_text(text)
    save_json(described, description, CORE_DESCRIPTION)
    return len(text), bool(cells)


def generate(design: Design, *, image: bool = True, name: str = NAME) -> tuple[str, dict[str, Any]]:
    """Verilog text and the description of the core.

    Parameters
    ----------
    design : Design
    image : bool
        Whether the memories hold weights, program and registers from the start; a core without them
        takes any network that fits, through the bus.
    name : str
        Of the module.
    """
    engine, network = design.engine, design.network
    written = design_verilog(design, image=image, name=name)
    return written.text, {
        "module": name,
        "parameters": asdict(engine),
        "image": image,
        "ports": _ports(design),
        "registers": {item.name.lower(): address(Region.CONTROL, item) for item in Register},
        "regions": {**{item.name.lower(): address(item, 0) for item in Region}, "weights": WEIGHTS},
        "program_record": {
            "stride": DESCRIPTOR_STRIDE,
            "fields": {name: {"word": w, "bit": b, "width": n} for name, (w, b, n) in LAYOUT.items()},
        },
        "layers": [
            {
                "name": source.name,
                "inputs": layer.inputs,
                "units": layer.units,
                "precision": layer.precision,
                "c_frac": layer.c_frac,
                "x_lsb": layer.x_lsb,
            }
            for layer, source in zip(network.layers, design.source.layers, strict=True)
        ],
        "names": written.modules,
    }


def _ports(design: Design) -> list[dict[str, Any]]:
    ports = {"clk": ("in", 1), "rst": ("in", 1), **port_widths(design.engine)}
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
