"""A quantised network: integers only, exactly what the hardware holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .config import BIAS_BITS, MANTISSA_BITS, PEEP_BITS, PRECISIONS, SHIFT_BITS

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """How a 16-bit value becomes an operand: ``clip((value + half) >> shift, low, high) << exponent``.

    Parameters
    ----------
    shift : int
        Right shift, 0 to 15; rounds half up.
    low, high : int
        Saturation bounds: ``high`` is 2^(15 - shift) - 1, ``low`` is 0 or ``-high - 1``.
    exponent : int
        Left shift of the listed difference (x columns share a row scale with h columns).
    """

    shift: int
    low: int
    high: int
    exponent: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.shift <= 15:
            raise ValueError(f"Grid shift must be between 0 and 15, not {self.shift!r}")
        top = (1 << (15 - self.shift)) - 1
        if self.high != top or self.low not in (0, -top - 1):
            raise ValueError(f"Grid bounds must be 0 or {-top - 1} to {top}, not {(self.low, self.high)!r}")
        if not 0 <= self.exponent <= 4:
            raise ValueError(f"Grid exponent must be between 0 and 4, not {self.exponent!r}")

    def apply(self, value: npt.NDArray[np.integer]) -> IntArray:
        """Round and saturate; the exponent is not applied."""
        half = (1 << self.shift) >> 1
        return np.clip((value.astype(np.int64) + half) >> self.shift, self.low, self.high)

    @property
    def span(self) -> int:
        """Largest magnitude of an operand: a difference of two grid values, shifted."""
        return (self.high - self.low) << self.exponent


@dataclass(frozen=True)
class QuantLayer:
    """One layer in integers.

    Parameters
    ----------
    precision : int
        Weight width, 4, 8 or 16.
    weights : int64 [4H, I + H]
        Rows in gate order i, f, g, o; input columns first.
    mantissa, shift, bias : int64 [4H]
        ``z = (((2 * (P << 8 >> shift) + 1) * mantissa >> (s - 1)) + bias) >> 1`` in Q5.12.
    x_grid, h_grid : Grid
        Input and recurrent operand grids.
    c_frac : int
        Fraction bits of the cell state, 4 to 15.
    peep : int64 [3, H] or None
        Peephole weights, order i, f, o.
    peep_shift : int
        Right shift from ``peep * c`` to Q.13.
    x_lsb : float
        Real value of one LSB of the layer's 16-bit input (2^-15 for layers after the first).
    """

    precision: int
    weights: IntArray
    mantissa: IntArray
    shift: IntArray
    bias: IntArray
    x_grid: Grid
    h_grid: Grid
    c_frac: int
    x_lsb: float
    peep: IntArray | None = None
    peep_shift: int = 0

    def __post_init__(self) -> None:
        rows, columns = self.weights.shape
        if rows % 4 or columns <= rows // 4:
            raise ValueError(f"Weights must have shape [4H, I + H], not {self.weights.shape!r}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"Precision must be 4, 8 or 16, not {self.precision!r}")
        # Two 4-bit weights share a multiplier, which leaves no room for -8; wider ones are symmetric alike.
        limit = (1 << (self.precision - 1)) - 1
        bounds = {
            "weights": (-limit, limit),
            "mantissa": (0, (1 << MANTISSA_BITS) - 1),
            "shift": (0, (1 << SHIFT_BITS) - 1),
            "bias": (-(1 << (BIAS_BITS - 1)), (1 << (BIAS_BITS - 1)) - 1),
        }
        if self.peep is not None:
            bounds["peep"] = (-(1 << (PEEP_BITS - 1)), (1 << (PEEP_BITS - 1)) - 1)
        for name, (low, high) in bounds.items():
            array = getattr(self, name)
            if array.size and (array.min() < low or array.max() > high):
                raise ValueError(f"Layer {name} must lie in {low}..{high}, not {array.min()}..{array.max()}")
        if not 4 <= self.c_frac <= 15:
            raise ValueError(f"Cell fraction bits must be between 4 and 15, not {self.c_frac!r}")
        if not 0 <= self.peep_shift <= 31:
            raise ValueError(f"Peephole shift must be between 0 and 31, not {self.peep_shift!r}")
        if self.h_grid.exponent:
            raise ValueError(f"The recurrent grid has no exponent, not {self.h_grid.exponent!r}")

    @property
    def units(self) -> int:
        """H."""
        return self.weights.shape[0] // 4

    @property
    def inputs(self) -> int:
        """I."""
        return self.weights.shape[1] - self.units

    @property
    def sum_bound(self) -> int:
        """Largest magnitude that a row sum P can reach, over all inputs (exact, int)."""
        absolute = np.abs(self.weights)
        x_peak = max(-self.x_grid.low, self.x_grid.high) << self.x_grid.exponent
        h_peak = max(-self.h_grid.low, self.h_grid.high)
        rows = absolute[:, : self.inputs].sum(axis=1) * x_peak + absolute[:, self.inputs :].sum(axis=1) * h_peak
        return int(rows.max(initial=0))


@dataclass(frozen=True)
class QuantNetwork:
    """Stacked quantised layers."""

    layers: tuple[QuantLayer, ...]

    @property
    def inputs(self) -> int:
        """Width of the first layer's input."""
        return self.layers[0].inputs

    @property
    def x_lsb(self) -> float:
        """Real value of one LSB of the input stream."""
        return self.layers[0].x_lsb

    def quantise_input(self, x: npt.NDArray[np.floating]) -> npt.NDArray[np.int16]:
        """Float input to the stream's int16, rounded half to even and saturated."""
        return np.clip(np.rint(x / self.x_lsb), -32768, 32767).astype(np.int16)
