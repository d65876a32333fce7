"""Fixed designs on boards: fed over the link, which cannot change them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmith.boards.catalogue import find_board
from lstmith.compiler.design import Design
from lstmith.compiler.pipeline import compile_model
from lstmith.flow import build
from lstmith.host.accelerator import Accelerator
from lstmith.host.board_sim import VirtualBoard
from lstmith.host.link.errors import RefusedError
from lstmith.host.run import run_golden
from lstmith.host.runner import read_request
from lstmith.spec.errors import UserError
from lstmith.spec.memory_image import image_tag
from lstmith.spec.policy import Mode, Policy

INPUTS = 2
STEPS = 7


def _design(rng: np.random.Generator, target: str, units: tuple[int, ...] = (6,), **options: Any) -> Design:
    arrays, inputs = {}, INPUTS
    for index, count in enumerate(units):
        layer = f"l{index}_" if len(units) > 1 else ""
        arrays[f"{layer}W_ih"] = rng.normal(0, 0.5, (4 * count, inputs))
        arrays[f"{layer}W_hh"] = rng.normal(0, 0.5, (4 * count, count))
        arrays[f"{layer}b_ih"] = arrays[f"{layer}b_hh"] = rng.normal(0, 0.2, 4 * count)
        inputs = count
    x = rng.normal(0, 1, (2, 60, INPUTS)).astype(np.float32)
    return compile_model(arrays, x, target=target, fixed=True, **options)


@pytest.mark.parametrize(("target", "units"), [("icebreaker", (6,)), ("ulx3s-25f", (5, 4))])
def test_the_virtual_board_answers_as_golden(target: str, units: tuple[int, ...], rng: np.random.Generator) -> None:
    """Of two layers both are sent, since nothing can ask for one; where there are records, with every cycle."""
    design = _design(rng, target, units)
    *before, last = design.network.layers
    other = replace(design, network=replace(design.network, layers=(*before, replace(last, weights=-last.weights))))
    x = rng.normal(0, 1, (2, STEPS, INPUTS)).astype(np.float32)
    with VirtualBoard(design, find_board(target)) as board, Accelerator("golden") as model:
        with Accelerator(board.port) as accelerator:
            model.load(design)
            accelerator.load(design)
            assert accelerator.verified is not None
            assert accelerator.verified.values > 0
            expected = model.infer(x)
            assert np.abs(expected).max() > 0.05
            np.testing.assert_array_equal(accelerator.infer(x), expected)
            np.testing.assert_array_equal(np.array(list(accelerator.infer(iter(x[0])))), expected[0])
            np.testing.assert_array_equal(accelerator.infer(x, every=3), model.infer(x, every=3))
            if accelerator.backend.device.records:  # type: ignore[attr-defined]
                request = read_request(design, {"x": x, "lengths": np.array([STEPS, STEPS - 2])}, None)
                run = accelerator.run(request)
                golden = run_golden(request, run.idle)
                np.testing.assert_array_equal(run.cycles, golden.cycles)
                for mine, theirs in zip(run.layers, golden.layers, strict=True):
                    np.testing.assert_array_equal(mine.h, theirs.h)
            with pytest.raises(UserError, match=r"policy: A fixed engine has one policy"):
                accelerator.policy = Policy(Mode.DENSE)
            with pytest.raises(RefusedError, match=r"no way to read states; compile without --fixed"):
                _ = accelerator.state
            # Nothing of what was refused has harmed it, and another network is not taken for this one.
            np.testing.assert_array_equal(accelerator.infer(x), expected)
            with pytest.raises(RefusedError, match=r"built for another network, which is fixed in it; build and"):
                accelerator.load(other)
        with Accelerator(board.port) as accelerator:
            accelerator.load(design)
            np.testing.assert_array_equal(accelerator.infer(x), expected)


def test_another_policy_is_another_network(rng: np.random.Generator) -> None:
    """A fixed engine's tag tells its program too: engines of the same weights may have other thresholds."""
    design = _design(rng, "ulx3s-25f")
    engine = replace(design.engine, fixed=False)
    image = design.image()
    word = next(iter(image.descriptors))
    changed = replace(image, descriptors={word: [value ^ 1 for value in image.descriptors[word]]})
    assert image_tag(image, design.engine) != image_tag(changed, design.engine)
    assert image_tag(image, engine) == image_tag(changed, engine)


@pytest.mark.drawn(1)
def test_bitstream(tmp_path: Path, rng: np.random.Generator) -> None:
    """Its block memories come filled out of the bitstream, so nothing else has to be programmed."""
    design = _design(rng, "icebreaker")
    result = build(design, "icebreaker", tmp_path / "out")
    assert result["fmax_mhz"] >= result["target_mhz"]
    assert result["spram"] == 0
    assert "weights" not in result
    assert not (tmp_path / "out" / "weights.bin").exists()
    assert json.loads((tmp_path / "out" / "build.json").read_text()) == result


def test_another_board_is_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    """The smaller one has too few block memories for the weights of a design that was made for the larger one."""
    design = _design(rng, "ulx3s-25f")
    with pytest.raises(UserError, match=r"design: was compiled for ulx3s-25f; compile it again with --target"):
        build(design, "icebreaker", tmp_path / "out")
    wide = _design(rng, "ulx3s-85f", (150, 100))
    with pytest.raises(UserError, match=r"^target: ulx3s-25f has .* bits for weights and the network needs"):
        build(wide, "ulx3s-25f", tmp_path / "out")
    assert not (tmp_path / "out").exists()
