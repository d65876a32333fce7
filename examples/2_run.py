"""2. Run: the design on the golden model, which knows every bit and every cycle of the hardware.

    python examples/2_run.py [FOLDER]

The golden model needs no simulator and no board. engine="icarus" or "verilator" runs the generated Verilog instead, and
gives the same numbers in the same cycles.
"""

import sys
from pathlib import Path

import numpy as np

from lstmith.boards.catalogue import find_board
from lstmith.compiler import Design
from lstmith.spec.errors import UserError


def main(folder: Path) -> None:
    """Compare golden with float, and a policy that computes less with one that computes everything."""
    if not (folder / "design").is_dir():
        raise UserError(str(folder), "holds no design", "run examples/1_compile.py first")
    design = Design.load(folder / "design")
    exact = design.run(folder / "x.npz", engine="float")
    golden = design.run(folder / "x.npz", engine="golden")
    difference = np.abs(golden.h - exact.h)
    print(f"golden against float: mean {difference.mean():.5f}, largest {difference.max():.5f}")

    # Inputs and units that moved less than a threshold are left out of the sums: fewer cycles, a little more error.
    # Thresholds count steps of the 8-bit operands.
    lazy = design.run(folder / "x.npz", policy={"mode": "auto", "theta_x": 2, "theta_h": 2})
    clock = find_board(design.target).clock_mhz
    for name, result in (("everything", golden), ("with thresholds", lazy)):
        cycles = result.figures["cycles_per_step"]
        worst = np.abs(result.h - exact.h).max()
        print(f"{name}: {cycles:.1f} cycles or {cycles / clock:.2f} us per step, largest error {worst:.5f}")
    for text in lazy.remarks:
        print(f"remark: {text}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/example"))
    except UserError as wrong:
        sys.exit(f"{sys.argv[0]}: {wrong}")
