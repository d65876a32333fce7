"""Lower weight variants of a network, and the width of sums that leaves room for what they miss."""

from __future__ import annotations

from dataclasses import replace

from lstmith.compiler.quantise.fit import accumulator_bits as exact_bits
from lstmith.spec.config import PACKED_OPERAND
from lstmith.spec.policy import Mode, Monitor, Policy, Rule
from lstmith.spec.policy_check import missed_bound
from lstmith.spec.quantised import QuantLayer, QuantNetwork

#: Lower variant of each precision: half the words, and for the usual precision half the bits.
LOWER: dict[int, tuple[int, ...]] = {4: (), 8: (4,), 16: (8,)}
#: What sums are sized for: changes up to 16 on the lower variant with the sums renewed every 16 steps, or
#: the monitor, which may put any operand there, with the sums renewed every 8. A policy that asks for more is
#: refused by name where the sums are too narrow for it.
SMALL_CHANGES = Policy(Mode.AUTO, tau_x=16, tau_h=16, restart_tau_x=16, restart_tau_h=16, refresh=16)
MONITORED = Policy(Mode.AUTO, refresh=8, monitor=Monitor(Rule.RATIO))


def with_variants(network: QuantNetwork) -> QuantNetwork:
    """The network with a lower variant of every layer that can have one."""
    return replace(network, layers=tuple(replace(layer, variants=LOWER[layer.precision]) for layer in network.layers))


def accumulator_bits(layer: QuantLayer) -> int:
    """Signed width that holds every row sum, and what lower variants leave out of it under the policies above."""
    if not layer.variants:
        return exact_bits(layer)
    # Two 4-bit weights share a multiplier, so the monitor may not use them where operands are larger.
    packed = max(layer.x_grid.span, layer.h_grid.span) <= PACKED_OPERAND
    policies = [SMALL_CHANGES, MONITORED] if packed or layer.variants[0] != 4 else [SMALL_CHANGES]
    missed = max(missed_bound(layer, policy) for policy in policies)
    return (layer.sum_bound + missed).bit_length() + 1
