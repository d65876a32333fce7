"""The core of a design as Verilog: what ``lstmith generate`` writes is what simulators are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lstmith.compiler.core_description import describe_core
from lstmith.compiler.files import whole_file
from lstmith.compiler.marks import CORE, CORE_DESCRIPTION
from lstmith.compiler.outputs import Output, check_outputs, save_json
from lstmith.compiler.programs import Program
from lstmith.rtl.cells import cell_models
from lstmith.rtl.cores import core_verilog
from lstmith.rtl.top import NAME
from lstmith.rtl.verilog import is_identifier
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.register_map import Bus

CELLS_NOTE = "lstmith: for simulation alone; synthesis tools of the vendor know these cells."


@dataclass(frozen=True)
class Core:
    """A core as text.

    Parameters
    ----------
    text : str
        Verilog; the same design gives the same bytes.
    description : dict
        What CORE.json holds: ports, parameters, registers, names of all modules.
    cells : str
        Verilog models of the vendor cells that the text instantiates, for simulation; empty if it is plain Verilog.
    """

    text: str
    description: dict[str, Any]
    cells: str

    def save(self, path: str | Path) -> list[Path]:
        """Write CORE.v, beside it CORE.json and, if the text instantiates vendor cells, CORE_cells.v.

        Returns
        -------
        list of Path
            The files, CORE.v first.

        Raises
        ------
        UserError
            If a place cannot be written, or holds a file that this tool did not write.
        """
        output = Path(path)
        check_outputs([], core_outputs(output))
        described, models = output.with_suffix(".json"), models_beside(output)
        if self.cells:
            with whole_file(models) as draft:
                draft.write_text(f"// {CELLS_NOTE}\n{self.cells}")
        elif models.exists() and models.stat().st_size:
            # Of an earlier core of another family.
            models.unlink()
        with whole_file(output) as draft:
            draft.write_text(self.text)
        save_json(described, {**self.description, "cells": models.name if self.cells else None}, CORE_DESCRIPTION)
        return [output, described, *([models] if self.cells else [])]


def models_beside(output: Path) -> Path:
    """Where the models of vendor cells are, of a core in ``output``."""
    return output.with_name(f"{output.stem}_cells.v")


def core_outputs(output: Path) -> list[Output]:
    """The files of a core, to be checked before any work."""
    described, models = output.with_suffix(".json"), models_beside(output)
    beside = [Output(described, CORE_DESCRIPTION, beside=output), Output(models, CORE, beside=output)]
    return [Output(output, CORE), *beside]


def check_name(name: str) -> None:
    """Refuse what cannot name a module.

    Raises
    ------
    UserError
    """
    if not is_identifier(name):
        fix = "use letters, digits and _; no reserved word, no vendor cell"
        raise UserError("option --name", f"{name!r} cannot name a module", fix)


def find_bus(name: str) -> Bus:
    """The bus of that name.

    Raises
    ------
    UserError
        If there is none.
    """
    if name not in set(Bus):
        raise UserError("option --bus", f"{name!r} is unknown", f"use one of {', '.join(Bus)}")
    return Bus(name)


def generate_core(
    engine: EngineConfig,
    programs: Sequence[Program],
    *,
    target: str = "generic",
    image: MemoryImage | None = None,
    name: str = NAME,
    bus: str = Bus.NATIVE,
) -> Core:
    """The core of an engine as Verilog, for the family of its target.

    Parameters
    ----------
    engine : EngineConfig
    programs : sequence of Program
        What it was made for.
    target : str
        What the engine was sized for, for the first line of the text.
    image : MemoryImage or None
        What the memories hold from the start; a core without takes any programs that fit, through the bus.
    name : str
        Of the module, and the beginning of all its parts' names.
    bus : str
        ``native``, ``axi`` or ``wishbone``.

    Raises
    ------
    UserError
        If the name is none for a module, the bus is unknown, or a fixed engine is given no image or another bus.
    """
    check_name(name)
    chosen = find_bus(bus)
    if engine.fixed and chosen is not Bus.NATIVE:
        raise UserError("option --bus", f"is {bus}, and a fixed engine has no registers", "use native")
    if engine.fixed and image is None:
        fix = "leave it out, or compile without --fixed"
        raise UserError("option --no-image", "leaves out the weights that a fixed engine is made of", fix)
    header = (
        f"lstmith {version('lstmith')}: {engine.lanes} lanes for {target}. This text is yours, under any terms.",
        f"Simulate {name} with iverilog or verilator, beside the file of vendor cells where there is one.",
    )
    written = core_verilog(engine, image, name, header, chosen)
    described = describe_core(engine, programs, chosen)
    description = {"module": name, "image": image is not None, **described, "names": written.modules}
    return Core(written.text, description, cell_models(written.text))
