"""Random quantised networks, engines that fit them, inputs and states, with the corners made likely."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lstmith.compiler.program_image import words_per_lane
from lstmith.golden.network import SQUASHES
from lstmith.spec.codes import Kind, Squash
from lstmith.spec.config import BIAS_BITS, H_FRAC, MANTISSA_BITS, PEEP_BITS, SHIFT_BITS, Z_BITS, EngineConfig
from lstmith.spec.digits import has_digits, weight_limit
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import PREDICTOR_LIMIT, PREDICTOR_SUM_BITS, Grid, IntArray, QuantLayer, QuantNetwork

#: Largest operand of 4-bit weights, and of any.
SPAN_LIMIT = {4: 1023, 8: (1 << 17) - 1, 16: (1 << 17) - 1}


def random_grid(rng: np.random.Generator, precision: int, *, unsigned: bool = False, exponent: bool = False) -> Grid:
    """A grid whose differences the MAC takes; the usual 8- and 16-bit grids are likely."""
    while True:
        low_shift = 5 if precision == 4 else 0
        shift = int(rng.choice([0, 7, 8, int(rng.integers(low_shift, 14))]))
        top = (1 << (15 - shift)) - 1
        low = 0 if unsigned and rng.random() < 0.5 else -top - 1
        grid = Grid(shift, low, top, int(rng.integers(0, 5)) if exponent else 0)
        if grid.span <= SPAN_LIMIT[precision]:
            return grid


def random_layer(
    rng: np.random.Generator,
    inputs: int,
    units: int,
    precision: int,
    *,
    unsigned: bool,
    peepholes: bool,
    requant_width: int,
    planes: int = 1,
    active_counts: int = 1,
    skims: bool = False,
    kind: Kind = Kind.LSTM,
    symbols: bool = False,
) -> QuantLayer:
    """A layer whose gates mostly neither saturate nor idle, with some rows at the limits of their fields."""
    limit = weight_limit(precision, planes)
    recurrent = 0 if kind is Kind.DENSE else units
    rows, columns = kind.rows * units, inputs + recurrent
    fill = rng.choice(["uniform", "sparse", "extreme"], p=[0.6, 0.2, 0.2])
    weights = rng.integers(-limit, limit + 1, (rows, columns))
    if fill == "sparse":
        weights *= rng.random(weights.shape) < 0.2
    elif fill == "extreme":
        weights = np.where(weights < 0, -limit, limit)
    if planes == 2:
        # One integer in 2^bits has no two symmetric digits.
        weights -= ~has_digits(weights, precision // planes)
    x_grid = random_grid(rng, precision // planes, unsigned=unsigned, exponent=True)
    while symbols and x_grid.low:
        x_grid = random_grid(rng, precision // planes, unsigned=True, exponent=True)
    h_grid = random_grid(rng, precision // planes)

    reach = x_grid.high << x_grid.exponent
    peaks = np.array([reach / inputs if symbols else reach] * inputs + [h_grid.high] * recurrent, dtype=np.float64)
    spread = np.maximum(np.sqrt((weights**2) @ (peaks**2)) / 3, 1.0)
    # The operand that the mantissa multiplies should nearly fill its width for the row's largest sums.
    shift = np.clip(np.ceil(np.log2(spread * 6)) + 8 - (requant_width - 2), 0, (1 << SHIFT_BITS) - 1).astype(np.int64)
    gain = rng.uniform(0.3, 6, rows) * (1 << 13) / (2 * spread * 2.0 ** (8 - shift))
    mantissa = np.clip(gain * 2.0 ** (requant_width - 4), 0, (1 << MANTISSA_BITS) - 1).astype(np.int64)
    bias = rng.integers(-20_000, 20_001, rows)
    bias_limit = 1 << (BIAS_BITS - 1)
    wild = rng.random(rows) < rng.choice([0.0, 0.05, 0.5], p=[0.5, 0.4, 0.1])
    shift = np.where(wild, rng.choice([0, 1, 7, 8, 9, 31, (1 << SHIFT_BITS) - 1], rows), shift)
    mantissa = np.where(wild, rng.choice([0, 1, 1 << (MANTISSA_BITS - 1), (1 << MANTISSA_BITS) - 1], rows), mantissa)
    bias = np.where(wild, rng.choice([-bias_limit, 0, bias_limit - 1], rows), bias)
    # Row 2 of the gates (g) decides how fast c grows: small fields of c saturate often.
    c_frac = int(rng.integers(4, 16)) if kind is Kind.LSTM else H_FRAC
    peep, peep_shift = None, 0
    if peepholes and kind is Kind.LSTM and rng.random() < 0.8:
        peep_limit = 1 << (PEEP_BITS - 1)
        peep = rng.choice([-peep_limit, 0, peep_limit - 1, 7, -7], (3, units))
        peep = np.where(rng.random((3, units)) < 0.9, rng.integers(-3000, 3001, (3, units)), peep)
        peep_shift = int(rng.choice([0, 8, max(0, c_frac - 4), 31]))
    counts = tuple(
        sorted((int(n) for n in rng.choice(np.arange(1, units), active_counts - 1, replace=False)), reverse=True)
    )
    top = 1 << H_FRAC
    return QuantLayer(
        precision=precision,
        weights=weights,
        mantissa=mantissa,
        shift=shift,
        bias=bias,
        x_grid=x_grid,
        h_grid=h_grid,
        c_frac=c_frac,
        x_lsb=2.0**-12,
        peep=peep,
        peep_shift=peep_shift,
        planes=planes,
        counts=counts,
        skims=skims,
        reduced_bias=rng.integers(-20_000, 20_001, (len(counts), rows)) if counts and not skims else None,
        idle_h=rng.integers(-top, top, units) if counts and not skims else None,
        kind=kind,
        symbols=symbols,
        squash=SQUASHES[kind][0] if len(SQUASHES[kind]) == 1 else Squash(int(rng.choice(SQUASHES[kind]))),
    )


def random_network(
    rng: np.random.Generator,
    dims: list[int],
    precisions: tuple[int, ...],
    *,
    peepholes: bool,
    requant_width: int,
    planes: int = 1,
    active_counts: int = 1,
    skims: bool = False,
    predictor: bool = False,
    kinds: tuple[int, ...] = (Kind.LSTM,),
    symbols: bool = False,
) -> QuantNetwork:
    """A stack with ``dims`` = inputs, then units of each layer; every layer draws its precision and its kind.

    Parameters
    ----------
    planes : int
        Of an engine; 4-bit weights have one plane in any.
    active_counts : int
        Most active counts; fewer where a layer has too few units.
    skims : bool
        Whether steps of fewer units leave the others as they are, if there are active counts: two then.
    predictor : bool
        Whether to give it one.
    kinds : tuple of int
        To draw from; only LSTMs have active counts.
    symbols : bool
        Whether its x are symbols.
    """
    drawn = [Kind(int(rng.choice(kinds))) if len(kinds) > 1 else Kind(kinds[0]) for _ in dims[1:]]
    active_counts = min(active_counts, *dims[1:]) if set(drawn) == {Kind.LSTM} else 1
    skims = skims and active_counts > 1
    layers = []
    for index, (inputs, units) in enumerate(pairwise(dims)):
        precision = int(rng.choice(precisions))
        layer = random_layer(
            rng,
            inputs,
            units,
            precision,
            # Of a later layer: a ReLU in front of a dense one.
            unsigned=index == 0 or Kind.DENSE in kinds,
            peepholes=peepholes,
            requant_width=requant_width,
            planes=1 if precision == 4 else planes,
            active_counts=2 if skims else active_counts,
            skims=skims,
            kind=drawn[index],
            symbols=symbols and index == 0,
        )
        layers.append(layer)
    return QuantNetwork(tuple(layers), _random_predictor(rng, layers[0]) if predictor else None)


def _random_predictor(rng: np.random.Generator, layer: QuantLayer) -> IntArray:
    """Weights of the predictor's row; where its sums could overflow, every other one is zero, and so on."""
    spans = np.repeat([layer.x_grid.span, layer.h_grid.span], [layer.inputs, layer.recurrent])
    weights = rng.integers(-PREDICTOR_LIMIT, PREDICTOR_LIMIT + 1, len(spans))
    while np.abs(weights) @ spans >= 1 << (PREDICTOR_SUM_BITS - 1):
        weights *= rng.random(len(weights)) < 0.5
    return weights


