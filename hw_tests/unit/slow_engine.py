"""A whole engine in plain Python integers: lists, kept sums, images, monitor, skipped steps, active counts.

Sums are formed as the hardware does, entry by entry on the image that the entry uses; golden instead
computes what lower variants leave out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hw_tests.unit import slow_lstm
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import DROP
from lstmith.spec.policy import Mode, Policy, Rule, Scope
from lstmith.spec.quantised import QuantLayer, QuantNetwork


@dataclass
class StepRecord:
    """What one layer did in one step; names as in golden's traces."""

    h: list[int]
    c: list[int]
    skipped: bool = True
    active_index: int = 0
    restart: bool = False
    x_class: list[int] = field(default_factory=list)
    h_class: list[int] = field(default_factory=list)
    fold_precisions: list[int] = field(default_factory=list)


def size_of(value: int) -> int:
    """What the monitor sees of a cell state: one's complement size without the low bits."""
    return (value if value >= 0 else -value - 1) // 2**DROP


class SlowLayer:
    """One layer's memories and registers."""

    def __init__(self, network: QuantNetwork, config: EngineConfig, policy: Policy, index: int):
        self.layer: QuantLayer = network.layers[index]
        self.lower_layer = network.layers[index - 1] if index else None
        self.config, self.policy, self.index, self.stacked = config, policy, index, len(network.layers) > 1
        layer = self.layer
        self.precision = layer.precision
        self.variants = {bits: layer.variant(bits).tolist() for bits in (layer.precision, *layer.variants)}
        self.h, self.c = [0] * layer.units, [0] * layer.units
        self.x_held, self.h_held = [0] * layer.inputs, [0] * layer.units  # what the sums stand for
        self.h_next = [0] * layer.units  # what they shall stand for after the next step
        self.sums = [0] * (4 * layer.units)
        self.largest_sum = 0
        self.age = self.steps = self.active_index = 0
        self.fresh = True  # h is zero and not even a dense step lists it
        self.late = (0, 0)
        self.decisions: list[tuple[list[int], bool]] = []  # newest first

    def load(self, h: list[int], c: list[int], active_index: int) -> None:
        """States that the host writes."""
        active = self.counts[active_index]
        self.active_index, self.fresh = active_index, False
        self.h = [value if unit < active else 0 for unit, value in enumerate(h)]
        self.c = [value if unit < active else 0 for unit, value in enumerate(c)]
        self.h_next = [slow_lstm.on_grid(value, self.layer.h_grid) if value else 0 for value in self.h]
        self.h_next = [value if unit < active else 0 for unit, value in enumerate(self.h_next)]

    @property
    def counts(self) -> list[int]:
        return [self.layer.units, *self.layer.counts]

    def begin(self, active_index: int) -> bool:
        """Another active count; returns whether it is another."""
        if active_index == self.active_index:
            return False
        kept = min(self.counts[active_index], self.counts[self.active_index])
        self.h = [value if unit < kept else 0 for unit, value in enumerate(self.h)]
        self.c = [value if unit < kept else 0 for unit, value in enumerate(self.c)]
        self.h_next = [slow_lstm.on_grid(value, self.layer.h_grid) if value else 0 for value in self.h]
        self.active_index = active_index
        return True

    def step(self, x: list[int], exact: bool, x_exact: bool) -> StepRecord:
        """One computed step; ``exact`` recomputes the sums, ``x_exact`` ignores the threshold of x."""
        layer, policy = self.layer, self.policy
        if exact:
            self.steps = 0
        active = self.counts[self.active_index]
        below = self.lower_layer
        inputs = layer.inputs if below is None else [below.units, *below.counts][self.active_index]
        x_next = [
            self._follow(slow_lstm.on_grid(value, layer.x_grid), held, policy.theta_x, x_exact)
            if column < inputs
            else 0
            for column, (value, held) in enumerate(zip(x, self.x_held, strict=True))
        ]
        x_change = [new - old for new, old in zip(x_next, self.x_held, strict=True)]
        h_change = [new - old for new, old in zip(self.h_next, self.h_held, strict=True)]
        restart = exact or self._restarts(x_change, x_next, h_change, self.h_next)
        if exact:
            self.late = 0, 0
        elif policy.mode is Mode.AUTO:
            self._note_costs(x_change, x_next, h_change, self.h_next)
        x_list = x_next if restart else x_change
        h_list = self.h_next if restart else h_change
        taus = (policy.restart_tau_x, policy.restart_tau_h) if restart else (policy.tau_x, policy.tau_h)
        x_class = [self._kind(value, taus[0]) if column < inputs else 0 for column, value in enumerate(x_list)]
        recurrent = 0 if self.fresh else active
        h_class = [self._kind(value, taus[1]) if column < recurrent else 0 for column, value in enumerate(h_list)]
        fold_precisions = self._fold_precisions()
        operands = [value * 2**layer.x_grid.exponent for value in x_list] + h_list
        if restart:
            self.sums = [0] * len(self.sums)
        self._add(operands, x_class + h_class, fold_precisions, active)
        self.x_held, self.h_held = x_next, self.h_next

        old = self.c
        self._cells(active)
        if policy.monitor.rule is not Rule.OFF:
            self.decisions.insert(0, self._judge(old, active))
        self.h_next = [
            self._follow(slow_lstm.on_grid(value, layer.h_grid), held, policy.theta_h, False) if unit < active else 0
            for unit, (value, held) in enumerate(zip(self.h, self.h_held, strict=True))
        ]
        self.age = 0 if restart else self.age + 1
        self.steps += 1
        self.fresh = False
        # Folds of dropped units alone do not happen.
        fold_precisions = [
            level if fold * self.config.lanes < active else 0 for fold, level in enumerate(fold_precisions)
        ]
        return StepRecord(
            self.shown_h(), list(self.c), False, self.active_index, restart, x_class, h_class, fold_precisions
        )

    def shown_h(self) -> list[int]:
        """h with what dropped units count as."""
        active = self.counts[self.active_index]
        idle = [0] * len(self.h) if self.layer.idle_h is None else self.layer.idle_h.tolist()
        return self.h[:active] + idle[active:]

    def _follow(self, value: int, held: int, theta: int, exact: bool) -> int:
        keeps = self.policy.mode in (Mode.DELTA, Mode.AUTO)
        return value if not keeps or exact or abs(value - held) > theta else held

    def _kind(self, operand: int, tau: int) -> int:
        """0 not listed, 1 at the layer's precision, 2 on the lower variant."""
        if operand == 0 and self.policy.mode is not Mode.DENSE:
            return 0
        mixes = self.policy.mixes and self.layer.variants
        return 2 if mixes and tau > 0 and abs(operand) <= tau else 1

    def _restarts(self, x_change: list[int], x_all: list[int], h_change: list[int], h_all: list[int]) -> bool:
        policy = self.policy
        if policy.mode in (Mode.DENSE, Mode.SKIP):
            return True
        if policy.refresh and self.age + 1 >= policy.refresh:
            return True
        lag = 1 if self.stacked else 2
        if policy.monitor.rule is not Rule.OFF and self.steps >= lag and self.decisions[lag - 1][1]:
            return True
        if policy.mode is not Mode.AUTO:
            return False
        x = self._cost(x_change, policy.tau_x), self._cost(x_all, policy.restart_tau_x)
        h = self._cost(h_change, policy.tau_h), self._cost(h_all, policy.restart_tau_h)
        if self.index == 0:
            # In a stack h of the first layer is complete long before; alone it still drains.
            other = h if self.stacked else self.late
            return x[1] + other[1] <= x[0] + other[0]
        return h[1] + self.late[1] <= h[0] + self.late[0]

    def _note_costs(self, x_change: list[int], x_all: list[int], h_change: list[int], h_all: list[int]) -> None:
        policy = self.policy
        if self.index == 0:
            self.late = self._cost(h_change, policy.tau_h), self._cost(h_all, policy.restart_tau_h)
        else:
            self.late = self._cost(x_change, policy.tau_x), self._cost(x_all, policy.restart_tau_x)

    def _cost(self, operands: list[int], tau: int) -> int:
        low = self.layer.variants[-1] if self.policy.mixes and self.layer.variants else self.precision
        return sum((low if 0 < abs(value) <= tau else self.precision) // 4 for value in operands if value)

    def _fold_precisions(self) -> list[int]:
        folds = self.config.folds(self.layer.units)
        lag = 1 if self.stacked else 2
        monitor = self.policy.monitor
        if monitor.rule is Rule.OFF or self.steps < max(lag, monitor.warmup):
            return [self.precision] * folds
        return self.decisions[lag - 1][0]

    def _add(self, operands: list[int], classes: list[int], fold_precisions: list[int], active: int) -> None:
        units = self.layer.units
        for unit in range(active):
            level = fold_precisions[unit // self.config.lanes]
            for column, (operand, kind) in enumerate(zip(operands, classes, strict=True)):
                if not kind:
                    continue
                bits = level if level < self.precision or kind == 1 else self.layer.variants[-1]
                for gate in range(4):
                    row = gate * units + unit
                    self.sums[row] += (self.variants[bits][row][column] * operand) * 2 ** (self.precision - bits)
        self.largest_sum = max([self.largest_sum, *(abs(value) for value in self.sums)])

    def _cells(self, active: int) -> None:
        units, layer = self.layer.units, self.layer
        h, c = [0] * units, [0] * units
        for unit in range(active):
            rows = [gate * units + unit for gate in range(4)]
            z = [slow_lstm.pre_activation(self.sums[row], layer, row, self.config, self.active_index) for row in rows]
            peeps = slow_lstm.peepholes(layer, unit)
            h[unit], c[unit] = slow_lstm.cell(z, self.c[unit], peeps, layer, self.config)
        self.h, self.c = h, c

    def _judge(self, old: list[int], active: int) -> tuple[list[int], bool]:
        """Level of each fold, and whether a restart is requested."""
        monitor, lanes = self.policy.monitor, self.config.lanes
        groups = [range(k * lanes, min((k + 1) * lanes, active)) for k in range(self.config.folds(self.layer.units))]
        if monitor.scope is Scope.LAYER:
            groups = [range(active)] * len(groups)
        before = self.decisions[0][0] if self.decisions and self.steps else [self.precision] * len(groups)
        fold_precisions, requested = [], False
        for group, previous in zip(groups, before, strict=True):
            sizes = [(size_of(self.c[unit] - old[unit]), size_of(self.c[unit])) for unit in group]
            # Of sums over 2^n lanes the lowest n bits do not count.
            spare = 2 ** int(math.log2(lanes))
            moved, size = sum(change for change, _ in sizes) // spare, sum(whole for _, whole in sizes) // spare
            changed = sum(change * 2**monitor.theta > whole for change, whole in sizes)
            chosen = self.precision
            for bits, threshold in zip(self.layer.variants, (monitor.low, monitor.middle), strict=False):
                limit = threshold + (monitor.hysteresis if previous <= bits else 0)
                quiet = changed < limit if monitor.rule is Rule.COUNT else 256 * moved < limit * size
                if quiet:
                    chosen = bits
                    break
            fold_precisions.append(chosen)
            # A fold of dropped units alone does not happen.
            requested |= bool(group) and bool(monitor.restart_above) and 256 * moved >= monitor.restart_above * size
        return fold_precisions, requested


class SlowEngine:
    """All layers, one sequence; a step passes through the whole stack."""

    def __init__(self, network: QuantNetwork, config: EngineConfig, policies: list[Policy]):
        self.network, self.rule = network, policies[0].skip
        self.layers = [SlowLayer(network, config, policy, index) for index, policy in enumerate(policies)]
        self.predicted, self.in_a_row, self.begun = False, 0, False

    def run(self, x: list[list[int]], hints: list[bool], active_indices: list[int]) -> list[list[StepRecord]]:
        """All steps; a list of records for each layer."""
        descriptors: list[list[StepRecord]] = [[] for _ in self.layers]
        for step, hint, active_index in zip(x, hints, active_indices, strict=True):
            skipped = self.begun and self._skips(step, hint)
            if skipped:
                for layer, found in zip(self.layers, descriptors, strict=True):
                    found.append(StepRecord(layer.shown_h(), list(layer.c), active_index=layer.active_index))
                continue
            self.in_a_row = 0
            values = step
            for layer, found in zip(self.layers, descriptors, strict=True):
                exact = layer.begin(active_index) or not self.begun
                # The first layer's x is encoded before the step's active count takes effect.
                found.append(layer.step(values, exact, exact if layer.index else not self.begun))
                values = layer.shown_h()
            self.begun = True
            first = self.layers[0]
            if self.rule.predictor and self.network.predictor is not None:
                held = [value * 2**first.layer.x_grid.exponent for value in first.x_held] + first.h_held
                weights = self.network.predictor.tolist()
                total = sum(w * v for w, v in zip(weights, held, strict=True))
                self.predicted = total >= self.rule.threshold
        return descriptors

    def _skips(self, step: list[int], hint: bool) -> bool:
        if hint and self.rule.hints:
            return True
        first = self.layers[0]
        values = [slow_lstm.on_grid(value, first.layer.x_grid) for value in step]
        distance = sum(max(value - held, held - value - 1) for value, held in zip(values, first.x_held, strict=True))
        wanted = (self.rule.predictor and self.predicted) or distance < self.rule.change
        if wanted and self.in_a_row < self.rule.limit:
            self.in_a_row += 1
            return True
        return False
