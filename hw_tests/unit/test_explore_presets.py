"""What ``lstmith explore`` looks at first holds every engine of README's table of presets, or a better one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmith.boards.catalogue import find_board
from lstmith.explore.levels import cells, estimated, speed
from lstmith.golden.cycles import dense_breakdown
from lstmith.scripts.bench.blank import blank_network
from lstmith.spec.presets import PRESETS, Preset

STEPS = 4
ON_BOARDS = [preset for preset in PRESETS if preset.board is not None]


def engines(folder: Path, preset: Preset) -> list[dict[str, Any]]:
    """All engines of a network of the preset's shape on its board."""
    rng = np.random.default_rng(3)
    units, inputs = preset.serves
    shapes = {"W_ih": (4 * units, inputs), "W_hh": (4 * units, units), "b_ih": (4 * units,), "b_hh": (4 * units,)}
    arrays: dict[str, Any] = {name: rng.normal(0, 0.3, shape) for name, shape in shapes.items()}
    if preset.engine.peepholes:
        arrays["peep"] = rng.normal(0, 0.3, (3, units))
    np.savez(folder / "model.npz", **arrays)
    np.savez(folder / "data.npz", x=rng.normal(0, 1, (8, inputs)))
    spec = {"layer": None, "head": False, "stateful": False, "board": preset.board}
    found = estimated(spec, {"model": folder / "model.npz", "data": folder / "data.npz"})
    return list(found["points"])


@pytest.mark.parametrize("preset", ON_BOARDS, ids=lambda preset: preset.name)
def test_a_preset_is_held_or_beaten(preset: Preset, tmp_path: Path) -> None:
    """With the same weights at least: no slower when dense, and no cells more by the same estimate."""
    assert preset.board is not None
    board, bits = find_board(preset.board), max(preset.engine.precisions)
    network = blank_network([preset.serves], bits, preset.engine.planes)
    cycles = dense_breakdown(network, replace(preset.engine, active_counts=1), STEPS).cycles[0, -1]
    most = {**cells(preset.engine, board), **speed(cycles, board)}
    alike = [one["figures"] for one in engines(tmp_path, preset) if one["point"]["precision"] == bits]
    assert any(all(one[name] <= value for name, value in most.items()) for one in alike), (most, alike)
