"""What a report says of a design."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lstmith.cli.report import design_sections
from lstmith.compiler import compile_model


def test_bits_used_of_bits_there_are(tmp_path: Path, rng: np.random.Generator) -> None:
    units, inputs = 5, 3
    w_ih, w_hh = (rng.normal(0, 0.3, (4 * units, columns)) for columns in (inputs, units))
    bias = np.zeros(4 * units)
    np.savez(tmp_path / "model.npz", W_ih=w_ih, W_hh=w_hh, b_ih=bias, b_hh=bias)
    np.savez(tmp_path / "x.npz", x=rng.normal(0, 1, (20, inputs)).astype(np.float32))
    design = compile_model(tmp_path / "model.npz", tmp_path / "x.npz", target="ulx3s-85f", lanes=2, planes=1)
    sections = {section.heading: section for section in design_sections(design)}
    # The last of three folds has one unit for two lanes.
    held, words = 4 * 5 * 8 * 8, 4 * 6 * 8 * 8
    assert sections["Memory"].text.startswith(
        f"{held} bits of weights take {words} of 3407872 bits of weight memory (0.0%); 16.7% of these words is wasted."
    )
