"""Number formats of one layer: candidates, each judged by running the golden model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.calibration import Profile, Windows
from lstmith.compiler.quantise.encode import (
    THROUGH,
    encode_bias,
    encode_h,
    encode_peepholes,
    encode_scales,
    encode_state,
    encode_threshold,
    z_gain,
)
from lstmith.compiler.quantise.rows import damped, fit_scales, round_weights
from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatArray, FloatLayer
from lstmith.spec.codes import Kind
from lstmith.spec.config import H_FRAC
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import Grid, IntArray, QuantLayer, QuantNetwork

#: Parts of the calibrated input range that the 8-bit input grid may cover; the rest saturates.
RANGES = (1.0, 0.9, 0.8, 0.7)
#: Headroom of a 16-bit input grid over the calibrated range, where it costs nothing noticeable.
HEADROOM = 1.25
#: Smallest cell range worth trying: where c reaches only tanh, saturation at 16 was never seen to matter.
SMALLEST_CELL = 16.0
#: Errors this close are a tie, which the earlier candidate wins: smaller sums, wider input range, finer cell.
TIE = 1.005


@dataclass(frozen=True)
class Candidate:
    """The choices that are searched.

    Parameters
    ----------
    exponent : int
        Left shift e of the input operands.
    reach : float
        Part of the calibrated input range that the grid covers.
    c_frac : int
        Fraction bits of the cell state.
    """

    exponent: int
    reach: float
    c_frac: int


class LayerFit:
    """Searches the formats of one layer.

    Parameters
    ----------
    layer : FloatLayer
    index : int
        Position in the stack.
    before : QuantLayer or None
        The layer that feeds it; None of the first one.
    calibrated : Profile
    precision, activation_bits : int
    limits : EngineLimits
    c_frac : int or None
        Fraction bits of the cell state; None searches them.
    """

    def __init__(
        self,
        layer: FloatLayer,
        index: int,
        before: QuantLayer | None,
        calibrated: Profile,
        precision: int,
        activation_bits: int,
        limits: EngineLimits,
        c_frac: int | None = None,
    ):
        self._layer, self._index, self._profile = layer, index, calibrated
        #: Unit of the h that it reads; None if x are values of their own.
        self._h_lsb_before = before.h_lsb if before is not None else 2.0**-H_FRAC if calibrated.moved else None
        self._c_frac = c_frac
        self._precision, self._bits, self._limits = precision, activation_bits, limits
        self._planes = limits.layer_planes(precision)
        self._config = limits.model_config()
        self._low, self._high = calibrated.x_low[index], calibrated.x_high[index]
        self._h_grid = recurrent_grid(activation_bits)
        self._h_lsb = h_format(layer, calibrated.c_peak[index])
        self._tried: dict[Candidate, tuple[float, QuantLayer]] = {}

    def search(self) -> tuple[QuantLayer, Candidate]:
        """The best candidate: exponent first, then input range, cell format and the exponent again.

        Raises
        ------
        UserError
            If no exponent keeps operands, row scales and sums within the limits.
        """
        cells = self._cell_formats()
        best = self._best([Candidate(e, 1.0, cells[0]) for e in range(5)])
        if self._h_lsb_before is None and self._bits == 8 and not self._layer.symbols:
            best = self._best([best, *(replace(best, reach=reach) for reach in RANGES)])
        best = self._best([best, *(replace(best, c_frac=c_frac) for c_frac in cells)])
        near = [e for e in (best.exponent - 1, best.exponent, best.exponent + 1) if 0 <= e <= 4]
        best = self._best([replace(best, exponent=e) for e in near])
        return self._tried[best][1], best

    def error(self, layer: QuantLayer, windows: Windows) -> FloatArray:
        """Absolute error of h against float over the valid steps, float64 [S, H]."""
        model = GoldenModel(QuantNetwork((layer,)), self._config)
        policy = [Policy(Mode.DENSE)]
        k = self._index
        state = model.loaded_state(
            policy, [encode_state(layer, windows.h[k][:, 0], windows.c[k][:, 0], self._limits.c_width)]
        )
        x = model.network.quantise_input(windows.x[k])
        h = model.run(x, policy, state)[0].h
        error: FloatArray = np.abs(h * layer.h_lsb - windows.h[k][:, 1:])[windows.valid]
        return error

    def _best(self, candidates: list[Candidate]) -> Candidate:
        refusal: UserError | None = None
        for candidate in candidates:
            if candidate not in self._tried:
                try:
                    layer = self._build(candidate)
                except UserError as error:
                    refusal = refusal or error
                    continue
                self._tried[candidate] = float(self.error(layer, self._profile.fit).mean()), layer
        usable = [candidate for candidate in candidates if candidate in self._tried]
        if not usable:
            assert refusal is not None
            raise refusal
        least = min(self._tried[candidate][0] for candidate in usable)
        return next(candidate for candidate in usable if self._tried[candidate][0] <= TIE * least)

    def _grid(self, *, signed: bool, exponent: int) -> Grid:
        # A signed grid needs one bit more of the 16 than one that is never negative.
        shift = 0 if self._bits == 16 else 8 if signed else 7
        # Where the operand path is narrow, an exponent costs as many bits of the grid.
        if self._bits == 8:
            room = self._limits.largest_operand(self._precision).bit_length()
            shift += max(0, exponent - (room - self._bits))
        top = (1 << (15 - shift)) - 1
        return Grid(shift, -top - 1 if signed else 0, top, exponent)

    def x_format(self, candidate: Candidate) -> tuple[Grid, float]:
        """Input grid, as fine as the exponent leaves it, and the real value of one LSB of the 16-bit input."""
        rectified = self._layer.rectified  # by its grid, which has no negative values
        if self._h_lsb_before is not None:
            return self._grid(signed=not rectified, exponent=candidate.exponent), self._h_lsb_before
        grid = self._grid(signed=self._low < 0 and not rectified, exponent=candidate.exponent)
        peak = max(self._high, -self._low) or 1.0
        if self._layer.symbols:
            return grid, 1.0 / grid.high / (1 << grid.shift)
        reach = HEADROOM if self._bits == 16 else candidate.reach
        return grid, peak * reach / grid.high / (1 << grid.shift)

    def _cell_formats(self) -> list[int]:
        """Fraction bits worth trying, most first; with peepholes the one that covers the range.

        Kinds without a cell state have one format.
        """
        if self._layer.kind is not Kind.LSTM:
            return [H_FRAC]
        if self._c_frac is not None:
            return [self._c_frac]
        integer_bits = self._limits.c_width - 1
        peak = self._profile.c_peak[self._index] * HEADROOM

        def covering(value: float) -> int:
            return int(np.clip(integer_bits - np.ceil(np.log2(max(value, 2.0**-10))), 4, 15))

        if self._layer.peep is not None:
            return [covering(peak)]
        finest = covering(min(peak, SMALLEST_CELL))
        return list(range(finest, max(covering(peak), finest - 4) - 1, -1))

    def _build(self, candidate: Candidate) -> QuantLayer:
        layer, limits, fit, k = self._layer, self._limits, self._profile.fit, self._index
        grid, x_lsb = self.x_format(candidate)
        check_operands(layer.name, max(grid.span, self._h_grid.span), self._bits, self._precision, limits)
        x, h = fit.x[k][fit.valid], fit.h[k][:, :-1][fit.valid][:, : layer.w_hh.shape[1]]
        if layer.symbols:
            x = (x == np.arange(layer.inputs)).astype(np.float64)
        stream = np.clip(np.rint(x / x_lsb), -(1 << 15), (1 << 15) - 1).astype(np.int64)
        operands = np.concatenate(
            [grid.apply(stream) << grid.exponent, self._h_grid.apply(encode_h(h, self._h_lsb))], axis=1
        ).astype(np.float64)
        x_step, h_step = x_lsb * 2.0 ** (grid.shift - grid.exponent), self._h_lsb * 2.0**self._h_grid.shift
        weights = np.concatenate([layer.w_ih * x_step, layer.w_hh * h_step], axis=1)
        scale, integers = self._rounded(weights, damped(operands.T @ operands / len(operands)))
        # What rounding leaves of each row's mean moves into its bias.
        missing = layer.from_x(fit.x[k][fit.valid]) + h @ layer.w_hh.T - (operands @ integers.T) * scale
        gain = z_gain(layer.squash, self._h_lsb)
        mantissa, shift = encode_scales(scale * gain, limits.requant_width, layer.name)
        peep, peep_shift = None, 0
        if layer.peep is not None:
            peep, peep_shift = encode_peepholes(layer.peep, candidate.c_frac, layer.name)
        result = QuantLayer(
            precision=self._precision,
            planes=self._planes,
            weights=integers,
            mantissa=mantissa,
            shift=shift,
            bias=encode_bias((layer.bias + missing.mean(axis=0)) * gain, layer.name),
            x_grid=grid,
            h_grid=self._h_grid,
            c_frac=candidate.c_frac,
            x_lsb=x_lsb,
            peep=peep,
            peep_shift=peep_shift,
            kind=layer.kind,
            squash=layer.squash,
            h_lsb=self._h_lsb,
            symbols=layer.symbols,
            verdict=layer.verdict,
            threshold=encode_threshold(layer, self._h_lsb),
        )
        self._check_sums(result)
        return result

    def _rounded(self, weights: FloatArray, moments: FloatArray) -> tuple[FloatArray, IntArray]:
        """Scale of each row, and weights as integers; of a GRU's row for n either half of the columns stays zero."""
        rows, columns = weights.shape
        units, inputs = self._layer.units, self._layer.inputs
        every, gates = slice(0, columns), 2 * units if self._layer.kind is Kind.GRU else rows
        parts = [(slice(0, gates), every)]
        if gates < rows:
            parts += [
                (slice(gates, gates + units), slice(0, inputs)),
                (slice(gates + units, rows), slice(inputs, columns)),
            ]
        scale, integers = np.zeros(rows), np.zeros(weights.shape, dtype=np.int64)
        for part, read in parts:
            own, energy = weights[part, read], moments[read, read]
            scale[part] = fit_scales(own, self._precision, energy, self._planes)
            integers[part, read] = round_weights(own, scale[part], self._precision, energy, self._planes)
        return scale, integers

    def _check_sums(self, layer: QuantLayer) -> None:
        needed, have = accumulator_bits(layer), self._limits.acc_width
        if have is not None and needed > have:
            raise UserError(
                f"layer {self._layer.name!r}",
                f"has row sums up to {layer.sum_bound}, {needed} bits, {needed - have} more than the engine's {have}",
                "generate an engine with wider sums or use a lower precision",
            )


