"""Lays a network and its policies out for an engine's memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.spec import layer_descriptor
from lstmith.spec.codes import Gate, Kind, Precision, Verdict
from lstmith.spec.config import PACKED_OPERAND, EngineConfig
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.policy import Policy, Scope
from lstmith.spec.policy_check import check_policies
from lstmith.spec.quantised import PREDICTOR_SUM_BITS, QuantLayer, QuantNetwork
from lstmith.spec.register_table import pack_register
from lstmith.spec.registers import OF_PROGRAM, PROGRAM_REGISTERS, Register


def words_per_lane(network: QuantNetwork, config: EngineConfig) -> int:
    """16-bit weight words that each lane needs."""
    return sum(config.folds(layer.units) * layer.weights.shape[1] * layer.entry_words for layer in network.layers)


def check_fit(network: QuantNetwork, config: EngineConfig, place: int = 0) -> None:
    """Whether an engine can run a network whose first unit's state is at a place.

    Raises
    ------
    ValueError
        Naming what does not fit, and by how much.
    """
    needs = {
        "units": place + sum(layer.units for layer in network.layers),
        "layers": len(network.layers),
        "inputs": network.inputs,
        "symbols": network.symbols,
        "weight_depth": words_per_lane(network, config),
        "active_counts": network.active_counts,
    }
    for name, need in needs.items():
        if need > getattr(config, name):
            raise ValueError(f"Network needs {name} of {need}, the engine has {getattr(config, name)}")
    if network.active_counts > 1 and config.delta and config.planes == 1:
        # Another count recomputes the sums, and the only list may already hold changes.
        raise ValueError("Network has active counts, which take an engine with both lists")
    if network.predictor is not None and config.skip:
        first = network.layers[0]
        spans = np.repeat([first.x_grid.span, first.h_grid.span], [first.inputs, first.recurrent])
        if (reach := int(np.abs(network.predictor) @ spans)) >= 1 << (PREDICTOR_SUM_BITS - 1):
            raise ValueError(f"Predictor sums reach {reach}, beyond {PREDICTOR_SUM_BITS} bits")
    for index, layer in enumerate(network.layers):
        if layer.plane_bits != config.plane_bits(layer.precision):
            raise ValueError(
                f"Layer {index} has {layer.precision}-bit weights of {layer.planes} planes, the engine takes"
                f" {layer.precision // config.plane_bits(layer.precision)}"
            )
        if layer.plane_bits not in config.word_bits:
            raise ValueError(
                f"Layer {index} has {layer.precision}-bit weights, the engine supports {config.precisions}"
            )
        if layer.sum_bound >= 1 << (config.acc_width - 1):
            raise ValueError(f"Layer {index} sums reach {layer.sum_bound}, beyond {config.acc_width}-bit accumulators")
        span = max(layer.x_grid.span, layer.h_grid.span)
        limit = (1 << (config.operand_width - 1)) - 1
        if layer.plane_bits == 4:
            limit = min(limit, PACKED_OPERAND)
        if span > limit:
            raise ValueError(f"Layer {index} operands reach {span}, the engine takes {limit}")
        if layer.kind not in config.kinds:
            raise ValueError(f"Layer {index} is a {layer.kind.name}, the engine runs {kind_names(config)}")
        if layer.verdict is not Verdict.NONE and not config.verdicts:
            raise ValueError(f"Layer {index} has a verdict, the engine makes none")
        if layer.peep is not None and not config.peepholes:
            raise ValueError(f"Layer {index} has peepholes, the engine has none")
        if index and layer.symbols:
            raise ValueError(f"Layer {index} reads h of the layer before, which are no symbols")
        if index and layer.x_grid.low == 0 and Kind.DENSE not in config.kinds:
            raise ValueError(f"Layer {index} has an unsigned input grid, which takes an engine that runs dense layers")


@dataclass(frozen=True)
class ProgramContents:
    """A program for an engine's memories.

    Parameters
    ----------
    network : QuantNetwork
    policies : list of Policy, one per layer
    place : int
        Of its first unit's state.
    """

    network: QuantNetwork
    policies: list[Policy]
    place: int = 0


def build_memory_image(network: QuantNetwork, config: EngineConfig, policies: list[Policy]) -> MemoryImage:
    """Lay a network out for an engine that has no other program.

    Raises
    ------
    ValueError
        If the network does not fit.
    """
    return lay_out([ProgramContents(network, policies)], config)


def lay_out(programs: Sequence[ProgramContents], config: EngineConfig) -> MemoryImage:
    """Lay programs out for an engine, one after another; equal weights of layers are stored once.

    Raises
    ------
    ValueError
        If a program does not fit, or all of them do not fit together.
    """
    if len(programs) > config.programs:
        raise ValueError(f"Design needs programs of {len(programs)}, the engine has {config.programs}")
    bank = _WeightBank(config)
    descriptors: dict[int, list[int]] = {}
    registers: dict[int, int] = {}
    for number, program in enumerate(programs):
        network = program.network
        check_fit(network, config, program.place)
        check_policies(network, config, program.policies)
        if any(layer.verdict is not Verdict.NONE for layer in network.layers[:-1]):
            raise ValueError("Only the last layer of a network may have a verdict")
        bases = [bank.add(layer) for layer in network.layers]
        for active_index in range(network.active_counts):
            begin = (number << config.active_bits | active_index) << config.layer_bits
            for index in range(len(network.layers)):
                fields = _descriptor(program, config, index, active_index, bases[index])
                descriptors[begin | index] = layer_descriptor.pack(fields)
        for register, value in _registers(network, config, program.policies[0]).items():
            if number == 0 or register in OF_PROGRAM:
                registers[register + PROGRAM_REGISTERS * number] = value
    first = programs[0].network
    return MemoryImage(
        bank.words,
        _by_program(programs, "mantissa"),
        _by_program(programs, "shift"),
        np.stack([_biases(program, _units(programs)) for program in programs]),
        np.stack([_peepholes(program, _units(programs)) for program in programs]),
        first.predictor,
        first.layers[0].inputs,
        descriptors,
        registers,
        config.active_bits + config.layer_bits,
    )


class _WeightBank:
    """Weight words of layers, one after another."""

    def __init__(self, config: EngineConfig):
        self._config, self._used = config, 0
        self._found: dict[tuple[int, tuple[int, ...], bytes], list[int]] = {}
        self.words = np.zeros((config.lanes, config.weight_depth), dtype=np.uint16)

    def add(self, layer: QuantLayer) -> list[int]:
        """Store a layer's weights, unless the same ones are there; returns where each plane begins."""
        key = (layer.precision, layer.weights.shape, layer.weights.tobytes())
        if key in self._found:
            return self._found[key]
        bases = []
        for plane in range(layer.planes):
            words = lay_out_weights(layer, self._config, plane)
            end = self._used + words.shape[1]
            if end > self._config.weight_depth:
                raise ValueError(f"Design needs weight_depth of {end}, the engine has {self._config.weight_depth}")
            self.words[:, self._used : end] = words
            bases.append(self._used)
            self._used = end
        self._found[key] = bases
        return bases


