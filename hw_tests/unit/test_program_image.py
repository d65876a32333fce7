"""What the memories hold: digits plane after plane, descriptors and registers as the policy says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lstmith.compiler.program_image import build_memory_image, check_fit, words_per_lane
from lstmith.spec.codes import Verdict
from lstmith.spec.config import EngineConfig
from lstmith.spec.layer_descriptor import unpack
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Scope
from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork
from lstmith.spec.registers import Register

UNITS, INPUTS, LANES = 5, 3, 2
SIGNED = Grid(8, -128, 127)
#: Precision and planes of stacks of layers.
STACKS = [((4, 1),), ((8, 1), (16, 1)), ((8, 2),), ((8, 2), (4, 1), (8, 2)), ((16, 2), (4, 1), (8, 2))]


def _layer(rng: np.random.Generator, precision: int, planes: int, inputs: int) -> QuantLayer:
    bits = precision // planes
    top = (1 << (bits - 1)) - 1
    digits = rng.integers(-top, top + 1, (planes, 4 * UNITS, inputs + UNITS))
    weights = sum(digits[plane] << (bits * (planes - 1 - plane)) for plane in range(planes))
    rows = np.zeros(4 * UNITS, dtype=np.int64)
    return QuantLayer(precision, weights, rows, rows, rows, SIGNED, SIGNED, 12, 1.0, planes=planes)


def _network(rng: np.random.Generator, stack: tuple[tuple[int, int], ...]) -> QuantNetwork:
    return QuantNetwork(tuple(_layer(rng, *layer, UNITS if index else INPUTS) for index, layer in enumerate(stack)))


def _engine(stack: tuple[tuple[int, int], ...], **changes: Any) -> EngineConfig:
    planes = max(planes for _, planes in stack)
    config = EngineConfig(
        lanes=LANES,
        precisions=tuple(sorted({precision for precision, _ in stack})),
        acc_width=40,
        units=len(stack) * UNITS,
        inputs=INPUTS,
        layers=len(stack),
        planes=planes,
        monitor=planes == 2,
    )
    return replace(config, **changes)


def _described(image: MemoryImage, layer: int) -> dict[str, int]:
    return unpack(image.descriptors[layer])


def _signed(word: int, place: int, bits: int) -> int:
    digit = word >> (place * bits) & ((1 << bits) - 1)
    return digit - (1 << bits) if digit >> (bits - 1) else digit


@pytest.mark.parametrize("stack", STACKS)
def test_words_hold_all_digits(stack: tuple[tuple[int, int], ...], rng: np.random.Generator) -> None:
    """Read back as the engine does: base of the plane, fold and column, then the words of the gate rows."""
    network, config = _network(rng, stack), _engine(stack)
    image = build_memory_image(network, config, [Policy()] * len(stack))
    end = 0
    for index, layer in enumerate(network.layers):
        told, columns = _described(image, index), layer.inputs + layer.units
        bits = 4 << told["word"]
        assert (bits, told["planes"]) == (layer.plane_bits, layer.planes - 1)
        found = np.zeros_like(layer.weights)
        for plane, base in enumerate([told["base_top"], told["base_low"]][: layer.planes]):
            assert base == end
            words, rows = bits // 4, 16 // bits
            end += config.folds(layer.units) * columns * words
            for unit in range(layer.units):
                fold, lane = divmod(unit, LANES)
                for column in range(columns):
                    first = base + (fold * columns + column) * words
                    for gate in range(4):
                        word = int(image.weights[lane, first + gate // rows])
                        digit = _signed(word, gate % rows, bits)
                        found[gate * layer.units + unit, column] += digit << layer.plane_shift(plane)
        np.testing.assert_array_equal(found, layer.weights)
    assert end == words_per_lane(network, config)
    assert not image.weights[:, end:].any()


def test_thresholds_of_both_planes(rng: np.random.Generator) -> None:
    stack = ((8, 2), (4, 1), (8, 2))
    policies = [
        Policy(Mode.AUTO, theta_x=1, theta_h=2, low_theta_x=8, low_theta_h=9),
        Policy(Mode.SKIP, theta_x=3, theta_h=4),
        Policy(theta_x=5, theta_h=6, low_theta_h=7),
    ]
    image = build_memory_image(_network(rng, stack), _engine(stack), policies)
    assert image.registers[Register.X_THETA] == 1
    assert image.registers[Register.X_LOW_THETA] == 8
    assert image.registers[Register.X_GRID] >> 8 == Mode.AUTO | 1 << 2
    names = ("theta_h", "low_theta_h", "theta_x_next", "low_theta_x_next", "planes_next", "mode_next")
    found = [[_described(image, layer)[name] for name in names] for layer in range(3)]
    assert found[:2] == [[2, 9, 3, 3, 0, Mode.SKIP], [4, 4, 5, 5, 1, Mode.DELTA]]
    assert found[2][:2] == [6, 7]


def test_one_plane_is_not_announced(rng: np.random.Generator) -> None:
    stack = ((8, 1),)
    image = build_memory_image(_network(rng, stack), _engine(stack), [Policy(theta_x=3)])
    assert image.registers[Register.X_GRID] >> 8 == Mode.DELTA
    assert image.registers[Register.X_LOW_THETA] == 3
    assert Register.X_MONITOR not in image.registers


@pytest.mark.parametrize("scope", Scope)
def test_whose_monitor_decides(scope: Scope, rng: np.random.Generator) -> None:
    """Layer 0's on its own input where it judges the whole layer, each later one's on what the layer before sends."""
    stack = ((8, 2), (8, 2))
    monitors = [Monitor(Rule.RATIO, scope, low=20, hysteresis=5, warmup=6), Monitor(Rule.COUNT, low=9, theta=3)]
    policies = [Policy(monitor=monitor) for monitor in monitors]
    image = build_memory_image(_network(rng, stack), _engine(stack), policies)
    assert image.registers[Register.X_MONITOR] == (scope is Scope.LAYER) | 6 << 8
    first, second = (_described(image, layer) for layer in range(2))
    own = ("rule", "scope", "monitor_low", "low_leave", "warmup", "monitor_theta")
    assert [first[name] for name in own] == [Rule.RATIO, scope, 20, 25, 6, 2]
    assert [second[name] for name in own] == [Rule.COUNT, Scope.LAYER, 9, 9, 0, 3]
    assert [first[name] for name in ("rule_next", "scope_next", "warmup_next")] == [Rule.COUNT, Scope.LAYER, 0]


@pytest.mark.parametrize(
    ("stack", "changes", "problem"),
    [
        (((8, 1),), {"planes": 2}, "Layer 0 has 8-bit weights of 1 planes, the engine takes 2"),
        (((8, 2),), {"planes": 1, "monitor": 0}, "Layer 0 has 8-bit weights of 2 planes, the engine takes 1"),
        (((16, 1),), {"planes": 2}, "Layer 0 has 16-bit weights of 1 planes, the engine takes 2"),
        (((16, 2),), {"precisions": (4, 8)}, r"Layer 0 has 16-bit weights, the engine supports \(4, 8\)"),
        (((8, 2),), {"weight_depth": 47}, "Network needs weight_depth of 48, the engine has 47"),
    ],
)
def test_what_does_not_fit(
    stack: tuple[tuple[int, int], ...], changes: dict[str, Any], problem: str, rng: np.random.Generator
) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        check_fit(_network(rng, stack), _engine(stack, **changes))


def test_only_a_last_layer_has_a_verdict(rng: np.random.Generator) -> None:
    stack = ((8, 1), (8, 1))
    network, policies = _network(rng, stack), [Policy()] * 2
    judging = replace(network.layers[1], verdict=Verdict.THRESHOLD, threshold=-5)
    last = replace(network, layers=(network.layers[0], judging))
    with pytest.raises(ValueError, match=r"^Layer 1 has a verdict, the engine makes none$"):
        build_memory_image(last, _engine(stack), policies)
    image = build_memory_image(last, _engine(stack, verdicts=True), policies)
    found = [[_described(image, layer)[name] for name in ("verdict", "threshold")] for layer in range(2)]
    assert found == [[Verdict.NONE, 0], [Verdict.THRESHOLD, (1 << 16) - 5]]
    first = replace(network, layers=(replace(network.layers[0], verdict=Verdict.ARGMAX), network.layers[1]))
    with pytest.raises(ValueError, match=r"^Only the last layer of a network may have a verdict$"):
        build_memory_image(first, _engine(stack, verdicts=True), policies)


@pytest.mark.parametrize(("precision", "planes", "most"), [(4, 1, 1023), (8, 2, 1023), (8, 1, 4095), (16, 2, 4095)])
def test_operands_of_four_bit_digits_share_multipliers(
    precision: int, planes: int, most: int, rng: np.random.Generator
) -> None:
    layer = _layer(rng, precision, planes, INPUTS)
    config = _engine(((precision, planes),))
    for exponent in range(5):
        network = QuantNetwork((replace(layer, x_grid=Grid(8, -128, 127, exponent)),))
        if 255 << exponent <= most:
            check_fit(network, config)
        else:
            with pytest.raises(
                ValueError, match=rf"^Layer 0 operands reach {255 << exponent}, the engine takes {most}$"
            ):
                check_fit(network, config)
