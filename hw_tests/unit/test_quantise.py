"""Quantisation: golden stays close to float, encodings are exact, what does not fit is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_tests.unit.networks import TOLERANCE, h_error, random_calibration, random_network
from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.calibration import Calibration, profile
from lstmith.compiler.quantise.encode import encode_bias, encode_peepholes, encode_scales, initial_states
from lstmith.compiler.quantise.fit import Candidate, LayerFit
from lstmith.compiler.quantise.quantise import AUTO_TOLERANCE, quantise
from lstmith.compiler.quantise.rows import damped, fit_scales, round_weights
from lstmith.golden.cell import cell_step, requantise
from lstmith.golden.network import FloatNetwork
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import Grid, QuantLayer

SHAPES = [
    (1, 1, 1, False),
    (1, 5, 1, True),
    (12, 1, 1, False),
    (23, 15, 1, True),
    (15, 7, 2, False),
    (9, 20, 3, True),
]


@pytest.mark.parametrize(("precision", "planes"), [(4, 1), (8, 1), (16, 1), (8, 2), (16, 2)])
@pytest.mark.parametrize(("units", "inputs", "layers", "peepholes"), SHAPES)
def test_golden_is_close_to_float(
    units: int, inputs: int, layers: int, peepholes: bool, precision: int, planes: int
) -> None:
    rng = np.random.default_rng([units, inputs, layers])
    network = random_network(rng, units, inputs, layers=layers, peepholes=peepholes)
    data = random_calibration(rng, network)
    assert h_error(network, data, precision, EngineLimits(planes=planes)) < TOLERANCE[precision]


def test_narrow_requantiser_and_cell() -> None:
    rng = np.random.default_rng(1)
    network = random_network(rng, 16, 16)
    data = random_calibration(rng, network)
    assert h_error(network, data, 8, EngineLimits(c_width=16, requant_width=16, operand_width=13)) < TOLERANCE[8]


def test_reported_error_is_that_of_data_not_fitted_on() -> None:
    rng = np.random.default_rng(2)
    network = random_network(rng, 8, 4)
    data = random_calibration(rng, network)
    report = quantise(network, data, precision=[8]).layers[0]
    assert 0 < report.error_mean <= report.error_rms <= report.error_max < 0.1
    windows = profile(network, data)
    fitted = {row.tobytes() for row in windows.fit.x[0]}
    assert not any(row.tobytes() in fitted for row in windows.held.x[0])


@pytest.mark.parametrize(
    ("positive", "bits", "want"),
    [
        (True, 8, Grid(7, 0, 255)),
        (False, 8, Grid(8, -128, 127)),
        (True, 16, Grid(0, 0, 32767)),
        (False, 16, Grid(0, -32768, 32767)),
    ],
)
def test_input_grid_follows_the_sign_of_the_data(positive: bool, bits: int, want: Grid) -> None:
    rng = np.random.default_rng(3)
    network = random_network(rng, 4, 3)
    data = random_calibration(rng, network, positive=positive)
    layer = quantise(network, data, precision=[8], activation_bits=bits).network.layers[0]
    assert replace(layer.x_grid, exponent=0) == want
    stream = quantise(network, data, precision=[16]).network.quantise_input(np.array([[data.x.max()]]))
    assert 0 < stream.max() < 32767


def test_an_input_of_any_size_saturates() -> None:
    rng = np.random.default_rng(12)
    network = random_network(rng, 2, 1)
    quantised = quantise(network, random_calibration(rng, network), precision=[8]).network
    for largest in (np.finfo(np.float32).max, np.finfo(np.float64).max):
        assert quantised.quantise_input(np.array([[largest], [-largest]])).tolist() == [[32767], [-32768]]


@pytest.mark.parametrize("requant_width", [16, 18])
def test_row_scales_are_exact_to_fifteen_bits(requant_width: int) -> None:
    scale = np.concatenate([[0.0, 2.0**-5, 2.0**-5 * (1 - 2.0**-40)], np.geomspace(1e-11, 0.12, 400)])
    mantissa, shift = encode_scales(scale, requant_width, "a")
    value = mantissa * 2.0**-shift * 2.0 ** (8 + 1 - 13 - (requant_width - 3 - 1))
    np.testing.assert_allclose(value[1:], scale[1:], rtol=2.0**-15)
    assert mantissa[0] == 0
    assert (mantissa[1:] >= 1 << 14).all()
    assert (mantissa < 1 << 15).all()


@pytest.mark.parametrize("requant_width", [16, 18])
def test_requantised_sum_is_the_real_pre_activation(requant_width: int) -> None:
    rng = np.random.default_rng(4)
    scale, bias = np.geomspace(1e-6, 1e-2, 40), rng.uniform(-4, 4, 40)
    mantissa, shift = encode_scales(scale, requant_width, "a")
    layer = QuantLayer(
        8,
        np.zeros((40, 11), dtype=np.int64),
        mantissa,
        shift,
        encode_bias(bias, "a"),
        Grid(8, -128, 127),
        Grid(8, -128, 127),
        12,
        1.0,
    )
    total = np.rint(rng.uniform(-8, 8, (500, 40)) / scale).astype(np.int64)
    config = EngineConfig(lanes=1, precisions=(8,), requant_width=requant_width)
    z = (requantise(total, layer, config, layer.bias) >> 1) / 4096.0
    # Half an LSB of z, two roundings to 13 fraction bits, half the shifter's LSB, the mantissa's rounding.
    bound = 0.5 / 4096 + 1.5 / 8192 + 2.0 ** (6 - requant_width) + 16 * 2.0**-15
    np.testing.assert_allclose(z, total * scale + bias, rtol=0, atol=bound)
    assert abs((z - (total * scale + bias)).mean()) < 2e-5


@pytest.mark.parametrize("requant_width", [16, 18])
def test_a_sum_of_zero_is_zero_at_every_scale(requant_width: int) -> None:
    """An unstable zero stays: with inputs and biases of zero, h and c never leave it."""
    scale = np.geomspace(1e-8, 1e-1, 40)
    mantissa, shift = encode_scales(scale, requant_width, "a")
    layer = QuantLayer(
        precision=8,
        weights=np.zeros((40, 11), dtype=np.int64),
        mantissa=mantissa,
        shift=shift,
        bias=encode_bias(np.zeros(40), "a"),
        x_grid=Grid(8, -128, 127),
        h_grid=Grid(8, -128, 127),
        c_frac=12,
        x_lsb=1.0,
    )
    config = EngineConfig(lanes=1, precisions=(8,), requant_width=requant_width)
    zero = np.zeros((1, 40), dtype=np.int64)
    assert not (requantise(zero, layer, config, layer.bias) >> 1).any()
    h, c = cell_step(zero, np.zeros((1, 10), dtype=np.int64), layer, config)
    assert not h.any()
    assert not c.any()


def test_sums_of_an_interval_are_right_on_average() -> None:
    """Whatever the shift cuts off, exact sums and middles have a mean error of zero."""
    for cut in range(10):
        mantissa, shift = np.full(4, 1 << 14), np.full(4, 8 + cut)
        rows = QuantLayer(
            8, np.zeros((4, 2), dtype=np.int64), mantissa, shift, np.zeros(4, dtype=np.int64),
            Grid(8, -128, 127), Grid(8, -128, 127), 12, 1.0,
        )  # fmt: skip
        total = np.arange(-4 << cut, 4 << cut)
        config = EngineConfig(lanes=1, precisions=(8,), requant_width=18)
        found = requantise(np.tile(total[:, None], 4), rows, config, rows.bias)[:, 0]
        assert found.mean() == (2.0 ** (1 - cut) * total).mean()


def test_vanishing_scale_is_a_zero_row() -> None:
    mantissa, shift = encode_scales(np.array([1e-30]), 18, "a")
    assert (mantissa.tolist(), shift.tolist()) == ([0], [0])


def test_peepholes_keep_their_value() -> None:
    peep = np.array([[0.5, -1.25], [3.0, 0.01], [0.0, -2.0]])
    encoded, shift = encode_peepholes(peep, 11, "a")
    np.testing.assert_allclose(encoded * 2.0 ** (11 - 13 - shift), peep, atol=3.0 * 2.0**-15)


def test_rounding_uses_what_is_known_of_the_operands() -> None:
    rng = np.random.default_rng(5)
    operands = rng.normal(size=(2000, 24)) @ rng.normal(size=(24, 24))
    weights = rng.normal(size=(32, 24))
    moments = damped(operands.T @ operands / len(operands))
    scale = fit_scales(weights, 4, moments)
    carried = round_weights(weights, scale, 4, moments)
    plain = np.clip(np.rint(weights / scale[:, None]), -7, 7)

    def error(integers: np.ndarray) -> float:
        return float((((weights - integers * scale[:, None]) @ operands.T) ** 2).mean())

    assert error(carried) < 0.7 * error(plain)
    uncorrelated = round_weights(weights, scale, 4, np.eye(24))
    np.testing.assert_array_equal(uncorrelated, plain)


def test_sum_bound_is_reached_by_no_input_and_covered_by_the_width() -> None:
    rng = np.random.default_rng(6)
    network = random_network(rng, 6, 5)
    result = quantise(network, random_calibration(rng, network), precision=[8])
    layer = result.network.layers[0]
    x = rng.choice([layer.x_grid.low, layer.x_grid.high], (5000, 5)) << layer.x_grid.exponent
    h = rng.choice([layer.h_grid.low, layer.h_grid.high], (5000, 6))
    total = np.concatenate([x, h], axis=1) @ layer.weights.T
    assert np.abs(total).max() <= layer.sum_bound < 1 << (result.acc_width - 1)


def test_operands_stay_within_the_engine() -> None:
    rng = np.random.default_rng(7)
    network = random_network(rng, 6, 5)
    data = random_calibration(rng, network)
    assert quantise(network, data, precision=[4]).network.layers[0].x_grid.span <= 1023
    narrow = quantise(network, data, precision=[8], limits=EngineLimits(operand_width=10)).network.layers[0]
    assert narrow.x_grid.span < 1 << 9


def test_auto_takes_the_lowest_precision_within_tolerance() -> None:
    rng = np.random.default_rng(8)
    network = random_network(rng, 12, 6)
    data = random_calibration(rng, network)
    chosen = quantise(network, data)
    assert chosen.layers[0].error_mean < AUTO_TOLERANCE
    precision = chosen.layers[0].precision
    if precision > 4:
        lower = quantise(network, data, precision=[precision // 2]).layers[0]
        assert lower.error_mean >= AUTO_TOLERANCE
    assert quantise(network, data, allowed=(16,)).layers[0].precision == 16


def test_precision_per_layer() -> None:
    rng = np.random.default_rng(9)
    network = random_network(rng, 5, 3, layers=2)
    result = quantise(network, random_calibration(rng, network), precision=[8, 4])
    assert [layer.precision for layer in result.network.layers] == [8, 4]


def test_peephole_cells_cover_their_range() -> None:
    rng = np.random.default_rng(10)
    network = random_network(rng, 4, 3, peepholes=True)
    layer = network.layers[0]
    bias = layer.bias.copy()
    bias[:8], bias[8:12] = 8.0, 3.0  # input and forget gates open, g near 1: c counts up
    network = FloatNetwork((replace(layer, bias=bias),))
    report = quantise(network, random_calibration(rng, network), precision=[16]).layers[0]
    assert report.c_peak > 20
    assert report.c_range > report.c_peak


def test_same_input_same_integers() -> None:
    rng = np.random.default_rng(11)
    network = random_network(rng, 8, 8)
    data = random_calibration(rng, network)
    first, second = (quantise(network, data, precision=[8]).network.layers[0] for _ in range(2))
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.mantissa, second.mantissa)
    np.testing.assert_array_equal(first.bias, second.bias)


def test_initial_state_in_integers() -> None:
    rng = np.random.default_rng(12)
    network = random_network(rng, 2, 2)
    quantised = quantise(network, random_calibration(rng, network), precision=[8]).network
    layer = replace(network.layers[0], h0=np.array([0.5, -1.0]), c0=np.array([1.0, -1e6]))
    ((h, c),) = initial_states(FloatNetwork((layer,)), quantised, 18)
    assert h.tolist() == [1 << 14, -(1 << 15)]
    assert c.tolist() == [1 << quantised.layers[0].c_frac, -(1 << 17)]
    with pytest.raises(UserError, match=r"^layer 'layer0' h0, unit 0: is 2\.0; give a finite value in -1\.\.1$"):
        initial_states(FloatNetwork((replace(layer, h0=np.array([2.0, 0.0])),)), quantised, 18)


def test_constant_zero_input_and_weights() -> None:
    rng = np.random.default_rng(13)
    layer = random_network(rng, 3, 2).layers[0]
    network = FloatNetwork((replace(layer, w_ih=np.zeros_like(layer.w_ih), w_hh=np.zeros_like(layer.w_hh)),))
    assert h_error(network, Calibration(np.zeros((1, 1, 2))), 8, EngineLimits()) < 1e-3


def _refused(problem: str, **changes: object) -> None:
    rng = np.random.default_rng(14)
    network = random_network(rng, 3, 2)
    fields = {name: value for name, value in changes.items() if name in ("w_ih", "w_hh", "bias", "peep")}
    network = FloatNetwork((replace(network.layers[0], **fields),))  # type: ignore[arg-type]
    data = changes.get("data", random_calibration(rng, network))
    options = {key: changes[key] for key in ("precision", "activation_bits", "limits", "allowed") if key in changes}
    with pytest.raises(UserError, match=problem):
        quantise(network, data, **{"precision": [8], **options})  # type: ignore[arg-type]


def test_refusals() -> None:
    bad = np.full((12, 2), 0.1)
    bad[3, 1] = np.nan
    _refused(r"^layer 'layer0' field w_ih: is nan at \(3, 1\); give finite weights$", w_ih=bad)
    _refused(r"^layer 'layer0' field bias: is inf at \(0,\)", bias=np.full(12, np.inf))
    _refused(r"^layer 'layer0' row 0: has a bias of 100; keep biases within \+-64", bias=np.full(12, 100.0))
    _refused(r"^layer 'layer0' row \d+: needs a scale of .* per sum LSB, above 0\.125", w_ih=np.full((12, 2), 1e7))
    _refused(r"^layer 'layer0' peephole i, unit 0: is 1e\+09", peep=np.full((3, 3), 1e9))
    _refused(r"field x: has width 5; give the 2 inputs", data=Calibration(np.zeros((1, 4, 5))))
    _refused(r"field x: has length 0; give at least one step", data=Calibration(np.zeros((1, 0, 2))))
    _refused(r"field x: has length 0", data=Calibration(np.zeros((2, 4, 2)), np.zeros(2, dtype=np.int64)))
    _refused(r"field x: has shape \(4, 2\)", data=Calibration(np.zeros((4, 2))))
    _refused(r"field lengths: is \[5\]; give 1 values in 0\.\.4", data=Calibration(np.zeros((1, 4, 2)), np.array([5])))
    x = np.zeros((1, 4, 2))
    x[0, 2, 1] = np.inf
    _refused(r"field x: is inf at \(0, 2, 1\); give finite values", data=Calibration(x))
    _refused(r"^precision: is 6; use one of 4, 8, 16$", precision=[6])
    _refused(r"^precision: is 4; use one of 8$", precision=[4], allowed=(8,))
    _refused(r"^precision: is 'low'; use 4, 8, 16 or auto$", precision="low")
    _refused(r"^precision: has 2 entries; give one, or one for each of the 1 layers$", precision=[8, 8])
    _refused(r"^activation bits: is 6; use 8 or 16$", activation_bits=6)
    _refused(r"operands up to 65535, beyond 1023 of 4-bit weights", precision=[4], activation_bits=16)
    _refused(
        r"up to 65535, beyond 1023 of 8-bit weights in 4-bit digits .*; use 8-bit activations or .*, or one plane$",
        activation_bits=16,
        limits=EngineLimits(planes=2),
    )
    _refused(r"has row sums up to \d+, (\d+) bits, \d+ more than the engine's 16", limits=EngineLimits(acc_width=16))


def test_padding_is_ignored() -> None:
    rng = np.random.default_rng(15)
    network = random_network(rng, 3, 2)
    data = random_calibration(rng, network)
    padded = np.concatenate([data.x, np.full((len(data.x), 7, 2), np.nan)], axis=1)
    lengths = np.full(len(data.x), data.x.shape[1])
    plain = quantise(network, data, precision=[8]).network.layers[0]
    other = quantise(network, Calibration(padded, lengths), precision=[8]).network.layers[0]
    np.testing.assert_array_equal(plain.weights, other.weights)
    assert plain.x_lsb == other.x_lsb


def test_initial_states_count_for_the_formats(rng: np.random.Generator) -> None:
    """Sequences that start in a large cell state get a cell format that holds it, and are judged from there."""
    network = random_network(rng, 6, 3)
    x = 0.1 * rng.normal(size=(4, 30, 3))
    h0, c0 = np.zeros((4, 6)), np.full((4, 6), 12.0)
    kinds = {state is None: Calibration(x, state=state) for state in (None, [(h0, c0)])}
    fracs = {kind: quantise(network, data, precision=[8]).network.layers[0].c_frac for kind, data in kinds.items()}
    assert fracs[False] < fracs[True]
    assert profile(network, kinds[False]).c_peak[0] >= 12.0
    assert (profile(network, kinds[False]).fit.c[0][0, 0] == 12.0).all()


def test_short_sequences_give_many_windows(rng: np.random.Generator) -> None:
    """What is fitted on is counted in steps, not in sequences."""
    network = random_network(rng, 4, 2)
    found = profile(network, Calibration(rng.normal(size=(200, 8, 2))))
    assert found.fit.valid.sum() == 150 * 8
    assert found.held.valid.sum() == 50 * 8


def test_an_exponent_costs_bits_where_operands_are_narrow() -> None:
    rng = np.random.default_rng(12)
    network = random_network(rng, 6, 4)
    calibrated = profile(network, random_calibration(rng, network))
    spans = {}
    for width in (9, 10, 13):
        for planes in (1, 2):
            limits = EngineLimits(operand_width=width, planes=planes)
            fit = LayerFit(network.layers[0], 0, None, calibrated, 8, 8, limits)
            formats = [fit.x_format(Candidate(exponent, 1.0, 12))[0] for exponent in range(5)]
            spans[width, planes] = [grid.span.bit_length() for grid in formats]
    assert spans[13, 1] == [8, 9, 10, 11, 12]
    # Two 4-bit digits share a multiplier, which leaves their operands 10 bits and a sign.
    assert spans[13, 2] == [8, 9, 10, 10, 10]
    for planes in (1, 2):
        assert spans[10, planes] == [8, 9, 9, 9, 9]
        assert spans[9, planes] == [8, 8, 8, 8, 8]