def _registers(network: QuantNetwork, config: EngineConfig, policy: Policy) -> dict[Register, int]:
    """What a program's input is like."""
    first = network.layers[0]
    skip = policy.skip
    # The input stage may ask the monitor of the layer that it feeds.
    defers = policy.monitors and policy.monitor.scope is Scope.LAYER
    theta_x, low_theta_x = policy.thetas_x(2)
    registers = {
        Register.X_INPUTS: pack_register(Register.X_INPUTS, inputs=network.inputs - 1),
        Register.X_GRID: pack_register(
            Register.X_GRID,
            shift=first.x_grid.shift,
            exponent=first.x_grid.exponent,
            unsigned=int(first.x_grid.low == 0),
            mode=policy.mode,
            pair=first.planes - 1,
            symbols=int(first.symbols),
        ),
        Register.X_THETA: pack_register(Register.X_THETA, theta=theta_x),
        Register.X_LOW_THETA: pack_register(Register.X_LOW_THETA, theta=low_theta_x),
        Register.SKIP_CHANGE: pack_register(Register.SKIP_CHANGE, change=skip.change),
        Register.SKIP_RULE: pack_register(Register.SKIP_RULE, limit=skip.limit, predictor=int(skip.predictor)),
        Register.SKIP_THRESHOLD: pack_register(Register.SKIP_THRESHOLD, threshold=skip.threshold),
    }
    if config.monitor:
        registers[Register.X_MONITOR] = pack_register(
            Register.X_MONITOR, judges=int(defers), warmup=policy.monitor.warmup
        )
    return registers


def _units(programs: Sequence[ProgramContents]) -> int:
    """Places in use."""
    return max(program.place + sum(layer.units for layer in program.network.layers) for program in programs)


def _placed(program: ProgramContents, values: npt.NDArray[np.int64], units: int) -> npt.NDArray[np.int64]:
    """Values by unit at the program's place, zero elsewhere."""
    return np.pad(values, ((program.place, units - program.place - len(values)), (0, 0)))


def _by_program(programs: Sequence[ProgramContents], name: str) -> npt.NDArray[np.int64]:
    units = _units(programs)
    return np.stack(
        [
            _placed(
                program,
                _by_unit(program.network.layers, [getattr(layer, name) for layer in program.network.layers]),
                units,
            )
            for program in programs
        ]
    )


