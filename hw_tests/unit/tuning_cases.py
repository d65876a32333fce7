"""A small design with recorded data, for the tests of tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lstmith.cli.main import execute

WIDTH, UNITS = 3, 6


def compiled(folder: Path, rng: np.random.Generator) -> Path:
    """A network of random weights as a design."""
    shapes = {"W_ih": (4 * UNITS, WIDTH), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
    arrays: dict[str, Any] = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    np.savez(folder / "model.npz", **arrays)
    np.savez(folder / "calibration.npz", x=walk(rng, 60))
    model, calibration, design = (str(folder / name) for name in ("model.npz", "calibration.npz", "design"))
    assert execute(["compile", model, "--calibration", calibration, "--target", "generic", "-o", design]) == 0
    return folder / "design"


def walk(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Smooth inputs, float32 [.., T, I]."""
    steps = rng.normal(0, 0.3, (*shape, WIDTH))
    return (0.9 * np.tanh(np.cumsum(steps, axis=-2))).astype(np.float32)


def tune(folder: Path, design: Path, *options: str, data: Path | None = None, **content: Any) -> int:
    """Run ``lstmith tune`` and give its exit code; data is written if it is given as arrays."""
    if content:
        data = folder / "data.npz"
        np.savez(data, **content)
    given = dict(zip(options[::2], options[1::2], strict=True))
    wanted = {"--metric": "h_error", "--max-loss": "0.05", "--trials": "20", "--workers": "1", **given}
    outputs = ["-o", str(folder / "policy.json"), "--json", str(folder / "r.json")]
    return execute(["tune", str(design), "--data", str(data), *sum(wanted.items(), ()), *outputs])
