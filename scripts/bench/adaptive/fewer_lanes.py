"""What was chosen for a workload, counted again on engines of fewer lanes: the values stay, the cycles do not."""

from __future__ import annotations

from lstmith.scripts.bench.adaptive.judgement import Count, Network
from lstmith.scripts.bench.adaptive.networks import Static
from lstmith.scripts.bench.adaptive.rows import Wanted, reporter
from lstmith.scripts.bench.adaptive.search import Bed
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.policy_file import parse_policies

#: Most lanes of the engines that are counted beside those that policies are chosen on.
FEWER = (32, 16)


def counted(kept: Network, bed: Bed, lanes: int) -> Count | None:
    """Cycles of a workload's best row on held-out data with at most so many lanes; nothing is tuned.

    Parameters
    ----------
    kept : Network
        What was found with most lanes.
    bed : Bed
        The workload in the base.
    lanes : int

    Returns
    -------
    Count or None
        None if no engine has more lanes than that.
    """
    best = kept.best
    name = _format(best.name, kept.base)
    if name != kept.base:
        bed = Bed.build(kept.name, Static.named(name), lanes)
    fewer = bed.with_lanes(lanes)
    used = {network: engine.config.lanes for network, engine in fewer.engines.items()}
    if used == kept.lanes:
        return None
    policies = fewer.uniform(Policy(Mode.DENSE))
    for network, layers in kept.policies.get(best.name, {}).items():
        policies[network] = parse_policies({"layers": layers}, len(layers), f"{kept.name}, {best.name}")
    row = reporter(fewer)(Wanted(best.name, policies))
    # A word of weights takes a cycle whatever the lanes, so formats keep their proportion.
    base_cycles = fewer.ideal_cycles * Static.named(kept.base).weights / Static.named(name).weights
    return Count(
        lanes=used,
        row=best.name,
        cycles=row.cycles,
        base_cycles=base_cycles,
        static_cycles=base_cycles * kept.static_cycles / kept.base_cycles,
        same_quality=row.quality == best.quality,
    )


def _format(row: str, base: str) -> str:
    """The static format that a row is of: its name begins with it, or it is the base."""
    first = row.partition(" ")[0].rstrip(",")
    return first if first.startswith("W") else base
