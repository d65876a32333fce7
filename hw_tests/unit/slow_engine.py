"""A whole engine in plain Python integers: lists, kept sums, digit planes, monitor, skipped steps, active counts.

Sums are formed as the hardware does, entry by entry and digit by digit; golden multiplies the references of planes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hw_tests.unit import slow_lstm
from lstmith.spec.config import EngineConfig
from lstmith.spec.monitor_rule import DROP
from lstmith.spec.policy import Mode, Policy, Rule, Scope
from lstmith.spec.quantised import QuantLayer, QuantNetwork

#: By plane, then by column.
Planes = list[list[int]]


@dataclass
class StepRecord:
    """What one layer did in one step; names as in golden's traces."""

    h: list[int]
    c: list[int]
    skipped: bool = True
    active_index: int = 0
    restart: bool = False
    x_planes: list[int] = field(default_factory=list)
    h_planes: list[int] = field(default_factory=list)


def size_of(value: int) -> int:
    """What the monitor sees of a cell state: one's complement size without the low bits."""
    return (value if value >= 0 else -value - 1) // 2**DROP


def digits_of(weight: int, planes: int, bits: int) -> list[int]:
    """A weight's digits of ``bits`` bits, the top one first."""
    if planes == 1:
        return [weight]
    half = 2 ** (bits - 1)
    low = (weight + half) % (2 * half) - half
    return [(weight - low) // 2**bits, low]


def difference(new: Planes, old: Planes) -> Planes:
    """What references changed by."""
    return [[one - two for one, two in zip(*pair, strict=True)] for pair in zip(new, old, strict=True)]


class SlowLayer:
    """One layer's memories and registers."""

    def __init__(self, network: QuantNetwork, config: EngineConfig, policy: Policy, index: int):
        self.layer: QuantLayer = network.layers[index]
        self.lower_layer = network.layers[index - 1] if index else None
        self.config, self.policy, self.index, self.stacked = config, policy, index, len(network.layers) > 1
        layer = self.layer
        self.planes, self.bits = layer.planes, layer.precision // layer.planes
        self.digits = [[digits_of(w, layer.planes, self.bits) for w in row] for row in layer.weights.tolist()]
        self.h, self.c = [0] * layer.units, [0] * layer.units
        # What the sums stand for, and what of h they shall stand for after the next step.
        self.x_held, self.h_held = self._by_plane([0] * layer.inputs), self._by_plane(self._listed_h(0))
        self.h_next = self._by_plane(self._listed_h(0))
        self.sums = [0] * len(layer.weights)
        self.largest_sum = 0
        self.steps = self.active_index = 0
        self.x_steps = 0  # as the input stage counts them
        self.fresh = True  # h is zero and not even a dense step lists it
        self.late = (0, 0)
        self.quiet: list[list[bool]] = []  # by computed step, newest first: whether each fold's cells hardly moved

    def load(self, h: list[int], c: list[int], active_index: int) -> None:
        """States that the host writes."""
        active = self.layer.units if self.layer.skims else self.counts[active_index]
        self.active_index, self.fresh = active_index, False
        self.h = [value if unit < active else 0 for unit, value in enumerate(h)]
        self.c = [value if unit < active else 0 for unit, value in enumerate(c)]
        self.h_next = self._by_plane(self._listed_h(active))

    @property
    def counts(self) -> list[int]:
        return [self.layer.units, *self.layer.counts]

    def begin(self, active_index: int) -> bool:
        """Another active count; returns whether sums are computed anew."""
        if active_index == self.active_index:
            return False
        if self.layer.skims:
            self.active_index = active_index
            if active_index == 0:
                self.h_next = self._by_plane(self._listed_h(self.layer.units))
            return active_index == 0
        kept = min(self.counts[active_index], self.counts[self.active_index])
        self.h = [value if unit < kept else 0 for unit, value in enumerate(self.h)]
        self.c = [value if unit < kept else 0 for unit, value in enumerate(self.c)]
        self.h_next = self._by_plane(self._listed_h(kept))
        self.active_index = active_index
        return True

    def _listed_h(self, active: int) -> list[int]:
        # A dense layer reads nothing of its own.
        on_grid = [slow_lstm.on_grid(value, self.layer.h_grid) for value in self.h[: self.layer.recurrent]]
        return [value if unit < active else 0 for unit, value in enumerate(on_grid)]

    def _by_plane(self, values: list[int]) -> Planes:
        return [list(values) for _ in range(self.planes)]

    def step(self, x: list[int], exact: bool, x_exact: bool) -> StepRecord:
        """One computed step; ``exact`` recomputes the sums, ``x_exact`` ignores the thresholds of x."""
        layer, policy = self.layer, self.policy
        self.steps = 0 if exact else self.steps
        self.x_steps = 0 if x_exact else self.x_steps
        active = self.counts[self.active_index]
        there = layer.units if layer.skims else active
        below = self.lower_layer
        inputs = layer.inputs if below is None or layer.skims else [below.units, *below.counts][self.active_index]
        x_defers = [not x_exact and not layer.symbols and self._defers_x()] * inputs
        x_thetas: list[int | None] = [policy.theta_x, policy.low_theta_x]
        if x_exact or layer.symbols:
            x_thetas = [0, 0]
        x_next = self._follow(self.on_grid(x), self.x_held, x_thetas, x_defers)
        x_change, h_change = difference(x_next, self.x_held), difference(self.h_next, self.h_held)
        restart = exact or self._restarts(x_change, x_next, h_change, self.h_next)
        if exact:
            self.late = 0, 0
        elif policy.mode is Mode.AUTO:
            self._note_costs(x_change, x_next, h_change, self.h_next)
        x_list, h_list = (x_next, self.h_next) if restart else (x_change, h_change)
        dense = policy.mode is Mode.DENSE
        x_planes = self._listed(x_list, inputs, dense and not layer.symbols)
        h_planes = self._listed(h_list, 0 if self.fresh else min(there, layer.recurrent), dense)
        if restart:
            self.sums = [0] * len(self.sums)
        scale = 2**layer.x_grid.exponent
        operands = [[value * scale for value in xs] + hs for xs, hs in zip(x_list, h_list, strict=True)]
        self._add(operands, x_planes + h_planes, active)
        self.x_held, self.h_held = x_next, self.h_next

        old = self.c
        self._cells(active)
        h_defers = [self._defers_h(unit) for unit in range(min(there, layer.recurrent))]
        h_grid = [slow_lstm.on_grid(value, layer.h_grid) for value in self.h[: layer.recurrent]]
        self.h_next = self._follow(h_grid, self.h_held, [policy.theta_h, policy.low_theta_h], h_defers)
        if layer.skims:
            self.h_next = [new[:active] + old[active:] for new, old in zip(self.h_next, self.h_held, strict=True)]
        if policy.monitor.rule is not Rule.OFF:
            self.quiet.insert(0, self._judge(old, active))
        self.steps, self.x_steps = self.steps + 1, self.x_steps + 1
        self.fresh = False
        return StepRecord(self.shown_h(), list(self.c), False, self.active_index, restart, x_planes, h_planes)

    def on_grid(self, x: list[int]) -> list[int]:
        """A step's columns; of a symbol all but its own are zero."""
        grid = self.layer.x_grid
        if self.layer.symbols:
            return [grid.high if column == x[0] else 0 for column in range(self.layer.inputs)]
        return [slow_lstm.on_grid(value, grid) for value in x]

    def shown_h(self) -> list[int]:
        """h with what dropped units count as."""
        active = len(self.h) if self.layer.skims else self.counts[self.active_index]
        idle = [0] * len(self.h) if self.layer.idle_h is None else self.layer.idle_h.tolist()
        return self.h[:active] + idle[active:]

    def _follow(self, values: list[int], held: Planes, thetas: list[int | None], defers: list[bool]) -> Planes:
        """Every plane's references after a step; columns beyond ``defers`` are of units that are not there."""
        keeps = self.policy.mode in (Mode.DELTA, Mode.AUTO)
        found = self._by_plane([0] * len(values))
        for plane in range(self.planes):
            low = self.planes == 2 and plane == 1
            theta = thetas[1] if low and thetas[1] is not None else thetas[0]
            theta = theta if keeps and theta is not None else 0
            for column, defer in enumerate(defers):
                value, reference = values[column], held[plane][column]
                if (low and defer) or abs(value - reference) <= theta:
                    found[plane][column] = reference
                elif self.config.planes == 2 and abs(value) <= theta:
                    # As near to the value as allowed, and in no restart list.
                    found[plane][column] = 0
                else:
                    found[plane][column] = value
        return found

    def _defers_x(self) -> bool:
        """Whether changes of the input wait, as the step three before says, for a later layer the one two before."""
        monitor = self.policy.monitor
        if monitor.rule is Rule.OFF or monitor.scope is Scope.FOLD:
            return False
        steps, lag = (self.steps, 2) if self.index else (self.x_steps, 3)
        return steps >= max(lag, monitor.warmup) and self.quiet[lag - 1][0]

    def _defers_h(self, unit: int) -> bool:
        """Whether the change of a unit's h waits in the next step, as the step before this one says."""
        monitor, following = self.policy.monitor, self.steps + 1
        if monitor.rule is Rule.OFF or following < max(2, monitor.warmup):
            return False
        return self.quiet[0][unit // self.config.lanes]

    def _listed(self, operands: Planes, count: int, dense: bool) -> list[int]:
        """By column: 1 if the top plane lists it, 2 if the low one does, 3 if both; only of the first ``count``."""
        found = [0] * len(operands[0])
        for plane, values in enumerate(operands):
            for column in range(count):
                found[column] += 2**plane if dense or values[column] != 0 else 0
        return found

    def _restarts(self, x_change: Planes, x_all: Planes, h_change: Planes, h_all: Planes) -> bool:
        if self.policy.mode in (Mode.DENSE, Mode.SKIP):
            return True
        if self.policy.mode is Mode.DELTA:
            return False
        x, h = (self._cost(x_change), self._cost(x_all)), (self._cost(h_change), self._cost(h_all))
        if self.index == 0:
            # In a stack h of the first layer is complete long before; alone it still drains.
            other = h if self.stacked else self.late
            return x[1] + other[1] <= x[0] + other[0]
        return h[1] + self.late[1] <= h[0] + self.late[0]

    def _note_costs(self, x_change: Planes, x_all: Planes, h_change: Planes, h_all: Planes) -> None:
        change, every = (h_change, h_all) if self.index == 0 else (x_change, x_all)
        self.late = self._cost(change), self._cost(every)

    def _cost(self, operands: Planes) -> int:
        """Digits that a list takes."""
        return sum(value != 0 for values in operands for value in values)

    def _add(self, operands: Planes, listed: list[int], active: int) -> None:
        units = self.layer.units
        for row in (gate * units + unit for unit in range(active) for gate in range(self.layer.kind.rows)):
            for column, planes in enumerate(listed):
                for plane in range(self.planes):
                    if planes // 2**plane % 2:
                        weight = 2**self.bits if plane + 1 < self.planes else 1
                        self.sums[row] += self.digits[row][column][plane] * weight * operands[plane][column]
        self.largest_sum = max([self.largest_sum, *(abs(value) for value in self.sums)])

    def _cells(self, active: int) -> None:
        units, layer = self.layer.units, self.layer
        h, c = (list(self.h), list(self.c)) if layer.skims else ([0] * units, [0] * units)
        for unit in range(active):
            rows = [gate * units + unit for gate in range(layer.kind.rows)]
            z = [slow_lstm.pre_activation(self.sums[row], layer, row, self.config, self.active_index) for row in rows]
            peeps = slow_lstm.peepholes(layer, unit)
            h[unit], c[unit] = slow_lstm.unit_step(z, self.c[unit], peeps, layer, self.config)
        self.h, self.c = h, c

    def _judge(self, old: list[int], active: int) -> list[bool]:
        """Whether the cells of each fold, or of the layer, hardly moved."""
        monitor, lanes = self.policy.monitor, self.config.lanes
        groups = [range(k * lanes, min((k + 1) * lanes, active)) for k in range(self.config.folds(self.layer.units))]
        if monitor.scope is Scope.LAYER:
            groups = [range(active)] * len(groups)
        before = self.quiet[0] if self.quiet and self.steps else [False] * len(groups)
        found = []
        for group, previous in zip(groups, before, strict=True):
            sizes = [(size_of(self.c[unit] - old[unit]), size_of(self.c[unit])) for unit in group]
            # Of sums over 2^n lanes the lowest n bits do not count.
            spare = 2 ** int(math.log2(lanes))
            moved, size = sum(change for change, _ in sizes) // spare, sum(whole for _, whole in sizes) // spare
            changed = sum(change * 2**monitor.theta > whole for change, whole in sizes)
            limit = monitor.low + (monitor.hysteresis if previous else 0)
            found.append(changed < limit if monitor.rule is Rule.COUNT else 256 * moved < limit * size)
        return found


class SlowEngine:
    """All layers, one sequence; a step passes through the whole stack."""

    def __init__(self, network: QuantNetwork, config: EngineConfig, policies: list[Policy]):
        self.network, self.rule = network, policies[0].skip
        self.layers = [SlowLayer(network, config, policy, index) for index, policy in enumerate(policies)]
        self.predicted, self.in_a_row, self.begun = False, 0, False

    def run(self, x: list[list[int]], hints: list[bool], active_indices: list[int]) -> list[list[StepRecord]]:
        """All steps; a list of records for each layer."""
        records: list[list[StepRecord]] = [[] for _ in self.layers]
        for step, hint, active_index in zip(x, hints, active_indices, strict=True):
            skipped = self.begun and self._skips(step, hint)
            if skipped:
                for layer, found in zip(self.layers, records, strict=True):
                    found.append(StepRecord(layer.shown_h(), list(layer.c), active_index=layer.active_index))
                continue
            self.in_a_row = 0
            values = step
            for layer, found in zip(self.layers, records, strict=True):
                exact = layer.begin(active_index) or not self.begun
                # The first layer's x is encoded before the step's active count takes effect.
                found.append(layer.step(values, exact, exact if layer.index else not self.begun))
                values = layer.shown_h()
            self.begun = True
            first = self.layers[0]
            if self.rule.predictor and self.network.predictor is not None:
                held = [value * 2**first.layer.x_grid.exponent for value in first.x_held[0]] + first.h_held[0]
                weights = self.network.predictor.tolist()
                total = sum(w * v for w, v in zip(weights, held, strict=True))
                self.predicted = total >= self.rule.threshold
        return records

    def _skips(self, step: list[int], hint: bool) -> bool:
        if hint and self.rule.hints:
            return True
        first = self.layers[0]
        values = first.on_grid(step)
        distance = sum(max(value - held, held - value - 1) for value, held in zip(values, first.x_held[0], strict=True))
        wanted = (self.rule.predictor and self.predicted) or distance < self.rule.change
        if wanted and self.in_a_row < self.rule.limit:
            self.in_a_row += 1
            return True
        return False