def random_dims(rng: np.random.Generator, most_layers: int, most: int) -> list[int]:
    """Inputs and units, small ones likely: they meet the timing limits and cost little."""
    layers = int(rng.integers(1, most_layers + 1))
    limits = np.minimum([1, 4, 14, most], most)
    return [int(rng.integers(1, 1 + rng.choice(limits, p=[0.1, 0.2, 0.5, 0.2]))) for _ in range(layers + 1)]


def random_engine(
    rng: np.random.Generator,
    most: int = 40,
    networks: int = 2,
    *,
    delta: bool = True,
    mixed: bool = False,
    symbols: bool = False,
) -> tuple[EngineConfig, list[QuantNetwork]]:
    """An engine about as narrow as its networks allow, and networks that fit it (all but one have room to spare)."""
    options = _random_options(rng, delta=delta, mixed=mixed)
    most_layers = 1 if options.rows_per_cycle == 4 else int(rng.integers(1, 4))
    fitting = [
        _network_for(
            rng, options, random_dims(rng, most_layers, most), symbols=symbols and (n == 0 or rng.random() < 0.5)
        )
        for n in range(networks)
    ]
    layers = [layer for network in fitting for layer in network.layers]
    span = max(max(layer.x_grid.span, layer.h_grid.span) for layer in layers)
    config = replace(
        options,
        acc_width=min(48, max(16, max(layer.sum_bound for layer in layers).bit_length() + 1)),
        operand_width=max(10, span.bit_length() + 1),
    )
    return _with_room(config, fitting), fitting


