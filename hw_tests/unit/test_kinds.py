"""GRU, plain and dense layers from the model to the run: designs, real values, states, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmith.compiler.chains import Chain, compile_chains
from lstmith.compiler.design import Design
from lstmith.compiler.importers.npz_import import from_arrays
from lstmith.compiler.pipeline import compile_model
from lstmith.spec.codes import Kind
from lstmith.spec.errors import UserError

WIDTH, UNITS, OUTPUTS = 3, 6, 2


@pytest.fixture
def arrays(rng: np.random.Generator) -> dict[str, Any]:
    """A GRU with a linear head whose outputs are far beyond 1."""
    shapes = {"W_ih": (3 * UNITS, WIDTH), "W_hh": (3 * UNITS, UNITS), "b_ih": (3 * UNITS,), "b_hh": (3 * UNITS,)}
    gru = {f"l0_{name}": rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    head = {"l1_W_ih": rng.normal(0, 9, (OUTPUTS, UNITS)), "l1_b_ih": rng.normal(0, 3, OUTPUTS)}
    return gru | head | {"l0_kind": np.array("gru"), "l1_kind": np.array("dense")}


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    """Inputs for it, float32 [N, T, I]."""
    return rng.normal(0, 1, (2, 40, WIDTH)).astype(np.float32)


def test_real_values_come_back(tmp_path: Path, arrays: dict[str, Any], x: np.ndarray) -> None:
    design = compile_model(arrays, x, target="generic", precision=16, lanes=2)
    assert design.engine.kinds == (Kind.GRU, Kind.DENSE)
    design.save(tmp_path / "d")
    loaded = Design.load(tmp_path / "d")
    assert [(layer.kind, layer.h_lsb) for layer in loaded.network.layers] == [
        (layer.kind, layer.h_lsb) for layer in design.network.layers
    ]
    result, exact = loaded.run(x), design.run(x, engine="float")
    assert result.figures["mismatches"] == 0
    reach = np.abs(exact.h).max()
    assert reach > 2
    assert np.abs(result.h - exact.h).mean() < 1e-3 * reach
    lsb = design.network.layers[-1].h_lsb
    np.testing.assert_array_equal(result.h, (result.arrays["h_int"] * lsb).astype(np.float32))
    # c of a layer without a cell state is its h.
    np.testing.assert_array_equal(result.arrays["c_int"], result.arrays["h_int"])


def test_initial_states_of_a_gru(arrays: dict[str, Any], x: np.ndarray) -> None:
    """Whatever a file says of c, the state is h."""
    gru = {name.removeprefix("l0_"): values for name, values in arrays.items() if name.startswith("l0_")}
    design = compile_model(gru, x, target="generic", precision=16, lanes=2)
    h0 = np.full((len(x), UNITS), 0.5, dtype=np.float32)
    given = [design.run({"x": x, "h0": h0, "c0": c0}) for c0 in (h0, 0 * h0)]
    np.testing.assert_array_equal(given[0].h, given[1].h)
    exact = design.run({"x": x, "h0": h0, "c0": h0}, engine="float")
    assert np.abs(given[0].h - exact.h).max() < 5e-3
    assert np.abs(given[0].h - design.run(x).h).max() > 0.05


def test_what_other_kinds_have_not(arrays: dict[str, Any], x: np.ndarray) -> None:
    with pytest.raises(UserError, match=r"^target: icebreaker has 16-bit multipliers, too narrow for layers"):
        compile_model(arrays, x, target="icebreaker")
    with pytest.raises(UserError, match=r"^option --active: is '1', but layer 'l0' is of kind GRU; leave it out"):
        compile_model(arrays, x, target="generic", active="1")


def test_states_handed_over_have_one_unit(rng: np.random.Generator, x: np.ndarray) -> None:
    """The ranges of a recurrent ReLU's h follow from the data."""
    shapes = {"W_ih": (4, WIDTH), "W_hh": (4, 4), "b_ih": (4,), "b_hh": (4,)}
    plain = {name: rng.normal(0, 0.3, shape) for name, shape in shapes.items()}
    network = from_arrays("m", plain | {"kind": np.array("rnn"), "squash": np.array("relu")})
    chains = [Chain("a", network, x), Chain("b", network, 3 * x, keeps="a")]
    with pytest.raises(UserError, match=r"^chains 'a', 'b': hand over the state of a plain layer with ReLU"):
        compile_chains(chains, target="generic")
