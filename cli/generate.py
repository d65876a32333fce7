"""``lstmith generate``: the core as Verilog with a description of its ports, or a folder for who integrates it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lstmith.cli.console import say, steps
from lstmith.compiler.design import Design
from lstmith.compiler.generate import check_name, core_outputs, find_bus
from lstmith.compiler.outputs import Output, check_outputs
from lstmith.rtl.top import NAME
from lstmith.spec.errors import UserError
from lstmith.spec.register_map import Bus


def command(
    design: Annotated[Path, typer.Argument(help="Directory that 'compile' wrote.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Verilog file; CORE.json appears beside it.")
    ] = None,
    package: Annotated[
        Path | None,
        typer.Option(help="Folder for the core, its test bench, its C driver and all else that an integrator needs."),
    ] = None,
    image: Annotated[bool, typer.Option(help="Put weights and program into the memories' initial contents.")] = True,
    name: Annotated[str, typer.Option(help="Of the module, and the beginning of all its parts' names.")] = NAME,
    bus: Annotated[str, typer.Option(help="How it is reached: native, axi or wishbone.")] = Bus.NATIVE,
) -> None:
    """Write the core as Verilog, byte for byte the same every time."""
    if output is None and package is None:
        raise UserError("generate", "was asked for no output", "give -o CORE.v, --package FOLDER, or both")
    check_name(name)
    find_bus(bus)
    outputs = [] if output is None else core_outputs(output)
    if package is not None:
        # The model and what else a package is made with are imported for one alone.
        from lstmith.package.write import FOLDER, check_package, write_package

        outputs.append(Output(package, FOLDER))
    check_outputs([design], outputs)
    loaded = Design.load(design)
    if package is not None:
        check_package(loaded)
    with steps() as report:
        report("generating Verilog")
        core = loaded.generate(image=image, name=name, bus=bus)
        if package is not None:
            report("running the model for the test bench")
            write_package(loaded, core, package)
    if package is not None:
        say(f"{package}: package of module {name}; 'make test' in it runs its bench, README.md tells the rest")
    if output is not None:
        _, described, *models = core.save(output)
        lanes = loaded.engine.lanes
        say(f"{output}: module {name}, {lanes} lanes, {len(core.text)} bytes; ports and registers in {described}")
        for path in models:
            say(f"{path}: models of the vendor's cells, for simulation alone")
