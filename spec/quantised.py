"""A quantised network: integers only, exactly what the hardware holds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from lstmith.spec.codes import VERDICT_BITS, Kind, Squash, Verdict
from lstmith.spec.config import (
    ACTIVE_COUNTS,
    BIAS_BITS,
    H_FRAC,
    MANTISSA_BITS,
    PEEP_BITS,
    PRECISIONS,
    SHIFT_BITS,
    SYMBOLS,
)
from lstmith.spec.digits import has_digits, split_digits, weight_limit

IntArray = npt.NDArray[np.int64]
T = TypeVar("T", bound=np.generic)

#: Width of a predictor's weight, and its largest magnitude.
PREDICTOR_BITS = 4
PREDICTOR_LIMIT = 7
#: Width of its sum and of the threshold.
PREDICTOR_SUM_BITS = 24


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
    weights : int64 [R * H, I + H]
        R rows per unit as in :class:`.golden.network.FloatLayer`; input columns first. A dense layer has no others.
    mantissa, shift, bias : int64 [R * H]
        ``z = (((2 * (P << 8 >> shift) + inexact) * mantissa >> (s - 1)) + bias) >> 1`` in Q5.12, where
        ``inexact`` is 1 if the right shift cuts off any one.
    x_grid, h_grid : Grid
        Input and recurrent operand grids.
    c_frac : int
        Fraction bits of the cell state, 4 to 15; 15 where it is h, in all kinds but the LSTM.
    peep : int64 [3, H] or None
        Peephole weights, order i, f, o.
    peep_shift : int
        Right shift from ``peep * c`` to Q.13.
    x_lsb : float
        Real value of one LSB of the layer's 16-bit input; that of h of the layer before.
    planes : int
        Digits of a weight, 1 or 2, of ``precision / planes`` bits each; see :meth:`plane`.
    counts : tuple of int
        Active counts below H, descending: the layer may run with its first A units alone.
    skims : bool
        A step of fewer units leaves h and c of the others as they are (Seo et al., ICLR 2018, section 3); else it drops
        them. With a single count.
    reduced_bias : int64 [len(counts), R * H] or None
        Bias at each count, the mean of the dropped units folded in; None of a layer that drops none, as the next.
    idle_h : int64 [H] or None
        What h of a dropped unit counts as, Q1.15.
    order : int64 [H] or None
        Place of each unit in the source network; None if they are in its order.
    kind : Kind
        What the layer computes.
    squash : Squash
        Function of a plain or dense layer's rows; tanh for an LSTM or a GRU.
    h_lsb : float
        Real value of one LSB of h; other than 2^-15 only of a linear or ReLU layer, whose scales hold it.
    symbols : bool
        Whether a step's x is one symbol, whose column counts with the grid's largest value; all others are zero.
    verdict : Verdict
        What is made of the h of a last layer.
    threshold : int
        What its h are compared with for that, int16.
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
    planes: int = 1
    counts: tuple[int, ...] = ()
    skims: bool = False
    reduced_bias: IntArray | None = None
    idle_h: IntArray | None = None
    order: IntArray | None = None
    kind: Kind = Kind.LSTM
    squash: Squash = Squash.TANH
    h_lsb: float = 2.0**-H_FRAC
    symbols: bool = False
    verdict: Verdict = Verdict.NONE
    threshold: int = 0

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or self.weights.shape[0] % self.kind.rows or min(self.units, self.inputs) < 1:
            raise ValueError(f"Weights must have shape [{self.kind.rows}H, I + H], not {self.weights.shape!r}")
        self._check_shapes()
        if self.precision not in PRECISIONS:
            raise ValueError(f"Precision must be 4, 8 or 16, not {self.precision!r}")
        if self.planes not in (1, 2) or self.plane_bits not in PRECISIONS:
            raise ValueError(
                f"Planes of {self.precision}-bit weights must be 1 or 2 of 4 bits or more, not {self.planes!r}"
            )
        limit = weight_limit(self.precision, self.planes)
        bounds = {
            "weights": (-limit, limit),
            "mantissa": (0, (1 << MANTISSA_BITS) - 1),
            "shift": (0, (1 << SHIFT_BITS) - 1),
            "bias": (-(1 << (BIAS_BITS - 1)), (1 << (BIAS_BITS - 1)) - 1),
        }
        if self.peep is not None:
            bounds["peep"] = (-(1 << (PEEP_BITS - 1)), (1 << (PEEP_BITS - 1)) - 1)
        if self.reduced_bias is not None:
            bounds["reduced_bias"] = bounds["bias"]
        if self.idle_h is not None:
            bounds["idle_h"] = (-(1 << H_FRAC), (1 << H_FRAC) - 1)
        if self.planes == 2 and not has_digits(self.weights, self.plane_bits).all():
            raise ValueError(f"Layer weights must be sums of two symmetric digits of {self.plane_bits} bits")
        for name, (low, high) in bounds.items():
            array = getattr(self, name)
            if array.size and (array.min() < low or array.max() > high):
                raise ValueError(f"Layer {name} must lie in {low}..{high}, not {array.min()}..{array.max()}")
        if not 4 <= self.c_frac <= 15:
            raise ValueError(f"Cell fraction bits must be between 4 and 15, not {self.c_frac!r}")
        if self.kind is not Kind.LSTM and (self.peep is not None or self.counts or self.c_frac != H_FRAC):
            raise ValueError(
                f"Layers of kind {self.kind.name} have no peepholes, no active counts and {H_FRAC} fraction bits of c"
            )
        if not 0 <= self.peep_shift <= 31:
            raise ValueError(f"Peephole shift must be between 0 and 31, not {self.peep_shift!r}")
        if self.symbols and (self.x_grid.low or self.inputs > SYMBOLS):
            raise ValueError(f"Layer of symbols must have an unsigned input grid and at most {SYMBOLS} input columns")
        if self.h_grid.exponent:
            raise ValueError(f"The recurrent grid has no exponent, not {self.h_grid.exponent!r}")
        if self.order is not None and not np.array_equal(np.sort(self.order), np.arange(self.units)):
            raise ValueError(f"Order must be a permutation of {self.units} units")
        if self.verdict is not Verdict.NONE and (self.counts or self.order is not None):
            raise ValueError("Layer with a verdict must have all of its units, in the source's order")
        int16 = -(1 << 15) <= self.threshold < 1 << 15
        if self.verdict.compares and (self.units > VERDICT_BITS or not int16):
            raise ValueError(f"Layer with a threshold must have at most {VERDICT_BITS} units and an int16 threshold")
        self._check_counts()

    def to_source(self, values: npt.NDArray[T]) -> npt.NDArray[T]:
        """Values by unit, [..., H], in the source network's order."""
        if self.order is None:
            return values
        restored = np.empty_like(values)
        restored[..., self.order] = values
        return restored

    def from_source(self, values: npt.NDArray[T]) -> npt.NDArray[T]:
        """Inverse of :meth:`to_source`."""
        return values if self.order is None else values[..., self.order]

    def _check_shapes(self) -> None:
        """Of what is there whatever the active counts are."""
        by_row, by_unit = self.weights.shape[:1], (self.units,)
        wanted = {"mantissa": by_row, "shift": by_row, "bias": by_row, "peep": (3, *by_unit), "order": by_unit}
        for name, shape in wanted.items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"Layer {name} must have shape {shape}, not {array.shape}")

    def _check_counts(self) -> None:
        counts = (self.units, *self.counts, 0)
        if any(one <= two for one, two in itertools.pairwise(counts)) or len(self.counts) >= ACTIVE_COUNTS:
            raise ValueError(
                f"Active counts must descend from below {self.units} to 1, at most {ACTIVE_COUNTS - 1}, "
                f"not {self.counts!r}"
            )
        if self.skims:
            if len(self.counts) != 1 or self.reduced_bias is not None or self.idle_h is not None:
                raise ValueError(f"Layer that skims must have one active count and drop no units, not {self.counts!r}")
            return
        shapes = {"reduced_bias": (len(self.counts), self.weights.shape[0]), "idle_h": (self.units,)}
        for name, shape in shapes.items():
            array = getattr(self, name)
            if self.counts and (array is None or array.shape != shape):
                raise ValueError(f"Layer {name} must have shape {shape}, not {None if array is None else array.shape}")

    @property
    def units(self) -> int:
        """H."""
        return self.weights.shape[0] // self.kind.rows

    @property
    def recurrent(self) -> int:
        """Columns of its own h: H, none of a dense layer."""
        return 0 if self.kind is Kind.DENSE else self.units

    @property
    def inputs(self) -> int:
        """I."""
        return self.weights.shape[1] - self.recurrent

    @property
    def c_lsb(self) -> float:
        """Real value of one LSB of the cell state, or of the h in its place."""
        return 2.0**-self.c_frac if self.kind is Kind.LSTM else self.h_lsb

    @property
    def h_range(self) -> float:
        """Largest h that the layer represents, real."""
        return self.h_lsb * (1 << H_FRAC)

    def c_range(self, c_width: int) -> float:
        """Largest cell state that an engine of such a width represents, real; of kinds without one, h."""
        return self.h_range if self.kind is not Kind.LSTM else 2.0 ** (c_width - 1 - self.c_frac)

    def saturated(self, c: npt.NDArray[np.integer], c_width: int) -> npt.NDArray[np.bool_]:
        """Which cell states of an engine of such a width stand at the limit of their format, or the h in their place.

        A sigmoid or tanh has its own limits, which are no loss.
        """
        if self.kind is not Kind.LSTM and self.squash in (Squash.SIGMOID, Squash.TANH):
            return np.zeros(c.shape, dtype=bool)
        top = 1 << ((c_width if self.kind is Kind.LSTM else H_FRAC + 1) - 1)
        found: npt.NDArray[np.bool_] = (c <= -top) | (c >= top - 1)
        return found

    @property
    def digit_words(self) -> int:
        """Weight words, and cycles, that a digit of one column of one fold takes: a single row is in the first one."""
        return 1 if self.kind.rows == 1 else self.plane_bits // 4

    @property
    def entry_words(self) -> int:
        """Weight words that one column of one fold takes with all planes."""
        return self.digit_words * self.planes

    @property
    def plane_bits(self) -> int:
        """Width of a digit."""
        return self.precision // self.planes

    def plane_shift(self, plane: int) -> int:
        """Left shift of a plane's digits in the weight; plane 0 is the top one."""
        return self.plane_bits * (self.planes - 1 - plane)

    def plane(self, plane: int) -> IntArray:
        """One plane's digits, int64 [R * H, I + H]; plane 0 is the top one.

        Weights are the sum of ``plane(p) << plane_shift(p)`` over all planes.
        """
        if self.planes == 1:
            return self.weights
        top = split_digits(self.weights, self.plane_bits)
        return top if plane == 0 else self.weights - (top << self.plane_bits)

    def active(self, active_index: int) -> int:
        """Units computed at an active count's index; 0 is all of them."""
        return (self.units, *self.counts)[active_index]

    def with_state(self, active_index: int) -> int:
        """Units that have a state at an active count's index: those computed, and what a layer that skims leaves."""
        return self.units if self.skims else self.active(active_index)

    def bias_at(self, active_index: int) -> IntArray:
        """Bias at an active count's index, int64 [R * H]."""
        return self.bias if active_index == 0 or self.reduced_bias is None else self.reduced_bias[active_index - 1]

    @property
    def sum_bound(self) -> int:
        """Largest magnitude that any row sum P can reach, over all inputs (exact, int)."""
        return int(self.row_bounds.max(initial=0))

    @cached_property
    def row_bounds(self) -> IntArray:
        """Largest magnitude that each row sum P can reach, over all inputs, int64 [R * H]."""
        # Planes have references of their own, so their terms need not have the signs of one value's.
        absolute = sum(
            (np.abs(self.plane(plane)) << self.plane_shift(plane) for plane in range(self.planes)),
            start=np.zeros_like(self.weights),
        )
        x_peak = max(-self.x_grid.low, self.x_grid.high) << self.x_grid.exponent
        h_peak = max(-self.h_grid.low, self.h_grid.high)
        from_x = absolute[:, : self.inputs]
        # Of symbols' columns one counts at a time.
        x_reach = from_x.max(axis=1) if self.symbols else from_x.sum(axis=1)
        rows: IntArray = x_reach * x_peak + absolute[:, self.inputs :].sum(axis=1) * h_peak
        return rows


