"""1. Compile: a trained LSTM becomes a design for an FPGA board.

    python examples/1_compile.py [FOLDER]

Your model comes from a framework, for example from torch.onnx.export. Here one of 16 units is made on the spot, with
random weights, and saved as ONNX in FOLDER (build/example if you give none). The other examples read what is there.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lstmith.compiler import compile_model
from lstmith.spec.errors import UserError

INPUTS, UNITS, STEPS = 3, 16, 200


def make_model(path: Path, rng: np.random.Generator) -> None:
    """An ONNX file with one LSTM node: x [steps, 1, inputs] -> y [steps, 1, 1, units]."""
    shapes = {"W": (1, 4 * UNITS, INPUTS), "R": (1, 4 * UNITS, UNITS), "B": (1, 8 * UNITS)}
    weights = [numpy_helper.from_array(rng.normal(0, 0.2, shapes[name]).astype(np.float32), name) for name in shapes]
    node = helper.make_node("LSTM", ["x", *shapes], ["y"], name="lstm", hidden_size=UNITS)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["steps", 1, INPUTS])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "example", [x], [y], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def main(folder: Path) -> None:
    """Make the model and typical inputs, compile, save the design."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    make_model(folder / "model.onnx", rng)
    # Typical inputs, on which number formats are chosen: here slow waves, [sequences, steps, inputs].
    time = np.arange(STEPS)[:, None] / STEPS
    x = np.sin(2 * np.pi * (rng.uniform(1, 4, (4, 1, INPUTS)) * time + rng.random((4, 1, INPUTS))))
    np.savez(folder / "x.npz", x=x[0])

    design = compile_model(folder / "model.onnx", x, precision=8, target="ulx3s-85f", lanes=4, remark=print)
    design.save(folder / "design")

    error = design.figures["error"]
    print(f"{UNITS} units on {design.engine.lanes} lanes for {design.target}")
    print(f"h is off by {error['mean']:.5f} on average and {error['max']:.5f} at most; design in {folder / 'design'}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/example"))
    except UserError as wrong:
        sys.exit(f"{sys.argv[0]}: {wrong}")
