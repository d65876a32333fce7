"""The networks of the workloads as engines that can do everything a policy may ask for."""

from __future__ import annotations

from dataclasses import dataclass

from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.fit import accumulator_bits
from lstmith.compiler.quantise.quantise import quantise
from lstmith.golden.network import FloatNetwork, padded
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import QuantNetwork
from lstmith.workloads.workload import Float32, State

#: Most lanes of a network whose smallest layer has twice as many units or more.
LANES = 64
#: Fewest units per lane of a smaller one. With few units per lane the way round through the pipeline, some 50 cycles,
#: is longer than any list, and no list can be too long.
SMALL_RATIO = 8
#: Least bits of an engine's sums.
NARROWEST = 16
#: Digit planes of the engines.
PLANES = 2


@dataclass(frozen=True)
class Static:
    """A static choice of number formats.

    Parameters
    ----------
    weights, operands : int
        Bits.
    """

    weights: int
    operands: int

    @property
    def name(self) -> str:
        """As the tables call it."""
        return f"W{self.weights}A{self.operands}"

    @classmethod
    def named(cls, name: str) -> Static:
        """Inverse of `name`."""
        weights, operands = name[1:].split("A")
        return cls(int(weights), int(operands))


def lanes_for(network: FloatNetwork, most: int = LANES) -> int:
    """As many lanes as are asked for, fewer where layers have less than 128 units."""
    units = min(layer.units for layer in network.layers)
    return most if units >= 2 * LANES else min(most, max(1, units // SMALL_RATIO))


def quantised(
    network: FloatNetwork, calibration: list[Float32], static: Static, starts: State | None = None
) -> QuantNetwork:
    """A network in a static format, its weights in digit planes.

    Parameters
    ----------
    calibration : list of float32 [T, I]
    static : Static
    starts : list of (h, c) or None
        Per layer, float64 [N, H] each: what they start in.
    """
    data = Calibration(*padded(calibration), state=starts)
    # The multipliers of 4-bit digits take no 16-bit operands.
    limits = EngineLimits(planes=1 if (static.weights, static.operands) == (8, 16) else PLANES)
    found = quantise(network, data, precision=[static.weights], activation_bits=static.operands, limits=limits)
    return found.network


def engine_for(network: QuantNetwork, lanes: int) -> EngineConfig:
    """An engine with both lists, the monitor and the skip rule, or of weights that have no planes with one list."""
    layers = network.layers
    planes = 1 if any(layer.planes == 1 and layer.precision > 4 for layer in layers) else PLANES
    span = max(max(layer.x_grid.span, layer.h_grid.span) for layer in layers)
    return EngineConfig(
        lanes=lanes,
        precisions=tuple(sorted({layer.precision for layer in layers})),
        acc_width=max(NARROWEST, *(accumulator_bits(layer) for layer in layers)),
        operand_width=max(13, span.bit_length() + 1),
        units=sum(layer.units for layer in layers),
        inputs=network.inputs,
        symbols=network.symbols,
        layers=len(layers),
        weight_depth=1 << 20,
        planes=planes,
        # As `compile` decides: where many lanes drain longer than short lists take.
        rows_per_cycle=4 if planes > 1 and len(layers) == 1 and lanes == LANES else 2,
        monitor=planes > 1,
        skip=True,
    )
