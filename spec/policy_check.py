"""Whether an engine and a network can do what a policy asks."""

from __future__ import annotations

import numpy as np

from lstmith.spec.config import PACKED_OPERAND, EngineConfig
from lstmith.spec.policy import Mode, Policy, Rule
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
    for index, (layer, policy) in enumerate(zip(network.layers, policies, strict=True)):
        where = f"Layer {index} policy field"
        if index and policy.skip != skip and policy.skip.active:
            raise ValueError(f"{where} skip differs from layer 0: give it there, all layers follow")
        counts = (layer.units, *layer.counts)
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
        _check_variants(layer, config, policy, where)
    if (skip.change or skip.predictor) and not config.skip:
        raise ValueError("Layer 0 policy field skip asks for a rule that this engine was built without")
    if skip.predictor and network.predictor is None:
        raise ValueError("Layer 0 policy field skip.predictor is true, but the network has no predictor: train one")


def _check_variants(layer: QuantLayer, config: EngineConfig, policy: Policy, where: str) -> None:
    if not config.mixed and (policy.mode.name == "AUTO" or policy.refresh or policy.mixes):
        raise ValueError(f"{where} mode, refresh, tau or monitor needs both lists, which this engine was built without")
    monitors = policy.monitor.rule is not Rule.OFF
    if monitors and not config.monitor:
        raise ValueError(f"{where} monitor is {policy.monitor.rule.name.lower()}, this engine was built without one")
    if not policy.mixes:
        return
    variant = layer.entry_variant
    if variant is None:
        raise ValueError(f"{where} tau or monitor needs a lower variant: compile the network with one")
    if policy.keeps_sums and not policy.refresh:
        raise ValueError(f"{where} refresh is 0, so errors of the lower variant would pile up: use 1 or more")
    shift = layer.precision - variant
    limit = (1 << (config.operand_width - 1)) - 1
    if variant == 4:
        limit = min(limit, PACKED_OPERAND)
    for name, exponent in (("x", layer.x_grid.exponent), ("h", 0)):
        most = limit >> (exponent + shift)
        for field in (f"tau_{name}", f"restart_tau_{name}"):
            if getattr(policy, field) > most:
                raise ValueError(f"{where} {field} is {getattr(policy, field)}: use at most {most}")
    span = max(layer.x_grid.span, layer.h_grid.span)
    if monitors and layer.variants[0] == 4 and span > PACKED_OPERAND:
        raise ValueError(f"{where} monitor needs operands of at most {PACKED_OPERAND}, this layer's reach {span}")
    bound = layer.sum_bound + missed_bound(layer, policy)
    if bound >= 1 << (config.acc_width - 1):
        raise ValueError(
            f"{where} refresh is {policy.refresh}: sums may reach {bound}, beyond {config.acc_width} bits; lower it"
        )


def default_policies(network: QuantNetwork, config: EngineConfig) -> list[Policy]:
    """What layers do unless a policy is given: delta without thresholds, or what an engine without delta can."""
    return [Policy(Mode.DELTA if config.delta else Mode.DENSE)] * len(network.layers)


def missed_bound(layer: QuantLayer, policy: Policy) -> int:
    """Largest magnitude of what lower variants leave out of a row sum between two restarts."""
    steps = policy.refresh if policy.keeps_sums else 1
    if policy.monitor.rule is not Rule.OFF:
        # Any operand may meet any image.
        tops = layer.x_grid.span, layer.h_grid.span
    else:
        tops = (
            max(policy.tau_x, policy.restart_tau_x) << layer.x_grid.exponent,
            max(policy.tau_h, policy.restart_tau_h),
        )
    bound = 0
    for precision in layer.variants:
        error = np.abs(layer.variant_error(precision))
        rows = error[:, : layer.inputs].sum(axis=1) * tops[0] + error[:, layer.inputs :].sum(axis=1) * tops[1]
        bound = max(bound, int(rows.max(initial=0)))
    return steps * bound
