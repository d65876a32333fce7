"""Whether an engine and a network can do what a policy asks."""

from __future__ import annotations

from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.quantised import QuantLayer, QuantNetwork


def check_policies(network: QuantNetwork, config: EngineConfig, policies: list[Policy]) -> None:
    """Refuse what the hardware could not do exactly.

    Raises
    ------
    ValueError
        Naming the layer, the field, its value and the fix.
    """
    if len(policies) != len(network.layers):
        raise ValueError(f"{len(policies)} policies were given, the network has {len(network.layers)} layers")
    skip, active = policies[0].skip, policies[0].active
    if config.fixed and policies != default_policies(network, config):
        raise ValueError("A fixed engine has one policy, and this is another: leave it out, or compile without --fixed")
    for index, (layer, policy) in enumerate(zip(network.layers, policies, strict=True)):
        where = f"Layer {index} policy field"
        if index and policy.skip != skip and policy.skip.active:
            raise ValueError(f"{where} skip differs from layer 0: give it there, all layers follow")
        counts = (layer.units, *layer.counts)
        if layer.skims and policy.active not in (0, layer.units):
            # Units that no step computes would better be left out of the network.
            raise ValueError(f"{where} active is {policy.active}: say which steps skim with the input, by its active")
        if policy.active and policy.active not in counts:
            named = ", ".join(str(count) for count in counts)
            raise ValueError(f"{where} active is {policy.active}: use one of the compiled counts {named}")
        if index and counts.index(policy.active or layer.units) != (
            (network.layers[0].units, *network.layers[0].counts).index(active or network.layers[0].units)
        ):
            raise ValueError(f"{where} active is {policy.active}: every layer must use the same place in its counts")
        if policy.mode is not Mode.DENSE and not config.delta:
            raise ValueError(
                f"{where} mode is {policy.mode.name.lower()}, this engine was built without delta: "
                "use dense, or compile without --no-delta"
            )
        _check_planes(layer, config, policy, where)
    if (skip.change or skip.predictor) and not config.skip:
        raise ValueError("Layer 0 policy field skip asks for a rule that this engine was built without")
    if skip.predictor and network.predictor is None:
        raise ValueError("Layer 0 policy field skip.predictor is true, but the network has no predictor: train one")


def check_skims(policies: list[Policy]) -> None:
    """Refuse steps that skim under policies for which more than their own columns counts.

    Raises
    ------
    ValueError
        Naming the layer, the field, its value and the fix.
    """
    for index, policy in enumerate(policies):
        where = f"Layer {index} policy field"
        if policy.mode is not Mode.DELTA:
            # Of units that are left as they are nothing is listed, which is right for changes alone.
            raise ValueError(f"{where} mode is {policy.mode.name.lower()}, which takes steps of all units: use delta")
        if policy.monitors:
            raise ValueError(f"{where} monitor judges all units of a layer: leave it out, or compute all in every step")


def _check_planes(layer: QuantLayer, config: EngineConfig, policy: Policy, where: str) -> None:
    if config.planes == 1 and policy.mode is Mode.AUTO:
        raise ValueError(f"{where} mode is auto, which needs both lists, and this engine was built with one: use delta")
    lows = {"low_theta_x": policy.low_theta_x, "low_theta_h": policy.low_theta_h}
    for name, value in lows.items():
        if value is not None and layer.planes == 1:
            raise ValueError(f"{where} {name} is {value}, but the layer's weights have one plane: leave it out")
    if not policy.monitors:
        return
    named = policy.monitor.rule.name.lower()
    if not config.monitor:
        raise ValueError(f"{where} monitor is {named}, this engine was built without one")
    if layer.planes == 1:
        raise ValueError(f"{where} monitor is {named}, but the layer's weights have one plane: nothing can be deferred")
    if not policy.keeps_sums:
        raise ValueError(f"{where} monitor is {named}, which defers changes: use mode delta or auto")


def default_policies(network: QuantNetwork, config: EngineConfig) -> list[Policy]:
    """What layers do unless a policy is given: delta without thresholds, or what an engine without delta can."""
    return [Policy(Mode.DELTA if config.delta else Mode.DENSE)] * len(network.layers)
