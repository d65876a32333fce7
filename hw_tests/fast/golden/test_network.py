"""Networks in floating point, against the equations for one unit."""

from __future__ import annotations

from math import exp, tanh
from typing import Any

import numpy as np
import pytest

from lstmith.golden.network import (
    FloatLayer,
    FloatNetwork,
    float_verdicts,
    initial_state,
    padded,
    run_float,
    sigmoid,
    squashed,
)
from lstmith.spec.codes import Kind, Squash, Verdict


def _sigma(z: float) -> float:
    return 1 / (1 + exp(-z))


def _layer(rng: np.random.Generator, inputs: int = 1, **options: Any) -> FloatLayer:
    w_ih, w_hh, bias = (rng.normal(size=size) for size in ((4, inputs), (4, 1), 4))
    return FloatLayer("a", w_ih, w_hh, bias, **options)


@pytest.mark.parametrize("peepholes", [False, True])
def test_equations_of_one_unit(peepholes: bool, rng: np.random.Generator) -> None:
    layer = _layer(rng, peep=rng.normal(size=(3, 1))) if peepholes else _layer(rng)
    peep = [0.0, 0.0, 0.0] if layer.peep is None else layer.peep[:, 0].tolist()
    x = rng.normal(size=5)
    h = c = 0.0
    want = []
    for value in x:
        z = [layer.w_ih[gate, 0] * value + layer.w_hh[gate, 0] * h + layer.bias[gate] for gate in range(4)]
        gate_i, gate_f = _sigma(z[0] + peep[0] * c), _sigma(z[1] + peep[1] * c)
        c = gate_f * c + gate_i * tanh(z[2])
        h = _sigma(z[3] + peep[2] * c) * tanh(c)
        want.append((h, c))
    trace = run_float(FloatNetwork((layer,)), x[None, :, None])
    # Both are float64, in another order of additions.
    np.testing.assert_allclose(np.array(want), np.stack([trace.h[0][0, :, 0], trace.c[0][0, :, 0]], axis=1), rtol=1e-12)


def test_equations_of_a_gru_unit(rng: np.random.Generator) -> None:
    w_ih, w_hh, bias = rng.normal(size=(4, 1)), rng.normal(size=(4, 1)), rng.normal(size=4)
    w_ih[3] = w_hh[2] = 0
    layer = FloatLayer("a", w_ih, w_hh, bias, h0=np.array([0.5]), kind=Kind.GRU)
    x, h, want = rng.normal(size=5), 0.5, []
    for value in x:
        z = [w_ih[row, 0] * value + w_hh[row, 0] * h + bias[row] for row in range(4)]
        reset, update = _sigma(z[0]), _sigma(z[1])
        h = (1 - update) * tanh(z[2] + reset * z[3]) + update * h
        want.append(h)
    trace = run_float(FloatNetwork((layer,)), x[None, :, None])
    np.testing.assert_allclose(trace.h[0][0, :, 0], want, rtol=1e-12)
    assert (trace.c[0] == trace.h[0]).all()
    assert [part.tolist() for part in initial_state(layer, 1)] == [[[0.5]], [[0.5]]]


def test_plain_and_dense_layers(rng: np.random.Generator) -> None:
    w_ih, w_hh, bias = rng.normal(size=(2, 3)), rng.normal(size=(2, 2)), rng.normal(size=2)
    plain = FloatLayer("p", w_ih, w_hh, bias, kind=Kind.RNN, squash=Squash.RELU)
    dense = FloatLayer("d", rng.normal(size=(1, 2)), np.zeros((1, 0)), rng.normal(size=1), kind=Kind.DENSE)
    x = rng.normal(size=(1, 4, 3))
    h, want = np.zeros(2), []
    for value in x[0]:
        h = np.maximum(plain.w_ih @ value + plain.w_hh @ h + plain.bias, 0)
        want.append(np.tanh(dense.w_ih @ h + dense.bias))
    trace = run_float(FloatNetwork((plain, dense)), x)
    np.testing.assert_allclose(trace.h[1][0], want, rtol=1e-12)


def test_relu_in_front_of_a_product(rng: np.random.Generator) -> None:
    dense = FloatLayer(
        "d", rng.normal(size=(2, 3)), np.zeros((2, 0)), rng.normal(size=2), kind=Kind.DENSE, rectified=True
    )
    x = rng.normal(size=(2, 5, 3))
    trace = run_float(FloatNetwork((dense,)), x)
    np.testing.assert_allclose(trace.h[0], np.tanh(np.maximum(x, 0) @ dense.w_ih.T + dense.bias), rtol=1e-12)


