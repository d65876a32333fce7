"""``lstmith generate``: the core as Verilog, with a description of its ports beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lstmith.cli.console import say, steps
from lstmith.compiler.design import Design
from lstmith.compiler.generate import check_name, core_outputs
from lstmith.compiler.outputs import check_outputs
from lstmith.rtl.top import NAME


def command(
    design: Annotated[Path, typer.Argument(help="Directory that 'compile' wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Verilog file; CORE.json appears beside it.")],
    image: Annotated[bool, typer.Option(help="Put weights and program into the memories' initial contents.")] = True,
    name: Annotated[str, typer.Option(help="Of the module, and the beginning of all its parts' names.")] = NAME,
) -> None:
    """Write the core as Verilog, byte for byte the same every time."""
    check_name(name)
    check_outputs([design], core_outputs(output))
    loaded = Design.load(design)
    with steps() as report:
        report("generating Verilog")
        core = loaded.generate(image=image, name=name)
    _, described, *models = core.save(output)
    lanes = loaded.engine.lanes
    say(f"{output}: module {name}, {lanes} lanes, {len(core.text)} bytes; ports and registers in {described}")
    for path in models:
        say(f"{path}: models of the vendor's cells, for simulation alone")