def h_format(layer: FloatLayer, peak: float) -> float:
    """Real value of one LSB of h, whose largest magnitude is ``peak`` on calibration data."""
    return 2.0**-H_FRAC * (HEADROOM * peak or 1.0 if layer.squash in THROUGH else 1.0)


def recurrent_grid(activation_bits: int) -> Grid:
    """The grid of h as an operand, which no data changes."""
    shift = 0 if activation_bits == 16 else 8
    top = (1 << (15 - shift)) - 1
    return Grid(shift, -top - 1, top)


def check_operands(name: str, span: int, activation_bits: int, precision: int, limits: EngineLimits) -> None:
    """Refuse operands wider than an engine takes them.

    Parameters
    ----------
    name : str
        The layer, for messages.
    span : int
        Largest operand: a difference of two values on a grid.
    activation_bits, precision : int
        Bits of operands and of weights.
    limits : EngineLimits

    Raises
    ------
    UserError
        If the span is too large.
    """
    limit = limits.largest_operand(precision)
    if span > limit:
        raise UserError(
            f"layer {name!r}",
            f"has {activation_bits}-bit operands up to {span}, beyond {limit} of {precision}-bit weights"
            f" in {limits.digit_bits(precision)}-bit digits on a {limits.operand_width}-bit operand path",
            "use 8-bit activations or 16-bit weights" + (", or one plane" if limits.planes == 2 else ""),
        )


def accumulator_bits(layer: QuantLayer) -> int:
    """Signed width that holds every row sum of a layer."""
    return layer.sum_bound.bit_length() + 1
