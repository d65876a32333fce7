"""Weight rounding: one scale per row, and integers chosen with the statistics of the operands."""

from __future__ import annotations

import numpy as np

from lstmith.golden.network import FloatArray
from lstmith.spec.digits import has_digits, weight_limit
from lstmith.spec.quantised import IntArray

#: Part of the mean column energy added to the statistics, so that unseen directions keep their weight.
DAMPING = 0.01
#: Smallest scale tried, as a part of the scale that covers the row's largest weight.
SMALLEST_FACTOR = {4: 0.3, 8: 0.7, 16: 1.0}
#: Scales tried per row.
FACTORS = 25


def damped(moments: FloatArray) -> FloatArray:
    """Second moments (float64 [C, C]) with a ridge, positive definite even for constant columns."""
    energy = float(np.mean(np.diag(moments)))
    return moments + np.eye(len(moments)) * (DAMPING * energy if energy else 1.0)


def fit_scales(weights: FloatArray, precision: int, moments: FloatArray, planes: int = 1) -> FloatArray:
    """Scale of each row with the least squared error, columns weighted by their energy.

    Parameters
    ----------
    weights : float64 [R, C]
        Real weights per operand LSB.
    precision : int
        Weight bits.
    moments : float64 [C, C]
        Damped second moments of the operands.
    planes : int
        Digits of a weight.

    Returns
    -------
    float64 [R], zero for all-zero rows.
    """
    top = weight_limit(precision, planes)
    energy = np.diag(moments)
    largest = np.abs(weights).max(axis=1) / top
    best, best_error = largest.copy(), np.full(len(weights), np.inf)
    for factor in np.linspace(1.0, SMALLEST_FACTOR[precision], FACTORS if SMALLEST_FACTOR[precision] < 1.0 else 1):
        scale = largest * factor
        error = (weights - _nearest(weights, scale, precision, planes) * scale[:, None]) ** 2 @ energy
        better = error < best_error
        best[better], best_error[better] = scale[better], error[better]
    return best


def round_weights(
    weights: FloatArray, scale: FloatArray, precision: int, moments: FloatArray, planes: int = 1
) -> IntArray:
    """Integers q with ``scale * q`` close to ``weights`` *in the row sums*, int64 [R, C], each a sum of digits.

    Columns are rounded one after the other and each rounding error is carried to the columns still
    free, as far as their operands are correlated with it (optimal brain quantisation, as in GPTQ).
    Uncorrelated operands give plain rounding to nearest.
    """
    order = np.argsort(-np.diag(moments), kind="stable")
    factor = np.linalg.cholesky(np.linalg.inv(moments[np.ix_(order, order)])).T
    remaining = weights[:, order].copy()
    rounded = np.empty_like(remaining)
    for column in range(weights.shape[1]):
        rounded[:, column] = _nearest(remaining[:, column : column + 1], scale, precision, planes)[:, 0]
        error = (remaining[:, column] - rounded[:, column] * scale) / factor[column, column]
        remaining[:, column + 1 :] -= np.outer(error, factor[column, column + 1 :])
    result = np.empty(weights.shape, dtype=np.int64)
    result[:, order] = rounded
    return result


def _nearest(weights: FloatArray, scale: FloatArray, precision: int, planes: int) -> FloatArray:
    """The integers nearest to ``weights / scale`` that have symmetric digits; zero where the scale is."""
    exact = weights / np.where(scale > 0, scale, 1.0)[:, None]
    limit = weight_limit(precision, planes)
    rounded = np.clip(np.rint(exact), -limit, limit)
    if planes == 2:
        # Two digits leave out one integer in 2^bits; its neighbours on the side of the weight take its place.
        left_out = ~has_digits(rounded.astype(np.int64), precision // planes)
        rounded = np.where(left_out, rounded + np.where(exact > rounded, 1, -1), rounded)
    return rounded * (scale > 0)[:, None]