def preset_engine(
    rng: np.random.Generator, engine: EngineConfig, most: int = 24, networks: int = 2
) -> tuple[EngineConfig, list[QuantNetwork]]:
    """An engine's options and widths with a few lanes, and small networks that fit them."""
    fitting: list[QuantNetwork] = []
    most_layers = int(rng.integers(1, 3))
    while len(fitting) < networks:
        network = _network_for(rng, engine, random_dims(rng, most_layers, most))
        if _as_narrow(network, engine):
            fitting.append(network)
    lanes = int(rng.integers(1, 1 + min(engine.lanes, 8)))
    return _with_room(replace(engine, lanes=lanes), fitting), fitting


def further_networks(
    rng: np.random.Generator, config: EngineConfig, count: int, most: int = 10
) -> tuple[EngineConfig, list[QuantNetwork]]:
    """The engine with the same options and widths, and memories that hold so many small networks too; and these."""
    fitting: list[QuantNetwork] = []
    most_layers = 1 if config.rows_per_cycle == 4 else config.layers
    while len(fitting) < count:
        # An engine of inputs 1 may be one for symbols alone.
        symbols = config.symbols > 0 and (config.inputs == 1 or bool(rng.random() < 0.5))
        network = _network_for(rng, config, random_dims(rng, most_layers, most), symbols=symbols)
        if _as_narrow(network, config):
            fitting.append(network)
    roomy = _with_room(config, fitting)
    sizes = ("units", "inputs", "symbols", "layers", "weight_depth")
    return replace(config, **{name: max(getattr(config, name), getattr(roomy, name)) for name in sizes}), fitting


def _as_narrow(network: QuantNetwork, config: EngineConfig) -> bool:
    """Whether sums and operands of a network fit an engine's widths."""
    return all(
        layer.sum_bound < 1 << (config.acc_width - 1)
        and max(layer.x_grid.span, layer.h_grid.span) < 1 << (config.operand_width - 1)
        for layer in network.layers
    )


def _random_options(rng: np.random.Generator, *, delta: bool, mixed: bool) -> EngineConfig:
    """An engine whose sizes are still open."""
    planes, skip = 2 if delta and rng.random() < 0.7 else 1, delta and bool(rng.random() < 0.5)
    kinds = tuple(kind for kind in Kind if rng.random() < 0.6) if mixed else (Kind.LSTM,)
    return EngineConfig(
        lanes=int(rng.integers(1, 17)),
        precisions=[(4,), (8,), (16,), (4, 8), (8, 16), (4, 8, 16)][rng.integers(6)],
        mac=str(rng.choice(["dsp", "digit"])),
        peepholes=bool(rng.random() < 0.5),
        c_width=int(rng.integers(Z_BITS if mixed else 12, 25)),
        requant_width=int(rng.choice([16, 18])),
        rows_per_cycle=int(rng.choice([1, 2, 4])),
        planes=planes,
        monitor=planes == 2 and bool(rng.random() < 0.7),
        skip=skip,
        active_counts=int(rng.choice([1, 2, 4, 8], p=[0.5, 0.2, 0.2, 0.1])) if planes == 2 or not delta else 1,
        delta=delta,
        kinds=kinds or (Kind.DENSE,),
    )


