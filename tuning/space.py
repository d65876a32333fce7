"""What may be chosen in a policy of a design, as numbers for an optimiser.

Thresholds are those of the first layer, whose input has its own, and how many rungs higher or lower each later layer
stands on the ladders of h: its input is an h as well. A threshold is an index into a ladder, since what matters of it
is its ratio, and zero is on it. On the ladders of the low plane zero means the top plane's threshold, for a lower one
gains nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Scope, Skip
from lstmith.spec.quantised import QuantNetwork
from lstmith.tuning.pieces import Float32

Params = dict[str, int]

#: For an 8-bit grid. No change is as large as the last threshold of the low plane, which is never served there.
THETAS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
LOW_THETAS = (0, 1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 96, 128, 255)
#: For a 16-bit grid, whose steps are 2^7 or 2^8 finer.
FINE_THETAS = (0, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
FINE_LOW_THETAS = (
    0,
    64,
    128,
    256,
    512,
    768,
    1024,
    1536,
    2048,
    3072,
    4096,
    6144,
    8192,
    12288,
    16384,
    24576,
    32768,
    65535,
)
RATIOS = (2, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128)
UNIT_PARTS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7)
HYSTERESES = (0, 1, 2, 4, 8, 16)
WARMUPS = (0, 4, 16)
LIMITS = (1, 2, 3, 4, 8)
#: Parts of the steps whose input moved less: the thresholds of the skip rule.
SKIP_PARTS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
KEEPING = (Mode.DELTA, Mode.AUTO)
#: Rungs that a later layer may stand above or below the first, and how such parameters are named: ``theta_of_layer_1``.
APART, OF_LAYER = 3, "_of_layer_"
#: Thresholds that did well on tuning data, of 8-bit grids and of 16-bit ones: of the top plane for x and h, of the low
#: plane for x and h.
KNOWN = (
    (0, 0, 2, 2),
    (0, 0, 4, 4),
    (0, 0, 8, 8),
    (0, 1, 4, 4),
    (0, 1, 8, 8),
    (1, 1, 8, 8),
    (0, 1, 12, 12),
    (1, 2, 4, 8),
    (1, 2, 12, 12),
    (1, 2, 16, 24),
    (2, 2, 24, 24),
    (4, 10, 96, 96),
)
FINE_KNOWN = (
    (8, 8, 1024, 1024),
    (16, 16, 2048, 2048),
    (12, 384, 1024, 3072),
    (64, 384, 768, 6144),
    (64, 64, 4096, 4096),
)
#: The same of weights in one plane.
KNOWN_WHOLE = ((0, 1), (0, 2), (1, 2), (4, 6), (6, 10))
FINE_KNOWN_WHOLE = ((8, 8), (16, 16), (32, 64), (64, 128), (128, 256))


@dataclass(frozen=True)
class Space:
    """The choices.

    Parameters
    ----------
    network : QuantNetwork
    config : EngineConfig
    sizes : dict of str to int
        Values of each parameter: it is an index below this.
    modes : tuple of Mode
    monitors : tuple of (Rule, Scope)
    ladders : dict of tuple of int
        Ladders of the thresholds, by the policy's field.
    changes : tuple of int
        Ladder of the skip rule.
    fixed : dict of str to int
        Parameters that are not searched; the others are lowest, and later layers as the first.
    """

    network: QuantNetwork
    config: EngineConfig
    sizes: dict[str, int]
    modes: tuple[Mode, ...]
    monitors: tuple[tuple[Rule, Scope], ...]
    ladders: dict[str, tuple[int, ...]]
    changes: tuple[int, ...]
    fixed: Params = field(default_factory=dict)

    @classmethod
    def of(
        cls, network: QuantNetwork, config: EngineConfig, xs: list[Float32], skips: bool = True, by_fold: bool = True
    ) -> Space:
        """The space of a design; typical sequences (float32 [T, I]) scale the thresholds of the input.

        Parameters
        ----------
        skips : bool
            Whether steps may be skipped.
        by_fold : bool
            Whether the monitor may decide for each fold, which ties a policy to the number of lanes.
        """
        first = network.layers[0]
        modes = (Mode.SKIP, Mode.DELTA, *((Mode.AUTO,) if config.planes > 1 else ()))
        monitors: tuple[tuple[Rule, Scope], ...] = ((Rule.OFF, Scope.LAYER),)
        planes = max(layer.planes for layer in network.layers)
        if config.monitor and planes > 1:
            scopes = (Scope.LAYER, Scope.FOLD) if by_fold and config.folds(first.units) > 1 else (Scope.LAYER,)
            monitors += tuple((rule, scope) for rule in (Rule.RATIO, Rule.COUNT) for scope in scopes)
        ladders: dict[str, tuple[int, ...]] = {}
        for side, grid in (("x", first.x_grid), ("h", first.h_grid)):
            fine = grid.shift == 0
            ladders[f"theta_{side}"] = FINE_THETAS if fine else THETAS
            if planes > 1:
                ladders[f"low_theta_{side}"] = FINE_LOW_THETAS if fine else LOW_THETAS
        changes = (0, *_changes(network, xs)) if config.skip and skips else (0,)
        sizes = {"mode": len(modes), **{name: len(ladder) for name, ladder in ladders.items()}}
        if len(monitors) > 1:
            sizes |= {"monitor": len(monitors), "ratio": len(RATIOS), "part": len(UNIT_PARTS)}
            sizes |= {"hysteresis": len(HYSTERESES), "warmup": len(WARMUPS)}
        if len(changes) > 1:
            sizes |= {"change": len(changes), "limit": len(LIMITS)}
        # A policy that always skims would never compute the other units.
        if network.active_counts > 1 and not network.skims:
            sizes["active"] = network.active_counts
        for index in range(1, len(network.layers)):
            names = ("theta", "low_theta")
            sizes |= {f"{name}{OF_LAYER}{index}": 2 * APART + 1 for name in names if f"{name}_h" in ladders}
        return cls(network, config, sizes, modes, monitors, ladders, changes)

    def policies(self, params: Params) -> list[Policy]:
        """The policies that parameters stand for."""
        params = {**self.fixed, **params}
        mode = self.modes[params.get("mode", 0)]
        first = Policy(mode)
        if mode in KEEPING:
            thetas = {name: ladder[params.get(name, 0)] for name, ladder in self.ladders.items()}
            rule, scope = self.monitors[params.get("monitor", 0)]
            first = _with_thetas(replace(first, monitor=self._monitor(rule, scope, params)), thetas)
        if change := self.changes[params.get("change", 0)]:
            first = replace(first, skip=Skip(change=change, limit=LIMITS[params.get("limit", 0)]))
        return [self._layer(first, index, params) for index in range(len(self.network.layers))]

    def params(self, policy: Policy) -> Params:
        """Parameters of a first layer's policy, each as near as the ladders allow; those of no effect are lowest."""
        monitor = policy.monitor
        pairs: dict[str, tuple[tuple[int, ...], int]] = {
            **{name: (ladder, getattr(policy, name) or 0) for name, ladder in self.ladders.items()},
            "mode": (tuple(range(len(self.modes))), self.modes.index(policy.mode) if policy.mode in self.modes else 0),
            "ratio": (RATIOS, monitor.low),
            "hysteresis": (HYSTERESES, monitor.hysteresis),
            "warmup": (WARMUPS, monitor.warmup),
            "change": (self.changes, policy.skip.change),
            "limit": (LIMITS, policy.skip.limit),
        }
        found = {name: APART if OF_LAYER in name else 0 for name in self.sizes}
        for name, (ladder, value) in pairs.items():
            if name in found:
                found[name] = int(np.abs(np.array(ladder[: self.sizes[name]]) - value).argmin())
        if "monitor" in found and (monitor.rule, monitor.scope) in self.monitors:
            found["monitor"] = self.monitors.index((monitor.rule, monitor.scope))
        return found

    def starts(self) -> list[Params]:
        """Policies that are known to be sensible, exact ones first."""
        keeping = Mode.AUTO if Mode.AUTO in self.modes else Mode.DELTA
        known = [Policy(keeping), Policy(Mode.SKIP)]
        fine = self.ladders["theta_h"] is FINE_THETAS
        if "low_theta_h" in self.ladders:
            known += [
                Policy(keeping, theta_x=x, theta_h=h, low_theta_x=low_x, low_theta_h=low_h)
                for x, h, low_x, low_h in (FINE_KNOWN if fine else KNOWN)
            ]
        else:
            known += [Policy(keeping, theta_x=x, theta_h=h) for x, h in (FINE_KNOWN_WHOLE if fine else KNOWN_WHOLE)]
        if len(self.monitors) > 1:
            watch = Monitor(Rule.RATIO, Scope.LAYER, low=10)
            known += [replace(policy, monitor=watch) for policy in (Policy(keeping), known[2])]
        # Two may be the same on a design's ladders.
        return [dict(pairs) for pairs in dict.fromkeys(tuple(self.params(policy).items()) for policy in known)]

    def only(self, fixed: Params, *free: str) -> Space:
        """The same choices, but for few parameters, the others fixed or lowest.

        ``theta`` and ``low_theta`` name those of all later layers.
        """
        sizes = {name: size for name, size in self.sizes.items() if name.partition(OF_LAYER)[0] in free}
        return replace(self, sizes=sizes, fixed=fixed)

    def _monitor(self, rule: Rule, scope: Scope, params: Params) -> Monitor:
        if rule is Rule.OFF:
            return Monitor()
        units = self.network.layers[0].units
        if scope is Scope.FOLD:
            units = min(units, self.config.lanes)
        ratio = rule is Rule.RATIO
        return Monitor(
            rule,
            scope,
            low=RATIOS[params.get("ratio", 0)] if ratio else max(1, round(units * UNIT_PARTS[params.get("part", 0)])),
            hysteresis=HYSTERESES[params.get("hysteresis", 0)],
            theta=2,
            warmup=WARMUPS[params.get("warmup", 0)],
        )

    def _layer(self, first: Policy, index: int, params: Params) -> Policy:
        layer = self.network.layers[index]
        active_index = params.get("active", 0)
        found = replace(first, active=layer.active(active_index) if active_index else 0)
        if index and first.mode in KEEPING:
            apart = {name: params.get(f"{name}{OF_LAYER}{index}", APART) - APART for name in ("theta", "low_theta")}
            moved = {
                name: _moved(self.ladders[f"{name}_h"], getattr(first, f"{name}_h") or 0, rungs)
                for name, rungs in apart.items()
                if f"{name}_h" in self.ladders
            }
            found = _with_thetas(found, {f"{name}_{side}": theta for name, theta in moved.items() for side in "xh"})
        if layer.planes > 1:
            return found
        return replace(found, low_theta_x=None, low_theta_h=None, monitor=Monitor())


def _with_thetas(policy: Policy, thetas: dict[str, int]) -> Policy:
    """A policy with thresholds from the ladders, where zero of the low plane means the top plane's."""
    low: dict[str, Any] = {name: theta or None for name, theta in thetas.items() if name.startswith("low")}
    return replace(policy, **(thetas | low))


def _moved(ladder: tuple[int, ...], value: int, rungs: int) -> int:
    """A threshold some rungs higher or lower."""
    return ladder[min(max(ladder.index(value) + rungs, 0), len(ladder) - 1)]


def _changes(network: QuantNetwork, xs: list[Float32]) -> list[int]:
    grid = network.layers[0].x_grid
    moved = [np.abs(np.diff(grid.apply(network.quantise_input(x)), axis=0)).sum(axis=1) for x in xs if len(x) > 1]
    if not moved:
        return []
    quantiles = np.quantile(np.concatenate(moved), SKIP_PARTS).astype(int)
    return sorted({int(value) for value in quantiles if value > 0})
