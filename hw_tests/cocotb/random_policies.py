"""Random policies: everything that an engine's flags and a network's formats allow."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Scope, Skip
from lstmith.spec.policy_check import check_policies
from lstmith.spec.quantised import QuantLayer, QuantNetwork

#: Draws per layer before it gets a policy that needs nothing of the engine.
DRAWS = 30


def random_policies(rng: np.random.Generator, network: QuantNetwork, config: EngineConfig) -> list[Policy]:
    """One policy per layer; modes mixed, thresholds from none to more than any change."""
    few = not network.skims and rng.random() < 0.5
    active_index = int(rng.integers(0, network.active_counts)) if few else 0
    skip = random_skip(rng, network, config)
    if network.skims and rng.random() < 0.8:
        # All that lets a step skim.
        plain = [Policy(Mode.DELTA, theta(rng), theta(rng), skip=skip) for _ in network.layers]
        return [
            replace(policy, low_theta_x=theta(rng), low_theta_h=theta(rng)) if layer.planes == 2 else policy
            for policy, layer in zip(plain, network.layers, strict=True)
        ]
    chosen = [
        Policy(
            Mode(int(rng.integers(3))) if config.delta else Mode.DENSE,
            theta(rng),
            theta(rng),
            skip=skip,
            active=layer.active(active_index) if active_index else 0,
        )
        for layer in network.layers
    ]
    for index in range(len(chosen)):
        for _ in range(DRAWS):
            trial = list(chosen)
            trial[index] = _adaptive(rng, chosen[index], network.layers[index], config)
            if accepted(network, config, trial):
                chosen = trial
                break
    return chosen


def accepted(network: QuantNetwork, config: EngineConfig, policies: list[Policy]) -> bool:
    """Whether the engine can do what the policies ask."""
    try:
        check_policies(network, config, policies)
    except ValueError:
        return False
    return True


def theta(rng: np.random.Generator) -> int:
    """A threshold."""
    return int(rng.choice([0, int(rng.integers(1, 6)), int(rng.integers(0, 1 << 16))], p=[0.4, 0.5, 0.1]))


def random_skip(rng: np.random.Generator, network: QuantNetwork, config: EngineConfig) -> Skip:
    """Which steps to leave out; a change of about what inputs move by, a predictor that is undecided."""
    grid = network.layers[0].x_grid
    change = int(rng.choice([0, 1, network.inputs * grid.high // 8, network.inputs * grid.high]))
    predictor = network.predictor is not None and bool(rng.random() < 0.5)
    return Skip(
        change=min(change, (1 << 24) - 1) if config.skip and rng.random() < 0.6 else 0,
        hints=bool(rng.random() < 0.5),
        predictor=predictor,
        threshold=int(np.clip(rng.normal(0, 4 * grid.high), -(1 << 23), (1 << 23) - 1)) if predictor else 0,
        limit=int(rng.choice([1, 2, 3, highest(Skip)["limit"]])),
    )


def _adaptive(rng: np.random.Generator, policy: Policy, layer: QuantLayer, config: EngineConfig) -> Policy:
    """Any mode, thresholds of the low plane, a monitor."""
    lows = theta(rng), theta(rng)
    return replace(
        policy,
        mode=Mode(int(rng.choice(4, p=[0.1, 0.1, 0.3, 0.5]))),
        low_theta_x=lows[0] if layer.planes == 2 and rng.random() < 0.7 else None,
        low_theta_h=lows[1] if layer.planes == 2 and rng.random() < 0.7 else None,
        monitor=random_monitor(rng) if config.monitor and rng.random() < 0.6 else Monitor(),
    )


def random_monitor(rng: np.random.Generator) -> Monitor:
    """Thresholds between never and always quiet."""
    most = highest(Monitor)
    return Monitor(
        rule=Rule(int(rng.integers(1, 3))),
        scope=Scope(int(rng.integers(2))),
        low=int(rng.choice([0, int(rng.integers(1, 5)), int(rng.integers(0, 600)), most["low"]])),
        hysteresis=int(rng.choice([0, 1, int(rng.integers(0, 300)), most["hysteresis"]])),
        theta=int(rng.integers(0, most["theta"] + 1)),
        warmup=int(rng.integers(0, 6)),
    )


def highest(kind: type[Monitor] | type[Skip]) -> dict[str, int]:
    """Largest value of each number of a policy."""
    return {field.name: int(field.metadata["high"]) for field in fields(kind) if field.metadata}
