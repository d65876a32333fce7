"""A quantised network whose forward pass is the golden model's, to the last bit, and whose gradient ignores rounding.

Every value in the forward pass is an integer, held exactly in float64. In the backward pass a rounding counts as the
identity (Bengio, Léonard, Courville, arXiv:1308.3432) and a saturation as zero, so that gradients reach real-valued
*shadow* weights and biases from which the integers are rounded. What is chosen rather than computed, such as which
references follow their values and which steps are skipped, is taken from the golden model's own run and has no
gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from lstmith.golden.encoder import BoolArray
from lstmith.golden.network import FloatArray, FloatNetwork
from lstmith.spec.codes import Kind
from lstmith.spec.config import BIAS_BITS, EngineConfig
from lstmith.spec.digits import has_digits, split_digits, weight_limit
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import Grid, IntArray, QuantLayer, QuantNetwork
from lstmith.training.cell import cell
from lstmith.training.data import TrainingSequences
from lstmith.training.real import real_weights, weight_steps
from lstmith.training.recorded import Recorded, References, Values, record

#: Shadow biases count in this many LSBs (2^-13): a step of the optimiser then means about as much as in weights.
BIAS_UNIT = 64
#: Shadow weights begin at most so far from their integers.
WITHIN = 0.49


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
    wanted : float64 [4H, I + H] or None
        Shadow weights begin as near to these, in LSBs of the integer weights, as they may and still be rounded to the
        layer's integers; None is on the integers.
    """

    def __init__(self, layer: QuantLayer, wanted: FloatArray | None = None) -> None:
        super().__init__()
        self.layer = layer
        integers = layer.weights.astype(np.float64)
        begin = integers if wanted is None else np.clip(wanted, integers - WITHIN, integers + WITHIN)
        #: In LSBs of the integer weights, float64 [4H, I + H].
        self.weights = nn.Parameter(torch.from_numpy(begin.copy()))
        #: In ``BIAS_UNIT`` LSBs of the integer biases, float64 [4H].
        self.bias = nn.Parameter(torch.tensor(layer.bias, dtype=torch.float64) / BIAS_UNIT)

    def integers(self) -> tuple[Tensor, Tensor]:
        """Weights (float64 [4H, I + H]) and biases (float64 [4H]) as the engine would hold them."""
        bias_top = 1 << (BIAS_BITS - 1)
        return self._weights(), rounded(self.bias * BIAS_UNIT, -bias_top, bias_top - 1)

    def _weights(self) -> Tensor:
        layer, limit = self.layer, weight_limit(self.layer.precision, self.layer.planes)
        found = rounded(self.weights, -limit, limit)
        if layer.planes == 1:
            return found
        # Of the integers that have no two digits, the neighbours on the side of the shadow weight.
        exact, shadow = found.detach().numpy().astype(np.int64), self.weights.detach().numpy()
        left_out = ~has_digits(exact, layer.plane_bits)
        exact = np.where(left_out, exact + np.where(shadow > exact, 1, -1), exact)
        result: Tensor = _Exact.apply(found, torch.from_numpy(exact.astype(np.float64)))
        return result

    def planes(self, weights: Tensor) -> list[Tensor]:
        """Digits of every plane times its place value, top plane first, float64 [4H, I + H]; their sum is ``weights``.

        To the gradient the top plane is the weights themselves, of which it is the coarse rounding.
        """
        layer = self.layer
        if layer.planes == 1:
            return [weights]
        digits = split_digits(weights.detach().numpy().astype(np.int64), layer.plane_bits) << layer.plane_bits
        top: Tensor = _Exact.apply(weights, torch.from_numpy(digits.astype(np.float64)))
        return [top, weights - top]

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
    changes : float64 tensor [N, T]
        By how much the references of h moved, of all planes and layers together: what later steps must add, 0 for a
        column that is not listed. One is the whole range of an h.
    recorded : Recorded
        The golden run from which the references were taken.
    """

    h: tuple[Tensor, ...]
    c: tuple[Tensor, ...]
    changes: Tensor
    recorded: Recorded


class StraightThrough(nn.Module):
    """A quantised network that can be trained.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
    source : FloatNetwork or None
        What the network was quantised from: shadow weights begin between the integers and its weights.

    Raises
    ------
    ValueError
        If the network has active counts: their biases follow from the trained network.
    """

    def __init__(self, network: QuantNetwork, config: EngineConfig, source: FloatNetwork | None = None) -> None:
        super().__init__()
        if network.active_counts > 1:
            raise ValueError("A network with active counts cannot be trained: train first, then add the counts")
        if others := {layer.kind.name for layer in network.layers if layer.kind is not Kind.LSTM}:
            raise ValueError(f"Only LSTM layers can be trained, not {', '.join(sorted(others))}")
        if network.symbols:
            raise ValueError("Only layers that read values can be trained, not symbols")
        self._network, self.config = network, config
        self.layers = nn.ModuleList()
        for index, layer in enumerate(network.layers):
            wanted = None if source is None else real_weights(source.layers[index]) / weight_steps(layer, config)
            self.layers.append(StraightThroughLayer(layer, wanted))

    def network(self) -> QuantNetwork:
        """The network with the integers of now."""
        return replace(self._network, layers=tuple(layer.quantised() for layer in self.layers))

    def forward(self, data: TrainingSequences, policies: list[Policy]) -> Outcome:
        """Run sequences under policies, one per layer."""
        recorded = record(self.network(), self.config, data, policies)
        values = torch.tensor(data.x, dtype=torch.float64)
        hs, cs, changes = [], [], []
        for index, layer in enumerate(self.layers):
            state = None if data.state is None else data.state[index]
            trace, references = recorded.traces[index], recorded.references[index]
            h, c, change = _run_layer(layer, trace.skipped, references, values, state, self.config)
            hs.append(h)
            cs.append(c)
            changes.append(change)
            values = h
        return Outcome(tuple(hs), tuple(cs), torch.stack(changes).sum(dim=0), recorded)


def _run_layer(
    module: StraightThroughLayer,
    skipped: BoolArray,
    references: References,
    x: Tensor,
    state: tuple[IntArray, IntArray] | None,
    config: EngineConfig,
) -> tuple[Tensor, Tensor, Tensor]:
    """h and c of one layer, float64 [N, T, H] each, and how far its references of h moved, [N, T]."""
    layer = module.layer
    weights, bias = module.integers()
    sequences, steps = x.shape[:2]
    # Sums over all planes are one product: digits beside each other, references as well.
    digits = module.planes(weights)
    shift = 2.0**layer.x_grid.exponent
    from_x = torch.cat([plane[:, : layer.inputs] * shift for plane in digits], dim=1).T
    from_h = torch.cat([plane[:, layer.inputs :] for plane in digits], dim=1).T
    x_grid = on_grid(x, layer.x_grid)
    h = c = x.new_zeros(sequences, layer.units)
    if state is not None:
        h, c = (torch.from_numpy(value.astype(np.float64)) for value in state)
    x_reference = x.new_zeros(sequences, layer.planes, layer.inputs)
    h_reference = on_grid(h, layer.h_grid)[:, None].expand(-1, layer.planes, -1)
    hs, cs, changes = [], [], []
    for t in range(steps):
        before = h, c, x_reference, h_reference
        x_reference = _followed(x_grid[:, t], x_reference, references.x[:, t])
        total = x_reference.flatten(1) @ from_x + h_reference.flatten(1) @ from_h
        h, c = cell(total, c, bias, layer, config)
        h_reference = _followed(on_grid(h, layer.h_grid), h_reference, references.h[:, t])
        if skipped[:, t].any():
            held = torch.from_numpy(skipped[:, t, None])
            h, c = (torch.where(held, old, new) for old, new in zip(before[:2], (h, c), strict=True))
            x_reference, h_reference = (
                torch.where(held[:, None], old, new)
                for old, new in zip(before[2:], (x_reference, h_reference), strict=True)
            )
        hs.append(h)
        cs.append(c)
        changes.append((h_reference - before[3]).abs().sum(dim=(1, 2)))
    moved = torch.stack(changes, dim=1) * (1.0 / (layer.h_grid.high - layer.h_grid.low))
    return torch.stack(hs, dim=1), torch.stack(cs, dim=1), moved


def _followed(value: Tensor, reference: Tensor, chosen: Values) -> Tensor:
    """References as the golden model chose them, float64 [N, P, C].

    To the gradient a reference is the value that it followed, or what it was if it stayed.
    """
    exact = torch.from_numpy(chosen.astype(np.float64))
    value = value[:, None].expand_as(exact)
    stayed = (exact == reference.detach()) & (exact != value.detach())
    result: Tensor = _Exact.apply(torch.where(stayed, reference, value), exact)
    return result
