"""Models of the vendor cells that generated Verilog instantiates, as far as it uses them; they refuse the rest."""

from __future__ import annotations

import re
from pathlib import Path

#: Where the models are, each in a file of its name.
FOLDER = Path(__file__).parent
#: Classes of Verilator's lint that models break by their nature: one file holds several; pins and parameters that are
#: not modelled are unused; parameters arrive with 32 bits; registers are declared with their initial value.
WAIVED = ("DECLFILENAME", "UNUSEDSIGNAL", "UNUSEDPARAM", "WIDTHTRUNC", "PROCASSINIT")


def model_files() -> dict[str, Path]:
    """The file of each cell's model."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.v"))}


def cell_models(text: str) -> str:
    """Verilog models of the vendor cells that a text instantiates; empty if it is plain Verilog.

    Parameters
    ----------
    text : str
        Verilog.
    """
    models = model_files()
    used = set(re.findall(r"^\s*([A-Z]\w+) (?:#\(|\S+ \()", text, re.MULTILINE)) & set(models)
    return "\n".join(_guarded(name, models[name].read_text()) for name in sorted(used))


def _guarded(name: str, model: str) -> str:
    """A model that stands once in a design, however many cores bring it, and passes lint."""
    waivers = "\n".join(f"/* verilator lint_off {rule} */" for rule in WAIVED)
    return (
        f"`ifndef LSTMITH_{name}\n`define LSTMITH_{name}\n/* verilator lint_save */\n{waivers}\n"
        f"{model}/* verilator lint_restore */\n`endif\n"
    )