def _biases(program: ProgramContents, units: int) -> npt.NDArray[np.int64]:
    network = program.network
    return np.stack(
        [
            _placed(program, _by_unit(network.layers, [layer.bias_at(active_index) for layer in network.layers]), units)
            for active_index in range(network.active_counts)
        ]
    )


def _peepholes(program: ProgramContents, units: int) -> npt.NDArray[np.int64]:
    layers = program.network.layers
    found = [np.zeros((layer.units, 3), dtype=np.int64) if layer.peep is None else layer.peep.T for layer in layers]
    return _placed(program, np.concatenate(found), units)


def _descriptor(
    program: ProgramContents,
    config: EngineConfig,
    index: int,
    active_index: int,
    bases: list[int],
) -> dict[str, int]:
    """One layer's record at one active count."""
    layers, policies = program.network.layers, program.policies
    layer, policy = layers[index], policies[index]
    last = index + 1 == len(layers)
    after, after_policy = (layer, policy) if last else (layers[index + 1], policies[index + 1])
    units = layer.active(active_index)
    folds = config.folds(units)
    monitor = policy.monitor
    after_monitor = after_policy.monitor
    theta_h, low_theta_h = policy.thetas_h(2)
    theta_x_next, low_theta_x_next = after_policy.thetas_x(2)
    unit_bases = np.cumsum([program.place, *(entry.units for entry in layers)])
    return {
        "word": Precision.of(layer.plane_bits),
        "planes": layer.planes - 1,
        "planes_next": after.planes - 1,
        "mode": policy.mode,
        "last_layer": int(last),
        "folds": folds - 1,
        "last_lanes": units - (folds - 1) * config.lanes - 1,
        "base_top": bases[0],
        "base_low": bases[-1],
        "c_frac": layer.c_frac,
        "h_shift": layer.h_grid.shift,
        "x_shift_next": after.x_grid.shift,
        "x_exponent_next": after.x_grid.exponent,
        "x_unsigned_next": int(not last and after.x_grid.low == 0),
        "peep_shift": layer.peep_shift,
        "mode_next": after_policy.mode,
        "inputs": layer.inputs,
        "kind": layer.kind,
        "squash": layer.squash,
        "columns": layer.weights.shape[1],
        "skims": int(layer.skims),
        "unit_base": int(unit_bases[index]),
        "x_base": int(unit_bases[max(index - 1, 0)]),
        "theta_h": theta_h,
        "low_theta_h": low_theta_h,
        "theta_x_next": theta_x_next,
        "low_theta_x_next": low_theta_x_next,
        "units": units - 1,
        "monitor_low": monitor.low,
        "low_leave": monitor.low + monitor.hysteresis,
        "warmup": monitor.warmup,
        "rule": monitor.rule,
        "scope": monitor.scope,
        "monitor_theta": monitor.theta,
        "rule_next": after_monitor.rule,
        "scope_next": after_monitor.scope,
        "warmup_next": after_monitor.warmup,
        "verdict": layer.verdict,
        "threshold": layer.threshold & 0xFFFF,
    }


def lay_out_weights(layer: QuantLayer, config: EngineConfig, plane: int) -> npt.NDArray[np.uint16]:
    """Weight words of one plane of a layer, uint16 [lanes, folds * columns * words per digit].

    Lane l of fold k holds the rows of unit k * L + l, each in its gate's place. A word holds one row of 16-bit digits,
    two (i, f then g, o) of 8 bits, four of 4 bits, first row in the low bits. Words without a row are left out.
    """
    units, columns, bits = layer.units, layer.weights.shape[1], layer.plane_bits
    folds, entry = config.folds(units), bits // 4
    padded = np.zeros((4, folds * config.lanes, columns), dtype=np.int64)
    padded[list(layer.kind.gates), :units] = layer.plane(plane).reshape(-1, units, columns)
    rows = padded.reshape(entry, 4 // entry, folds, config.lanes, columns) & ((1 << bits) - 1)
    places = (1 << (bits * np.arange(4 // entry, dtype=np.int64))).reshape(1, -1, 1, 1, 1)
    words = (rows * places).sum(axis=1)[: layer.digit_words]  # [words, folds, lanes, columns]
    return words.transpose(2, 1, 3, 0).reshape(config.lanes, -1).astype(np.uint16)


def kind_names(config: EngineConfig) -> str:
    """Kinds of layers that an engine runs, for messages."""
    return ", ".join(Kind(kind).name for kind in config.kinds)


def _by_unit(layers: tuple[QuantLayer, ...], rows: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Rows of all layers, int64 [units, 4]; zero where a unit has none."""
    found = [np.zeros((layer.units, len(Gate)), dtype=np.int64) for layer in layers]
    for layer, placed, values in zip(layers, found, rows, strict=True):
        placed[:, list(layer.kind.gates)] = values.reshape(layer.kind.rows, -1).T
    return np.concatenate(found)
