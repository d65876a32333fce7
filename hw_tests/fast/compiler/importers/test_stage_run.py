"""What a stage reads of a call: states of either layout, and rows of dense layers with time on either axis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lstmith.compiler.importers.dense_run import DenseCalls
from lstmith.compiler.importers.plan import Stage
from lstmith.compiler.importers.stage_run import read_call

STEPS, SEQUENCES, WIDTH, UNITS = 5, 3, 2, 4
STAGE = Stage(
    name="rnn",
    program=0,
    layers=("rnn",),
    kind="LSTM",
    units=UNITS,
    x="x",
    reverse=False,
    direction=1,
    directions=2,
    lengths="",
    states=(("h0", "c0"),),
    outputs=(("y", "yh", "yc"),),
    batch_first=False,
)


@pytest.mark.parametrize("batch_first", [False, True])
def test_a_direction_takes_its_own_states(batch_first: bool, rng: np.random.Generator) -> None:
    """[D, N, H], or with the sequences first [N, D, H]."""
    x, h0, c0 = (rng.uniform(-1, 1, shape) for shape in ((STEPS, SEQUENCES, WIDTH), *[(2, SEQUENCES, UNITS)] * 2))
    given = {"x": x, "h0": h0, "c0": c0}
    if batch_first:
        given = {name: value.swapaxes(0, 1) for name, value in given.items()}
    call = read_call(replace(STAGE, batch_first=batch_first), given, "input")
    [(h, c)] = call.state
    assert h is not None
    assert c is not None
    assert np.array_equal(h, h0[1])
    assert np.array_equal(c, c0[1])
    assert np.array_equal(call.x, x)


@pytest.mark.parametrize("time", [0, 1, -1])
@pytest.mark.parametrize("axis", [-1, 1])
def test_rows_of_dense_layers_are_sequences_where_time_is_known(time: int, axis: int, rng: np.random.Generator) -> None:
    """Else they are one sequence, whose steps do not depend on each other; each row is found again."""
    rows = rng.standard_normal((STEPS, SEQUENCES, WIDTH)).astype(np.float32)
    value = np.moveaxis(rows, -1, axis)
    stage = replace(STAGE, x="rows", head="rows", head_axis=axis, time=time, dense=1)
    calls = DenseCalls(stage, [value], "input", joined=False)
    x = calls.input().x
    shapes = {0: (SEQUENCES, STEPS, WIDTH), 1: (STEPS, SEQUENCES, WIDTH), -1: (1, STEPS * SEQUENCES, WIDTH)}
    assert x.shape == shapes[time]
    [(numbered, places)] = calls.places()
    order = np.moveaxis(numbered["rows"], axis, -1)[..., 0].astype(np.int64)
    assert np.array_equal(x.reshape(-1, WIDTH)[places[order]], np.moveaxis(value, axis, -1))
