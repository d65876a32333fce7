"""``lstmith inspect``: what is in a model and where it would run, before anything is compiled."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lstmith.cli.console import out, remark, say, table
from lstmith.cli.models import Head, Layer
from lstmith.compiler.inspection import inspect_model
from lstmith.compiler.marks import INSPECTION
from lstmith.compiler.outputs import Output, check_outputs, save_json
from lstmith.spec.config import PRECISIONS


def command(
    model: Annotated[Path, typer.Argument(help="Trained network: .onnx, .pt, .safetensors or .npz.")],
    layer: Layer = None,
    head: Head = False,
    json: Annotated[Path | None, typer.Option(help="The same as JSON.")] = None,
) -> None:
    """Show what of a model would run on the core and what on the host, its memory, and the boards that fit."""
    check_outputs([model], [Output(json, INSPECTION)])
    found = inspect_model(model, layer, head=head)
    if json is not None:
        save_json(json, found, INSPECTION)
    out.print(
        table("Nodes", ["node", "operator", "where", "why"], [list(node.values()) for node in found["placement"]])
    )
    out.print(table("Programs", ["program", "layers", "parameters", *_bits("KiB at {} bit")], _programs(found)))
    out.print(table("Boards", ["board", *_bits("{} bit")], [[name, *map(_fit, fits.values())]
                                                            for name, fits in found["boards"].items()]))  # fmt: skip
    for name in ("inputs", "state_inputs"):
        if found[name]:
            shapes = [f"{label} [{', '.join(map(str, shape))}]" for label, shape in found[name].items()]
            say(f"{'inputs' if name == 'inputs' else 'initial states, optional'}: {', '.join(shapes)}")
    for text in found["remarks"]:
        remark(text)


def _bits(label: str) -> list[str]:
    return [label.format(bits) for bits in PRECISIONS]


def _programs(found: dict[str, Any]) -> list[list[object]]:
    return [
        [
            index,
            ", ".join(f"{one['name']} ({one['kind']} {one['inputs']} -> {one['units']})" for one in program["layers"]),
            program["parameters"],
            *(f"{bits / 8192:.1f}" for bits in program["weight_bits"].values()),
        ]
        for index, program in enumerate(found["programs"])
    ]


def _fit(text: str) -> str:
    return text if text in ("fits", "not supported") else "does not fit"
