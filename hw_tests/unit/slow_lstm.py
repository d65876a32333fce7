"""One LSTM layer in plain Python integers, written from the specification and sharing no code with golden's model.

Only the activation table's 256 support points are golden's; interpolation and everything else is done here.
"""

from __future__ import annotations

from lstmith.spec.activation_table import tanh_table
from lstmith.spec.codes import Kind, Squash
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import Grid, QuantLayer


def clip(value: int, width: int) -> int:
    """Saturate to a signed width."""
    return max(-(2 ** (width - 1)), min(2 ** (width - 1) - 1, value))


def on_grid(value: int, grid: Grid) -> int:
    """Round half up, saturate."""
    rounded = (2 * value + 2**grid.shift) // 2 ** (grid.shift + 1)
    return max(grid.low, min(grid.high, rounded))


def tanh_positive(argument: int) -> int:
    """tanh of a Q3.13 argument, clipped to 65535, in Q0.15."""
    values, rises = tanh_table()
    segment, rest = divmod(min(argument, 65535), 256)
    return int(values[segment]) + (int(rises[segment]) * rest + 128) // 256


def tanh(z: int) -> int:
    """tanh of Q5.12, Q1.15."""
    return tanh_positive(2 * z) if z >= 0 else -tanh_positive(-2 * z)


def sigma(z: int) -> int:
    """(1 + tanh(z / 2)) / 2 of Q5.12, rounded half up, Q0.15."""
    half = tanh_positive(z) if z >= 0 else -tanh_positive(-z)
    return (32768 + 1 + half) // 2


def pre_activation(total: int, layer: QuantLayer, row: int, config: EngineConfig, active_index: int = 0) -> int:
    """z with 13 fraction bits, unsaturated; ``active_index`` is the active count's index."""
    bias = layer.bias if active_index == 0 or layer.reduced_bias is None else layer.reduced_bias[active_index - 1]
    floor, left = divmod(total * 2**8, 2 ** int(layer.shift[row]))
    scaled = (
        (2 * clip(floor, config.requant_width - 1) + (left != 0))
        * int(layer.mantissa[row])
        // 2 ** (config.requant_width - 4)
    )
    return scaled + int(bias[row])


def cell(z: list[int], c: int, peeps: tuple[int, int, int], layer: QuantLayer, config: EngineConfig) -> tuple[int, int]:
    """h and c of a unit from its four pre-activations (13 fraction bits) and its old c."""
    z_i, z_f, z_g, z_o = z
    z_i += peeps[0] * c // 2**layer.peep_shift
    z_f += peeps[1] * c // 2**layer.peep_shift
    gate_i, gate_f = sigma(clip(z_i // 2, 17)), sigma(clip(z_f // 2, 17))
    fresh = gate_i * tanh(clip(z_g // 2, 17)) // 2 ** (15 - layer.c_frac)
    c = clip((gate_f * c + fresh + 2**14) // 2**15, config.c_width)
    gate_o = sigma(clip((z_o + peeps[2] * c // 2**layer.peep_shift) // 2, 17))
    squashed = tanh(clip(c * 2**8 // 2 ** (layer.c_frac - 4), 17))
    return (gate_o * squashed + 2**14) // 2**15, c


def squash(z: int, function: Squash) -> int:
    """A function of a Q5.12 argument."""
    if function is Squash.SIGMOID:
        return sigma(z)
    if function is Squash.TANH:
        return tanh(z)
    return max(0, clip(z, 16)) if function is Squash.RELU else clip(z, 16)


def unit_step(
    z: list[int], c: int, peeps: tuple[int, int, int], layer: QuantLayer, config: EngineConfig
) -> tuple[int, int]:
    """h and c of a unit of any kind; c of all but an LSTM is h."""
    if layer.kind is Kind.LSTM:
        return cell(z, c, peeps, layer, config)
    if layer.kind is Kind.GRU:
        reset, update = sigma(clip(z[0] // 2, 17)), sigma(clip(z[1] // 2, 17))
        summed = (clip(z[2] // 2, 17) * 2**15 + reset * clip(z[3] // 2, 17) + 2**14) // 2**15
        fresh = tanh(clip(summed, 17))
        h = (fresh * (2**15 - update) + update * c + 2**14) // 2**15
    else:
        h = squash(clip(z[0] // 2, 17), layer.squash)
    return h, h


def peepholes(layer: QuantLayer, unit: int) -> tuple[int, int, int]:
    """Peephole weights of a unit."""
    if layer.peep is None:
        return 0, 0, 0
    i, f, o = (int(value) for value in layer.peep[:, unit])
    return i, f, o


def run_layer(layer: QuantLayer, config: EngineConfig, x: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
    """All steps of one sequence from zero state, dense: h and c of every step."""
    units, weights = layer.units, layer.weights.tolist()
    h, c = [0] * units, [0] * units
    hs, cs = [], []
    for step in x:
        operands = [on_grid(value, layer.x_grid) * 2**layer.x_grid.exponent for value in step]
        operands += [on_grid(value, layer.h_grid) for value in h]
        totals = [sum(w * v for w, v in zip(row, operands, strict=True)) for row in weights]
        z = [pre_activation(total, layer, row, config) for row, total in enumerate(totals)]
        for unit in range(units):
            gates = [z[gate * units + unit] for gate in range(4)]
            h[unit], c[unit] = cell(gates, c[unit], peepholes(layer, unit), layer, config)
        hs.append(list(h))
        cs.append(list(c))
    return hs, cs
