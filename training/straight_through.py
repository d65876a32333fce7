"""A quantised network whose forward pass is the golden model's, to the last bit, and whose gradient ignores rounding.

Every value in the forward pass is an integer, held exactly in float64. In the backward pass a rounding counts as the
identity (Bengio, Léonard, Courville, arXiv:1308.3432) and a saturation as zero, so that gradients reach real-valued
*shadow* weights and biases from which the integers are rounded. What is chosen rather than computed, such as columns,
precisions, restarts and skipped steps, is taken from the golden model's own run and has no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lstmith.golden.activity import LOW, LayerTrace
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import BIAS_BITS, EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork
from lstmith.training.cell import cell

#: Shadow biases count in this many LSBs (2^-13): a step of the optimiser then means about as much as in weights.
BIAS_UNIT = 64


class _Exact(torch.autograd.Function):
    """Gives ``exact`` and passes the gradient to ``smooth``; a sum of the two would round."""

    @staticmethod
    def forward(ctx: object, smooth: Tensor, exact: Tensor) -> Tensor:
        return exact

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


def rounded(shadow: Tensor, low: int, high: int) -> Tensor:
    """Shadow values to the nearest integers within bounds, float64; the gradient stops where they saturate."""
    clipped = shadow.clamp(low, high)
    result: Tensor = _Exact.apply(clipped, clipped.detach().round())
    return result


def on_grid(value: Tensor, grid: Grid) -> Tensor:
    """:meth:`Grid.apply` of float64 integers."""
    smooth = (value * 2.0**-grid.shift).clamp(grid.low, grid.high)
    half = (1 << grid.shift) >> 1
    exact = torch.floor((value.detach() + half) * 2.0**-grid.shift).clamp(grid.low, grid.high)
    result: Tensor = _Exact.apply(smooth, exact)
    return result


class StraightThroughLayer(nn.Module):
    """Shadow parameters of one layer.

    Parameters
    ----------
    layer : QuantLayer
        Its scales, grids, cell format and peepholes stay as they are.
    """

    def __init__(self, layer: QuantLayer) -> None:
        super().__init__()
        self.layer = layer
        #: In LSBs of the integer weights, float64 [4H, I + H].
        self.weights = nn.Parameter(torch.tensor(layer.weights, dtype=torch.float64))
        #: In ``BIAS_UNIT`` LSBs of the integer biases, float64 [4H].
        self.bias = nn.Parameter(torch.tensor(layer.bias, dtype=torch.float64) / BIAS_UNIT)

    def integers(self) -> tuple[Tensor, Tensor]:
        """Weights (float64 [4H, I + H]) and biases (float64 [4H]) as the engine would hold them."""
        top, bias_top = (1 << (self.layer.precision - 1)) - 1, 1 << (BIAS_BITS - 1)
        return rounded(self.weights, -top, top), rounded(self.bias * BIAS_UNIT, -bias_top, bias_top - 1)

    def variant(self, weights: Tensor, precision: int) -> Tensor:
        """A lower variant of ``weights`` times 2^k, so that it stands beside them, float64 [4H, I + H].

        Notes
        -----
        The integers are those of :meth:`QuantLayer.variant`; to the gradient an image is the weights themselves.
        """
        step, limit = 2.0 ** (self.layer.precision - precision), (1 << (precision - 1)) - 1
        exact = torch.floor((weights.detach() + step / 2) / step).clamp(-limit, limit) * step
        result: Tensor = _Exact.apply(weights, exact)
        return result

    def quantised(self) -> QuantLayer:
        """The layer with the integers of now."""
        with torch.no_grad():
            weights, bias = (value.numpy().astype(np.int64) for value in self.integers())
        return replace(self.layer, weights=weights, bias=bias)


@dataclass(frozen=True)
class Outcome:
    """What a network computed.

    Parameters
    ----------
    h : tuple of float64 tensor [N, T, H]
        Per layer, integers in Q1.15.
    c : tuple of float64 tensor [N, T, H]
        Per layer, integers of ``c_frac`` fraction bits.
    traces : list of LayerTrace
        The golden run from which the choices were taken.
    """

    h: tuple[Tensor, ...]
    c: tuple[Tensor, ...]
    traces: list[LayerTrace]


class StraightThrough(nn.Module):
    """A quantised network that can be trained.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig

    Raises
    ------
    ValueError
        If the network has active counts: their biases follow from the trained network.
    """

    def __init__(self, network: QuantNetwork, config: EngineConfig) -> None:
        super().__init__()
        if network.active_counts > 1:
            raise ValueError("A network with active counts cannot be trained: train first, then add the counts")
        self._network, self.config = network, config
        self.layers = nn.ModuleList(StraightThroughLayer(layer) for layer in network.layers)

    def network(self) -> QuantNetwork:
        """The network with the integers of now."""
        return replace(self._network, layers=tuple(layer.quantised() for layer in self.layers))

    def forward(
        self, x: npt.NDArray[np.int16], policies: list[Policy], traces: list[LayerTrace] | None = None
    ) -> Outcome:
        """Run N sequences of T steps from the zero state.

        Parameters
        ----------
        x : int16 [N, T, I]
        policies : list of Policy, one per layer
        traces : list of LayerTrace or None
            Choices to follow; None runs the golden model of the integers of now.
        """
        if traces is None:
            traces = GoldenModel(self.network(), self.config).run(x, policies)
        values = torch.tensor(x, dtype=torch.float64)
        hs, cs = [], []
        for layer, policy, trace in zip(self.layers, policies, traces, strict=True):
            h, c = _run_layer(layer, policy, trace, values, self.config)
            hs.append(h)
            cs.append(c)
            values = h
        return Outcome(tuple(hs), tuple(cs), traces)


def _run_layer(
    module: StraightThroughLayer, policy: Policy, trace: LayerTrace, x: Tensor, config: EngineConfig
) -> tuple[Tensor, Tensor]:
    """h and c of one layer, float64 [N, T, H] each."""
    layer = module.layer
    weights, bias = module.integers()
    sequences, steps = x.shape[:2]
    x_grid = on_grid(x, layer.x_grid)
    shift = 2.0**layer.x_grid.exponent
    misses = _Misses(module, weights, trace, config) if policy.mixes else None
    h = c = h_reference = x.new_zeros(sequences, layer.units)
    references = x.new_zeros(sequences, layer.inputs), h_reference
    missed = x.new_zeros(sequences, 4 * layer.units)
    from_x = (x_grid * shift) @ weights[:, : layer.inputs].T
    recurrent = weights[:, layer.inputs :].T
    follows = bool(policy.theta_x) and policy.mode in (Mode.DELTA, Mode.AUTO)
    hs, cs = [], []
    for t in range(steps):
        before = h, c, references, h_reference, missed
        x_reference = x_grid[:, t]
        if follows and t:
            x_reference = _follow(x_reference, references[0], policy.mode, policy.theta_x)
        if follows:
            total = (x_reference * shift) @ weights[:, : layer.inputs].T + h_reference @ recurrent
        else:
            total = from_x[:, t] + h_reference @ recurrent
        if misses is not None:
            missed = misses.after(t, missed, references, (x_reference, h_reference))
            total = total - missed
        references = x_reference, h_reference
        h, c = cell(total, c, bias, layer, config)
        h_reference = _follow(on_grid(h, layer.h_grid), h_reference, policy.mode, policy.theta_h)
        if trace.skipped[:, t].any():
            held = torch.from_numpy(trace.skipped[:, t, None])
            h, c, h_reference, missed = (
                torch.where(held, old, new)
                for old, new in zip((*before[:2], *before[3:]), (h, c, h_reference, missed), strict=True)
            )
            references = (
                torch.where(held, before[2][0], references[0]),
                torch.where(held, before[2][1], references[1]),
            )
        hs.append(h)
        cs.append(c)
    return torch.stack(hs, dim=1), torch.stack(cs, dim=1)


class _Misses:
    """What lower variants leave out of the sums of one layer."""

    def __init__(self, module: StraightThroughLayer, weights: Tensor, trace: LayerTrace, config: EngineConfig) -> None:
        layer = module.layer
        self._layer, self._trace = layer, trace
        self._errors = {p: (weights - module.variant(weights, p)).T for p in layer.variants}
        units = np.repeat(trace.fold_precisions, config.lanes, axis=2)[:, :, : layer.units]
        self._row_levels = torch.from_numpy(np.tile(units, 4))
        self._classes = torch.from_numpy(np.concatenate([trace.x_class, trace.h_class], axis=2))
        self._restart = torch.from_numpy(trace.restart[:, :, None])

    def after(self, t: int, missed: Tensor, old: tuple[Tensor, Tensor], new: tuple[Tensor, Tensor]) -> Tensor:
        """``missed`` (float64 [N, 4H]) after step ``t``, by references before and now."""
        layer, classes, restart = self._layer, self._classes[:, t], self._restart[:, t]
        x_operand, h_operand = (torch.where(restart, now, now - was) for was, now in zip(old, new, strict=True))
        operand = torch.cat([x_operand * 2.0**layer.x_grid.exponent, h_operand], dim=1)
        zero = torch.zeros_like(missed)
        entry = layer.entry_variant
        assert entry is not None
        small = classes == LOW
        more = (operand * small) @ self._errors[entry] if small.any() else zero
        for precision, error in self._errors.items():
            rows = self._row_levels[:, t] == precision
            if rows.any():
                more = torch.where(rows, (operand * (classes != 0)) @ error, more)
        return torch.where(restart, zero, missed) + more


def _follow(value: Tensor, reference: Tensor, mode: Mode, theta: int) -> Tensor:
    """:func:`lstmith.golden.encoder.follow` where the sums are not recomputed from the values themselves."""
    if theta == 0 or mode in (Mode.DENSE, Mode.SKIP):
        return value
    return torch.where((value - reference).detach().abs() > theta, value, reference)
