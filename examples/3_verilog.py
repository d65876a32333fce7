"""3. Verilog: the core inside a top level of your own, simulated by Icarus.

    python examples/3_verilog.py [FOLDER]

Writes the core, its description (core.json) and models of the FPGA's own cells. top.v beside this script instantiates
the core, gives it the inputs, and compares every h with what the golden model computed.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from lstmith.compiler import Design
from lstmith.spec.errors import UserError

STEPS = 20
TOP = Path(__file__).with_name("top.v")


def words(path: Path, values: np.ndarray) -> None:
    """Write 16-bit numbers as $readmemh reads them."""
    path.write_text("\n".join(f"{value & 0xFFFF:04x}" for value in values.astype(int).flat))


def main(folder: Path) -> None:
    """Write the core and what it is to be given, then simulate."""
    if not (folder / "design").is_dir():
        raise UserError(str(folder), "holds no design", "run examples/1_compile.py first")
    if not shutil.which("iverilog"):
        raise UserError("iverilog", "is not installed", "apt-get install iverilog")
    design = Design.load(folder / "design")
    core = design.generate(folder / "core.v")
    print(f"{folder / 'core.v'}: module {core.description['module']} with {len(core.description['ports'])} ports")

    with np.load(folder / "x.npz") as data:
        x = data["x"][:STEPS]
    words(folder / "x.hex", design.network.quantise_input(x))  # real numbers as the core takes them
    words(folder / "h.hex", design.run(x).arrays["h_int"])
    sizes = {"STEPS": STEPS, "INPUTS": x.shape[1], "UNITS": design.network.layers[-1].units}
    parameters = [f"-Ptop.{name}={value}" for name, value in sizes.items()]
    sources = [str(TOP.resolve()), "core.v", *(["core_cells.v"] if core.cells else [])]
    subprocess.run(["iverilog", "-g2012", "-o", "top.vvp", "-s", "top", *parameters, *sources], cwd=folder, check=True)
    told = subprocess.run(["vvp", "-n", "top.vvp"], cwd=folder, check=True, capture_output=True, text=True).stdout
    print(told.strip())
    if not told.strip().endswith(" 0 wrong"):
        sys.exit(f"{sys.argv[0]}: the core and the golden model disagree")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/example"))
    except UserError as wrong:
        sys.exit(f"{sys.argv[0]}: {wrong}")
