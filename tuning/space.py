"""What may be chosen in a policy of a design, as numbers for an optimiser.

Thresholds are those of the first layer, whose input has its own, and how many rungs higher or lower each later layer
stands on the ladder of h: its input is an h as well. A threshold is an index into a ladder, since what matters of it is
its ratio, and zero is on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from lstmith.spec.config import PACKED_OPERAND, EngineConfig
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Scope, Skip
from lstmith.spec.policy_check import check_policies
from lstmith.spec.quantised import QuantNetwork
from lstmith.tuning.pieces import Float32

Params = dict[str, int]

TAUS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 48, 63, 96, 127, 192, 255)
#: For an 8-bit grid, and for a 16-bit one, whose steps are 2^7 or 2^8 finer.
THETAS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 16)
FINE_THETAS = (0, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048)
REFRESHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
RATIOS = (2, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128)
UNIT_PARTS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7)
HYSTERESES = (0, 1, 2, 4, 8, 16)
WARMUPS = (0, 4, 16)
#: Change of the cell state, in parts of 256, above which the monitor asks for a restart; 0 for never.
RESTARTS = (0, 256, 192, 128, 96, 64, 48, 32)
LIMITS = (1, 2, 3, 4, 8)
#: Parts of the steps whose input moved less: the thresholds of the skip rule.
SKIP_PARTS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
KEEPING = (Mode.DELTA, Mode.AUTO)
#: Rungs that a later layer may stand above or below the first, and how such parameters are named: ``theta_of_layer_1``.
APART, OF_LAYER = 3, "_of_layer_"


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
    thetas_x, thetas_h : tuple of int
        Ladders of the thresholds of the input and of h.
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
    thetas_x: tuple[int, ...]
    thetas_h: tuple[int, ...]
    changes: tuple[int, ...]
    fixed: Params = field(default_factory=dict)

    @classmethod
    def of(cls, network: QuantNetwork, config: EngineConfig, xs: list[Float32], skips: bool = True) -> Space:
        """The space of a design; typical sequences (float32 [T, I]) scale the thresholds of the input.

        Parameters
        ----------
        skips : bool
            Whether steps may be skipped.
        """
        first = network.layers[0]
        variants = config.mixed and all(layer.variants for layer in network.layers)
        mode_choice = (Mode.SKIP, Mode.DELTA, *((Mode.AUTO,) if config.mixed else ()))
        monitors: tuple[tuple[Rule, Scope], ...] = ((Rule.OFF, Scope.LAYER),)
        narrow = all(
            max(layer.x_grid.span, layer.h_grid.span) <= PACKED_OPERAND or 4 not in layer.variants
            for layer in network.layers
        )
        if config.monitor and variants and narrow:
            scopes = (Scope.LAYER, Scope.FOLD) if config.folds(first.units) > 1 else (Scope.LAYER,)
            monitors += tuple((rule, scope) for rule in (Rule.RATIO, Rule.COUNT) for scope in scopes)
        thetas_x, thetas_h = (FINE_THETAS if grid.shift == 0 else THETAS for grid in (first.x_grid, first.h_grid))
        changes = (0, *_changes(network, xs)) if config.skip and skips else (0,)
        sizes = {"mode": len(mode_choice), "theta_x": len(thetas_x), "theta_h": len(thetas_h)}
        if config.mixed:
            sizes["refresh"] = len(REFRESHES)
        if variants:
            most_x, most_h = _tau_limits(network, config)
            for name in ("tau", "restart_tau"):
                sizes[f"{name}_x"] = sum(tau <= most_x for tau in TAUS)
                sizes[f"{name}_h"] = sum(tau <= most_h for tau in TAUS)
        if len(monitors) > 1:
            sizes |= {"monitor": len(monitors), "ratio": len(RATIOS), "part": len(UNIT_PARTS)}
            sizes |= {"hysteresis": len(HYSTERESES), "warmup": len(WARMUPS)}
            sizes["restart_above"] = len(RESTARTS)
        if len(changes) > 1:
            sizes |= {"change": len(changes), "limit": len(LIMITS)}
        if network.active_counts > 1:
            sizes["active"] = network.active_counts
        for index in range(1, len(network.layers)):
            sizes |= {f"{name}{OF_LAYER}{index}": 2 * APART + 1 for name in ("theta", "tau") if f"{name}_h" in sizes}
        return cls(network, config, sizes, mode_choice, monitors, thetas_x, thetas_h, changes)

    def policies(self, params: Params) -> list[Policy]:
        """The policies that parameters stand for; a refresh whose sums could overflow is shortened."""

        params = {**self.fixed, **params}

        def at(name: str, ladder: tuple[int, ...]) -> int:
            return ladder[params.get(name, 0)]

        mode = self.modes[params.get("mode", 0)]
        keeps = mode in KEEPING
        rule, scope = self.monitors[params.get("monitor", 0)]
        first = Policy(
            mode,
            theta_x=at("theta_x", self.thetas_x) if keeps else 0,
            theta_h=at("theta_h", self.thetas_h) if keeps else 0,
            tau_x=at("tau_x", TAUS) if keeps else 0,
            tau_h=at("tau_h", TAUS) if keeps else 0,
            restart_tau_x=at("restart_tau_x", TAUS),
            restart_tau_h=at("restart_tau_h", TAUS),
            monitor=self._monitor(rule, scope, params),
        )
        if keeps and first.mixes:
            first = replace(first, refresh=at("refresh", REFRESHES))
        if change := at("change", self.changes):
            first = replace(first, skip=Skip(change=change, limit=at("limit", LIMITS)))
        while True:
            policies = [self._layer(first, index, params) for index in range(len(self.network.layers))]
            try:
                check_policies(self.network, self.config, policies)
            except ValueError:
                if first.refresh <= 1:
                    raise
                first = replace(first, refresh=first.refresh // 2)
            else:
                return policies

    def params(self, policy: Policy) -> Params:
        """Parameters of a first layer's policy, each as near as the ladders allow; those of no effect are lowest."""
        monitor = policy.monitor
        pairs: dict[str, tuple[tuple[int, ...], int]] = {
            "theta_x": (self.thetas_x, policy.theta_x),
            "theta_h": (self.thetas_h, policy.theta_h),
            "refresh": (REFRESHES, policy.refresh or REFRESHES[-1]),
            "tau_x": (TAUS, policy.tau_x),
            "tau_h": (TAUS, policy.tau_h),
            "restart_tau_x": (TAUS, policy.restart_tau_x),
            "restart_tau_h": (TAUS, policy.restart_tau_h),
            "mode": (tuple(range(len(self.modes))), self.modes.index(policy.mode) if policy.mode in self.modes else 0),
            "ratio": (RATIOS, monitor.low),
            "hysteresis": (HYSTERESES, monitor.hysteresis),
            "warmup": (WARMUPS, monitor.warmup),
            "restart_above": (RESTARTS, monitor.restart_above),
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
        known += [
            Policy(keeping, theta_x=self.thetas_x[x], theta_h=self.thetas_h[h]) for x, h in ((0, 1), (0, 2), (1, 2))
        ]
        names = {*self.sizes, *self.fixed}
        if "tau_x" in names:
            known += [Policy(keeping, tau_x=tau, tau_h=tau, refresh=age) for tau in (2, 4, 8) for age in (8, 16)]
            known += [Policy(keeping, tau_x=2, tau_h=4, restart_tau_x=2, restart_tau_h=4, refresh=8)]
            known += [
                Policy(
                    keeping,
                    theta_x=self.thetas_x[x],
                    theta_h=self.thetas_h[1],
                    tau_x=4,
                    tau_h=5,
                    refresh=age,
                    restart_tau_x=1,
                    restart_tau_h=2,
                )
                for x, age in ((0, 8), (1, 16))
            ]
            known += [Policy(Mode.SKIP, restart_tau_x=tau, restart_tau_h=tau) for tau in (4, 8)]
        if "monitor" in names:
            watch = Monitor(Rule.RATIO, Scope.LAYER, low=10)
            known += [Policy(keeping, tau_x=tau, tau_h=tau, refresh=8, monitor=watch) for tau in (0, 4)]
        # Two may be the same on a design's ladders.
        return [dict(pairs) for pairs in dict.fromkeys(tuple(self.params(policy).items()) for policy in known)]

    def only(self, fixed: Params, *free: str) -> Space:
        """The same choices, but for few parameters, the others fixed or lowest.

        ``theta`` and ``tau`` name those of all later layers.
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
            restart_above=RESTARTS[params.get("restart_above", 0)],
        )

    def _layer(self, first: Policy, index: int, params: Params) -> Policy:
        layer = self.network.layers[index]
        active_index = params.get("active", 0)
        active = layer.active(active_index) if active_index else 0
        if index == 0:
            return replace(first, active=active)
        most = [_tau_limit(self.network, self.config, index, side) for side in ("x", "h")]
        apart = {name: params.get(f"{name}{OF_LAYER}{index}", APART) - APART for name in ("theta", "tau")}
        theta = _moved(self.thetas_h, first.theta_h, apart["theta"]) if first.mode in KEEPING else 0
        # Without a refresh nothing may be mixed: what is off stays off.
        tau, restart_tau = (
            _moved(TAUS, value, apart["tau"]) if value else 0 for value in (first.tau_h, first.restart_tau_h)
        )
        return replace(
            first,
            active=active,
            theta_x=theta,
            theta_h=theta,
            tau_x=min(tau, most[0]),
            tau_h=min(tau, most[1]),
            restart_tau_x=min(restart_tau, most[0]),
            restart_tau_h=min(restart_tau, most[1]),
        )


def _moved(ladder: tuple[int, ...], value: int, rungs: int) -> int:
    """A threshold some rungs higher or lower."""
    return ladder[min(max(ladder.index(value) + rungs, 0), len(ladder) - 1)]


def _tau_limits(network: QuantNetwork, config: EngineConfig) -> tuple[int, int]:
    """Largest thresholds of the first layer's input and of every layer's h."""
    return _tau_limit(network, config, 0, "x"), min(
        _tau_limit(network, config, index, "h") for index in range(len(network.layers))
    )


def _tau_limit(network: QuantNetwork, config: EngineConfig, index: int, side: str) -> int:
    """Largest operand that a lower variant can take, as :func:`check_policies` has it; 0 without one."""
    layer = network.layers[index]
    if layer.entry_variant is None:
        return 0
    limit = PACKED_OPERAND if layer.entry_variant == 4 else (1 << (config.operand_width - 1)) - 1
    exponent = layer.x_grid.exponent if side == "x" else 0
    return min(TAUS[-1], limit >> (exponent + layer.precision - layer.entry_variant))


def _changes(network: QuantNetwork, xs: list[Float32]) -> list[int]:
    grid = network.layers[0].x_grid
    moved = [np.abs(np.diff(grid.apply(network.quantise_input(x)), axis=0)).sum(axis=1) for x in xs if len(x) > 1]
    if not moved:
        return []
    quantiles = np.quantile(np.concatenate(moved), SKIP_PARTS).astype(int)
    return sorted({int(value) for value in quantiles if value > 0})
