"""Everything the engine's memories hold for one network, ready as initial contents or bus writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import record
from .config import BIAS_BITS, MANTISSA_BITS, PEEP_BITS, PRECISIONS, EngineConfig
from .memory_map import WEIGHTS, Region, Register, address
from .policy import Policy
from .quantised import QuantLayer, QuantNetwork


@dataclass(frozen=True)
class Image:
    """Memory contents.

    Attributes
    ----------
    weights : uint16 [lanes, depth]
        Words per lane; unused words are zero.
    mantissa, shift, bias : int64 [units, 4]
        Row parameters by unit and gate.
    peep : int64 [units, 3]
    records : list of list of int
        Packed layer records.
    registers : dict
        Control registers to set.
    """

    weights: npt.NDArray[np.uint16]
    mantissa: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]
    bias: npt.NDArray[np.int64]
    peep: npt.NDArray[np.int64]
    records: list[list[int]]
    registers: dict[Register, int]

    def bus_writes(self, config: EngineConfig, *, weights: bool = True) -> Iterator[tuple[int, int]]:
        """(address, data) of every write that loads the image through the bus."""
        yield from self.policy_writes()
        for row, (mantissa, shift, bias) in enumerate(
            zip(self.mantissa.flat, self.shift.flat, self.bias.flat, strict=True)
        ):
            yield address(Region.ROWS, 2 * row), int(mantissa) | int(shift) << MANTISSA_BITS
            yield address(Region.ROWS, 2 * row + 1), int(bias) % (1 << BIAS_BITS)
        if config.peepholes:
            for unit, values in enumerate(self.peep):
                for index, value in enumerate(values):
                    yield address(Region.PEEPHOLES, 4 * unit + index), int(value) % (1 << PEEP_BITS)
        if weights:
            for lane, words in enumerate(self.weights):
                for index, word in enumerate(words):
                    yield WEIGHTS | lane << config.address_bits | index, int(word)

    def policy_writes(self) -> Iterator[tuple[int, int]]:
        """Writes of the program and the registers alone; enough to change the policy."""
        for layer, words in enumerate(self.records):
            for index, word in enumerate(words):
                yield address(Region.PROGRAM, layer * record.RECORD_STRIDE + index), word
        for register, value in self.registers.items():
            yield address(Region.CONTROL, register), value


def words_per_lane(network: QuantNetwork, config: EngineConfig) -> int:
    """16-bit weight words that each lane needs."""
    return sum(_layer_words(layer, config) for layer in network.layers)


def _layer_words(layer: QuantLayer, config: EngineConfig) -> int:
    entry = config.words_per_entry(layer.precision)
    return config.folds(layer.units) * (layer.inputs + layer.units) * entry


def check_fit(network: QuantNetwork, config: EngineConfig) -> None:
    """Whether an engine can run a network.

    Raises
    ------
    ValueError
        Naming what does not fit, and by how much.
    """
    needs = {
        "units": sum(layer.units for layer in network.layers),
        "layers": len(network.layers),
        "inputs": network.inputs,
        "weight_depth": words_per_lane(network, config),
    }
    for name, need in needs.items():
        if need > getattr(config, name):
            raise ValueError(f"Network needs {name} of {need}, the engine has {getattr(config, name)}")
    for index, layer in enumerate(network.layers):
        if layer.precision not in config.precisions:
            raise ValueError(
                f"Layer {index} has {layer.precision}-bit weights, the engine supports {config.precisions}"
            )
        if layer.sum_bound >= 1 << (config.acc_width - 1):
            raise ValueError(f"Layer {index} sums reach {layer.sum_bound}, beyond {config.acc_width}-bit accumulators")
        span = max(layer.x_grid.span, layer.h_grid.span)
        limit = (1 << (config.operand_width - 1)) - 1
        if layer.precision == 4:
            limit = min(limit, 1023)
        if span > limit:
            raise ValueError(f"Layer {index} operands reach {span}, the engine takes {limit}")
        if layer.peep is not None and not config.peepholes:
            raise ValueError(f"Layer {index} has peepholes, the engine has none")
        if index and layer.x_grid.low == 0:
            raise ValueError(f"Layer {index} reads h of the layer before, so its input grid must be signed")


def build_image(network: QuantNetwork, config: EngineConfig, policies: list[Policy]) -> Image:
    """Lay a network out for an engine.

    Raises
    ------
    ValueError
        If the network does not fit.
    """
    check_fit(network, config)
    layers = network.layers
    weights = np.zeros((config.lanes, config.weight_depth), dtype=np.uint16)
    records = []
    weight_base = unit_base = x_base = 0
    for index, (layer, policy) in enumerate(zip(layers, policies, strict=True)):
        entry = config.words_per_entry(layer.precision)
        words = lay_out_weights(layer, config)
        weights[:, weight_base : weight_base + words.shape[1]] = words
        last = index + 1 == len(layers)
        after = layer if last else layers[index + 1]
        after_policy = policy if last else policies[index + 1]
        folds = config.folds(layer.units)
        records.append(
            record.pack(
                {
                    "precision": PRECISIONS.index(layer.precision),
                    "mode": policy.mode,
                    "last_layer": int(last),
                    "folds": folds - 1,
                    "last_lanes": layer.units - (folds - 1) * config.lanes - 1,
                    "weight_base": weight_base,
                    "c_frac": layer.c_frac,
                    "h_shift": layer.h_grid.shift,
                    "h_offset": layer.inputs * entry,
                    "x_shift_next": after.x_grid.shift,
                    "x_exponent_next": after.x_grid.exponent,
                    "fold_stride": (layer.inputs + layer.units) * entry,
                    "peep_shift": layer.peep_shift,
                    "mode_next": after_policy.mode,
                    "unit_base": unit_base,
                    "x_base": x_base,
                    "theta_h": policy.theta_h,
                    "theta_x_next": after_policy.theta_x,
                }
            )
        )
        x_base = unit_base
        weight_base += words.shape[1]
        unit_base += layer.units
    first = layers[0]
    grid = first.x_grid.shift | first.x_grid.exponent << 4 | (first.x_grid.low == 0) << 7 | policies[0].mode << 8
    registers = {
        Register.X_INPUTS: first.inputs - 1,
        Register.X_GRID: grid,
        Register.X_THETA: policies[0].theta_x,
    }
    return Image(
        weights,
        _by_unit([layer.mantissa for layer in layers]),
        _by_unit([layer.shift for layer in layers]),
        _by_unit([layer.bias for layer in layers]),
        np.concatenate(
            [np.zeros((layer.units, 3), dtype=np.int64) if layer.peep is None else layer.peep.T for layer in layers]
        ),
        records,
        registers,
    )


def lay_out_weights(layer: QuantLayer, config: EngineConfig) -> npt.NDArray[np.uint16]:
    """Weight words of one layer, uint16 [lanes, folds * (I + H) * words per entry].

    Lane l of fold k holds the four gate rows of unit k * L + l. A word holds one row at 16 bit, two
    (i, f then g, o) at 8 bit, four at 4 bit, first row in the low bits.
    """
    units, columns = layer.units, layer.weights.shape[1]
    folds, entry = config.folds(units), config.words_per_entry(layer.precision)
    padded = np.zeros((4, folds * config.lanes, columns), dtype=np.int64)
    padded[:, :units] = layer.weights.reshape(4, units, columns)
    rows = padded.reshape(entry, 4 // entry, folds, config.lanes, columns) & ((1 << layer.precision) - 1)
    places = (1 << (layer.precision * np.arange(4 // entry, dtype=np.int64))).reshape(1, -1, 1, 1, 1)
    words = (rows * places).sum(axis=1)  # [entry, folds, lanes, columns]
    return words.transpose(2, 1, 3, 0).reshape(config.lanes, -1).astype(np.uint16)


def _by_unit(rows: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    return np.concatenate([values.reshape(4, -1).T for values in rows])