@dataclass(frozen=True)
class QuantNetwork:
    """Stacked quantised layers.

    Parameters
    ----------
    layers : tuple of QuantLayer
    predictor : int64 [I + H] or None
        Row of 4-bit weights over the first layer's columns that tells whether the next step may be skipped.
    """

    layers: tuple[QuantLayer, ...]
    predictor: IntArray | None = None

    def __post_init__(self) -> None:
        columns = self.layers[0].weights.shape[1]
        if self.predictor is not None and (
            self.predictor.shape != (columns,) or np.abs(self.predictor).max() > PREDICTOR_LIMIT
        ):
            raise ValueError(
                f"Predictor must have shape {(columns,)} within +-{PREDICTOR_LIMIT}, not {self.predictor.shape}"
            )
        if len({len(layer.counts) for layer in self.layers}) != 1:
            raise ValueError("Every layer must have the same number of active counts")
        if len({layer.skims for layer in self.layers}) != 1:
            raise ValueError("Either every layer skims, or none does")

    @property
    def active_counts(self) -> int:
        """Active counts, all units included."""
        return 1 + len(self.layers[0].counts)

    @property
    def skims(self) -> bool:
        """Whether a step of fewer units leaves the others as they are."""
        return self.layers[0].skims

    @property
    def inputs(self) -> int:
        """Elements of a step on the x stream: the first layer's input width, or 1 of symbols."""
        return 1 if self.layers[0].symbols else self.layers[0].inputs

    @property
    def symbols(self) -> int:
        """Symbols that an x may name; 0 where x are values."""
        return self.layers[0].inputs if self.layers[0].symbols else 0

    @property
    def x_lsb(self) -> float:
        """Real value of one LSB of the input stream; 1 of symbols, which are numbers."""
        return 1.0 if self.layers[0].symbols else self.layers[0].x_lsb

    @property
    def stream_grid(self) -> Grid | None:
        """What is left of the bits of an x; None of symbols, which are taken as they are."""
        return None if self.layers[0].symbols else self.layers[0].x_grid

    def quantise_input(self, x: npt.NDArray[np.floating]) -> npt.NDArray[np.int16]:
        """Float input to the stream's int16, rounded half to even and saturated; symbols stay."""
        with np.errstate(over="ignore"):  # Infinity is saturated like any other.
            return np.clip(np.rint(x / self.x_lsb), -32768, 32767).astype(np.int16)