def test_functions() -> None:
    z = np.array([-2.0, 0.5])
    assert [squashed(z, squash).tolist() for squash in (Squash.LINEAR, Squash.RELU)] == [[-2, 0.5], [0, 0.5]]
    assert (squashed(z, Squash.SIGMOID) == sigmoid(z)).all()
    assert (squashed(z, Squash.TANH) == np.tanh(z)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": Kind.GRU, "w_ih": np.ones((4, 1))}, "Layer 'a' must have zeros in its nx rows of w_hh"),
        ({"squash": Squash.RELU}, "Layer 'a' of kind LSTM must have squash TANH, not RELU"),
        ({"kind": Kind.GRU, "c0": np.zeros(1)}, "Layer 'a' of kind GRU has no field c0"),
        (
            {
                "kind": Kind.DENSE,
                "w_ih": np.ones((1, 1)),
                "w_hh": np.zeros((1, 0)),
                "bias": np.zeros(1),
                "h0": np.ones(1),
            },
            "Layer 'a' of kind DENSE has no field h0",
        ),
    ],
)
def test_fields_belong_to_the_kind(options: dict[str, Any], message: str) -> None:
    parts = {"w_ih": np.zeros((4, 1)), "w_hh": np.zeros((4, 1)), "bias": np.zeros(4)}
    with pytest.raises(ValueError, match=f"^{message}"):
        FloatLayer("a", **(parts | options))


def test_layers_are_stacked_and_runs_can_be_cut(rng: np.random.Generator) -> None:
    layers = _layer(rng, 2), _layer(rng)
    x = rng.normal(size=(3, 6, 2))
    whole = run_float(FloatNetwork(layers), x)
    first = run_float(FloatNetwork(layers[:1]), x)
    assert (run_float(FloatNetwork(layers[1:]), first.h[0]).h[0] == whole.h[1]).all()
    head = run_float(FloatNetwork(layers), x[:, :4])
    state = [(h[:, -1], c[:, -1]) for h, c in zip(head.h, head.c, strict=True)]
    assert (run_float(FloatNetwork(layers), x[:, 4:], state).h[1] == whole.h[1][:, 4:]).all()


def test_initial_states(rng: np.random.Generator) -> None:
    layer = _layer(rng, h0=np.array([0.5]), c0=np.array([-2.0]))
    assert [part.tolist() for part in initial_state(layer, 2)] == [[[0.5], [0.5]], [[-2.0], [-2.0]]]
    assert [part.tolist() for part in initial_state(_layer(rng), 1)] == [[[0.0]], [[0.0]]]


def test_shapes_are_checked(rng: np.random.Generator) -> None:
    with pytest.raises(ValueError, match=r"^Layer 'a' field bias must have shape \(4,\), not \(3,\)$"):
        FloatLayer("a", rng.normal(size=(4, 2)), rng.normal(size=(4, 1)), rng.normal(size=3))
    for shape in ((8,), (0, 2), (4, 0), (4, 2, 1)):
        with pytest.raises(ValueError, match=r"^Layer 'a' field w_ih must have shape \[4H, I\], not "):
            FloatLayer("a", np.zeros(shape), rng.normal(size=(4, 1)), rng.normal(size=4))
    for change in (lambda: _layer(rng, h0=np.zeros(2)), lambda: _layer(rng, c0=np.zeros(2))):
        with pytest.raises(ValueError, match=r"^Layer 'a' field [hc]0 must have shape \(1,\), not \(2,\)$"):
            change()


def test_padding_and_sigmoid() -> None:
    batch, lengths = padded([np.ones((2, 1)), np.ones((3, 1))])
    assert batch[..., 0].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert lengths.tolist() == [2, 3]
    assert sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("verdict", "told"),
    [(Verdict.THRESHOLD, 0b100), (Verdict.AT_MOST, 0b011), (Verdict.ARGMAX, 2), (Verdict.NONE, None)],
)
def test_a_value_at_the_threshold_is_not_above_it(verdict: Verdict, told: int | None) -> None:
    weights = np.zeros((3, 1))
    layer = FloatLayer("head", weights, np.zeros((3, 0)), np.zeros(3), kind=Kind.DENSE, verdict=verdict, threshold=0.5)
    found = float_verdicts(layer, np.array([[0.25, 0.5, 0.75]]))
    assert (found is None) if told is None else (found is not None and found.tolist() == [told])