def _network_for(
    rng: np.random.Generator, config: EngineConfig, dims: list[int], *, symbols: bool = False
) -> QuantNetwork:
    """A network that uses an engine's options; its numbers may be too wide for it."""
    return random_network(
        rng,
        dims,
        config.precisions,
        peepholes=config.peepholes,
        requant_width=config.requant_width,
        planes=config.planes,
        active_counts=config.active_counts,
        skims=config.active_counts > 1 and config.planes == 2 and bool(rng.random() < 0.5),
        predictor=config.skip and bool(rng.random() < 0.8),
        kinds=config.kinds,
        symbols=symbols,
    )


def _with_room(config: EngineConfig, networks: list[QuantNetwork]) -> EngineConfig:
    """The engine with memories that hold each of the networks."""
    sized = replace(
        config,
        units=max(sum(layer.units for layer in network.layers) for network in networks),
        inputs=max(network.inputs for network in networks),
        symbols=max(network.symbols for network in networks),
        layers=max(len(network.layers) for network in networks),
    )
    return replace(sized, weight_depth=max(words_per_lane(network, sized) for network in networks))


def for_two(config: EngineConfig, network: QuantNetwork) -> tuple[EngineConfig, QuantNetwork]:
    """The same engine for two sequences in turn, and a network without active counts and predictor, which take one."""
    layers = tuple(replace(layer, counts=(), skims=False, reduced_bias=None, idle_h=None) for layer in network.layers)
    return (
        replace(config, sequences=2, monitor=False, skip=False, active_counts=1),
        replace(network, layers=layers, predictor=None),
    )


def random_input(rng: np.random.Generator, steps: int, inputs: int) -> npt.NDArray[np.int16]:
    """int16 [steps, inputs]: noise, zeros, extremes, small moves, and steps that repeat."""
    x = rng.integers(-32768, 32768, (steps, inputs))
    x = np.where(rng.random(x.shape) < 0.2, rng.choice([-32768, 32767], x.shape), x)
    x = np.where(rng.random(x.shape) < rng.choice([0.1, 0.9]), 0, x)
    for t in range(1, steps):
        kind = rng.choice(["new", "same", "move", "zero"], p=[0.4, 0.2, 0.3, 0.1])
        if kind == "same":
            x[t] = x[t - 1]
        elif kind == "move":
            x[t] = np.clip(x[t - 1] + rng.integers(-600, 601, inputs), -32768, 32767)
        elif kind == "zero":
            x[t] = 0
    return x.astype(np.int16)


def input_of(rng: np.random.Generator, steps: int, network: QuantNetwork) -> npt.NDArray[np.int16]:
    """What a network reads, int16 [steps, elements]: values, or symbols that often repeat."""
    if not network.symbols:
        return random_input(rng, steps, network.inputs)
    x = rng.integers(0, network.symbols, (steps, 1))
    for t in range(1, steps):
        if rng.random() < 0.3:
            x[t] = x[t - 1]
    return x.astype(np.int16)


def random_state(
    rng: np.random.Generator, network: QuantNetwork, config: EngineConfig
) -> list[tuple[IntArray, IntArray]]:
    """A state to load, (h, c) per layer, int64 [1, H] each, within what the hardware can hold."""
    limit = 1 << (config.c_width - 1)
    state = []
    for layer in network.layers:
        h = rng.choice([-32767, 0, 32767, int(rng.integers(-32767, 32768))], (1, layer.units))
        c = rng.choice([-limit, 0, limit - 1, int(rng.integers(-limit, limit))], (1, layer.units))
        state.append((h, c if layer.kind is Kind.LSTM else h))
    return state


def random_hints(rng: np.random.Generator, steps: int) -> npt.NDArray[np.bool_]:
    """Steps that may be skipped, bool [T]: single ones and runs."""
    hints = rng.random(steps) < 0.2
    begin = int(rng.integers(0, steps))
    hints[begin : begin + int(rng.integers(0, 4))] = True
    return hints


def random_active_indices(
    rng: np.random.Generator, network: QuantNetwork, steps: int, policies: list[Policy]
) -> npt.NDArray[np.int64]:
    """Index of the active count per step, int64 [T]: kept for a while, then another.

    Where the policies let no step skim, all compute every unit, as the first one of a sequence.
    """
    indices = rng.integers(0, network.active_counts, steps)
    for t in range(1, steps):
        if rng.random() < 0.6:
            indices[t] = indices[t - 1]
    if network.skims:
        lets = all(policy.mode is Mode.DELTA and not policy.monitors for policy in policies)
        indices *= lets
        indices[0] = 0
    return indices
