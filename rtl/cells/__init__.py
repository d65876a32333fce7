"""Models of the vendor cells that generated Verilog instantiates, as far as it uses them; they refuse the rest."""

from __future__ import annotations

import re
from pathlib import Path

#: Where the models are, each in a file of its name.
FOLDER = Path(__file__).parent


def cell_models(text: str) -> str:
    """Verilog models of the vendor cells that a text instantiates; empty if it is plain Verilog.

    Parameters
    ----------
    text : str
        Verilog.
    """
    models = {path.stem: path for path in sorted(FOLDER.glob("*.v"))}
    used = set(re.findall(r"^\s*([A-Z]\w+) (?:#\(|\S+ \()", text, re.MULTILINE)) & set(models)
    return "\n".join(models[name].read_text() for name in sorted(used))
