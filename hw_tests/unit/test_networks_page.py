"""The example of docs/networks.md, run as it stands on the model that it speaks of."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from lstmith.test_support.graphs.exporters import STEPS, keras_gru_stack

PAGE = Path(__file__).resolve().parents[2] / "docs" / "networks.md"


def test_the_keras_example(tmp_path: Path, rng: np.random.Generator) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    keras_gru_stack(tmp_path / "model.onnx", rng)
    np.savez(tmp_path / "recorded.npz", tokens=rng.integers(0, 20, (6, 2, STEPS)))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "2 programs, 11 nodes\nerror within True\n"
