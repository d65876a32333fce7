"""A quantised LSTM stack in float64 that takes over what the engine does to its numbers, one thing after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstmith.golden.model import GoldenModel
from lstmith.golden.network import FloatArray, FloatLayer, FloatNetwork, run_float, sigmoid
from lstmith.spec.codes import Gate
from lstmith.spec.config import H_FRAC, REQUANT_PRESHIFT, Z_FRAC, EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import Grid, QuantLayer, QuantNetwork

#: What is taken over, in this order; the last one is golden itself.
STAGES = ("input rounding", "input clipping", "weights and shared scales", "h", "c", "datapath")
#: A change of the input as small as the rounding of float32.
NUDGE = 6e-8
#: Fraction bits of a bias, and of a pre-activation before it is halved.
_BIAS_FRAC = Z_FRAC + 1


@dataclass(frozen=True)
class Errors:
    """Mean absolute errors of h of the last layer against float64.

    Attributes
    ----------
    stages : dict of str to float
        After each stage of ``STAGES``, with all before it.
    nudged : float
        Of float64 itself after a change of the input by ``NUDGE`` of its value.
    peak : float
        Largest error of golden.
    cell : float
        Largest magnitude of a cell state in float64.
    """

    stages: dict[str, float]
    nudged: float
    peak: float
    cell: float

    def cause(self, bound: float) -> str | None:
        """The first stage that goes beyond a bound; the network itself, if a nudge does; None within the bound."""
        if self.stages[STAGES[-1]] <= bound:
            return None
        if self.nudged > bound:
            return "the network itself"
        return next(stage for stage in STAGES if self.stages[stage] > bound)


@dataclass(frozen=True)
class _Layer:
    """Weights and functions of a layer after some stages.

    Attributes
    ----------
    layer : FloatLayer
        Its own weights, or those that the integers stand for.
    integer : QuantLayer
    done : frozenset of str
    first : bool
        Whether its input is that of the network.
    """

    layer: FloatLayer
    integer: QuantLayer
    done: frozenset[str]
    first: bool

    def x(self, values: FloatArray) -> FloatArray:
        """Input as the layer sees it."""
        q = self.integer
        rounds, clips = ("input rounding", "input clipping") if self.first else ("h", "h")
        return _on_grid(values, q.x_lsb, q.x_grid, rounds in self.done, clips in self.done)

    def h(self, values: FloatArray) -> FloatArray:
        """h as it is fed back."""
        return _on_grid(values, self.integer.h_lsb, self.integer.h_grid, "h" in self.done, "h" in self.done)

    def c(self, values: FloatArray, width: int) -> FloatArray:
        """Cell state as it is kept."""
        if "c" not in self.done:
            return values
        limit, lsb = 1 << (width - 1), 2.0**-self.integer.c_frac
        return np.clip(np.floor(values / lsb + 0.5), -limit, limit - 1) * lsb


def _on_grid(values: FloatArray, lsb: float, grid: Grid, rounds: bool, clips: bool) -> FloatArray:
    """16-bit values, and operands of them; saturated only where that is asked for."""
    if not rounds:
        return values
    whole = np.rint(values / lsb)
    if clips:
        whole = np.clip(whole, -(1 << 15), (1 << 15) - 1)
    step = 1 << grid.shift
    operands = np.floor((whole + (step >> 1)) / step)
    return (np.clip(operands, grid.low, grid.high) if clips else operands) * step * lsb


def _as_integers(layer: FloatLayer, integer: QuantLayer, config: EngineConfig) -> FloatLayer:
    """The layer whose weights, biases and peepholes are what the integers stand for."""
    q = integer
    scale = np.ldexp(q.mantissa.astype(np.float64), REQUANT_PRESHIFT + 2 - config.requant_shift - _BIAS_FRAC - q.shift)
    of_x = 2.0 ** (q.x_grid.exponent - q.x_grid.shift) / q.x_lsb
    of_h = 2.0**-q.h_grid.shift / q.h_lsb
    rows: FloatArray = q.weights.astype(np.float64) * scale[:, None]
    peep = None if q.peep is None else q.peep.astype(np.float64) * 2.0 ** (q.c_frac - q.peep_shift - _BIAS_FRAC)
    return replace(
        layer,
        w_ih=rows[:, : q.inputs] * of_x,
        w_hh=rows[:, q.inputs :] * of_h,
        bias=q.bias.astype(np.float64) * 2.0**-_BIAS_FRAC,
        peep=peep,
    )


def _run(layers: Sequence[_Layer], x: FloatArray, width: int) -> FloatArray:
    """h of the last layer [N, T, H], from zero."""
    for each in layers:
        layer, shape = each.layer, (len(x), each.layer.units)
        h = c = np.zeros(shape)
        outputs = np.empty((*x.shape[:2], layer.units))
        from_x = each.x(x) @ layer.w_ih.T + layer.bias
        for t in range(x.shape[1]):
            z = (from_x[:, t] + each.h(h) @ layer.w_hh.T).reshape(len(x), 4, layer.units)
            peep = np.zeros((3, layer.units)) if layer.peep is None else layer.peep
            gate_i, gate_f = sigmoid(z[:, Gate.INPUT] + peep[0] * c), sigmoid(z[:, Gate.FORGET] + peep[1] * c)
            c = each.c(gate_f * c + gate_i * np.tanh(z[:, Gate.CELL]), width)
            h = sigmoid(z[:, Gate.OUTPUT] + peep[2] * c) * np.tanh(c)
            outputs[:, t] = h
        x = outputs
    return x


def measure(source: FloatNetwork, integer: QuantNetwork, config: EngineConfig, x: FloatArray) -> Errors:
    """Errors after each stage, of LSTM stacks without active counts, from zero states.

    Parameters
    ----------
    source : FloatNetwork
    integer : QuantNetwork
        Of the same network.
    config : EngineConfig
    x : float64 [N, T, I]
    """
    trace = run_float(source, x)
    exact = trace.h[-1]

    def error(h: npt.NDArray[np.floating]) -> float:
        return float(np.abs(h - exact).mean())

    found: dict[str, float] = {}
    for count, stage in enumerate(STAGES[:-1], 1):
        done = frozenset(STAGES[:count])
        layers = [
            _Layer(_as_integers(own, q, config) if STAGES[2] in done else own, q, done, index == 0)
            for index, (own, q) in enumerate(zip(source.layers, integer.layers, strict=True))
        ]
        found[stage] = error(_run(layers, x, config.c_width))
    policies = [Policy(Mode.DENSE)] * len(integer.layers)
    golden = GoldenModel(integer, config).run(integer.quantise_input(x), policies)[-1].h * 2.0**-H_FRAC
    found[STAGES[-1]] = error(golden)
    return Errors(
        stages=found,
        nudged=error(run_float(source, x * (1 + NUDGE)).h[-1]),
        peak=float(np.abs(golden - exact).max()),
        cell=float(max(np.abs(c).max() for c in trace.c)),
    )
