"""Cell-state monitor: precision of the coming steps, after Silfa, Arnau and González (HiPC 2020)."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import EngineConfig, bits_for
from lstmith.golden.monitor import RATIO_FRAC
from lstmith.golden.policy import Rule, Scope

from .arith import delayed
from .feedback import pass_layout


class Monitor(wiring.Component):
    """Sums how far the cell state moved, over a fold or a layer, and compares it with the policy's thresholds.

    A verdict is stored seven cycles after the last cell state that it judges; two banks alternate by
    step, so that the verdict before stays readable. See ``golden.monitor.judge``.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    pass_
        The pass that drains.
    c_new, c_before, c_last, c_valid
        From the cell unit.
    r_layer, r_bank, r_fold, level
        A verdict, as a precision code, in the same cycle.
    wishes
        Per layer and bank: some judged part moved so much that a restart is wished.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "pass_": In(pass_layout(config)),
                "c_new": In(signed(config.c_width)),
                "c_before": In(signed(config.c_width)),
                "c_last": In(1),
                "c_valid": In(1),
                "r_layer": In(bits_for(config.layers)),
                "r_bank": In(1),
                "r_fold": In(12),
                "level": Out(2),
                "wishes": Out(data.ArrayLayout(2, config.layers)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, fields = self._config, self.pass_.record
        by_fold = fields.scope == Scope.FOLD

        # Stages 1 and 2: how far one unit moved, and whether that counts as a change.
        change = self.c_new - self.c_before
        moved, size = Signal(config.c_width + 1), Signal(config.c_width)
        m.d.sync += [moved.eq(Mux(change < 0, -change, change)), size.eq(Mux(self.c_new < 0, -self.c_new, self.c_new))]
        lane = Signal(bits_for(config.lanes))
        fold_ends = self.c_last | (lane == config.lanes - 1)
        with m.If(self.c_valid):
            m.d.sync += lane.eq(Mux(fold_ends, 0, lane + 1))
        changed = Signal()
        m.d.sync += changed.eq((moved << fields.monitor_theta) > size)
        valid = delayed(m, self.c_valid, 2, "valid")
        ends = delayed(m, self.c_valid & Mux(by_fold, fold_ends, self.c_last), 2, "ends")
        last = delayed(m, self.c_valid & self.c_last, 2, "last")
        moved, size = delayed(m, moved, 1, "moved"), delayed(m, size, 1, "size")

        # Stage 3: sums.
        sums = []
        for name, value in (("moved", moved), ("size", size), ("changed", changed)):
            total = Signal(len(value) + bits_for(config.units), name=f"sum_{name}")
            kept = Signal.like(total, name=f"judged_{name}")
            with m.If(valid):
                m.d.sync += total.eq(Mux(ends, 0, total + value))
            with m.If(ends):
                m.d.sync += kept.eq(total + value)
            sums.append(kept)

        # Stages 4 to 6: thresholds times the size, beside what they are compared with.
        fold = Signal(bits_for(config.folds(config.units)))
        previous = Signal(2)
        judges = delayed(m, ends, 1, "judges")
        levels = (fields.level_low, fields.level_middle)
        low, middle = (
            self._quiet(m, name, threshold + Mux(previous <= level, fields.hysteresis, 0), sums)
            for name, threshold, level in zip(
                ("low", "middle"), (fields.monitor_low, fields.monitor_middle), levels, strict=True
            )
        )
        restless = self._exceeds(m, "restless", fields.restart_above, sums)
        stored, ends_layer = delayed(m, judges, 3, "stored"), delayed(m, last, 4, "ends_layer")
        verdict = Signal(2)
        m.d.comb += verdict.eq(Mux(low, levels[0], Mux(middle, levels[1], fields.precision)))

        # The fold is that of the sums until the next ones are judged, at least two cycles later.
        with m.If(judges):
            m.d.sync += fold.eq(fold + 1)
        with m.If(judges & delayed(m, last, 1, "ends_judged")):
            m.d.sync += fold.eq(0)
        self._elaborate_levels(m, fold, previous, stored, verdict)
        wished, wish = Signal(), Signal()
        m.d.comb += wish.eq(wished | (stored & restless))
        m.d.sync += wished.eq(wish & ~ends_layer)
        banks = Array(self.wishes[layer] for layer in range(config.layers))
        with m.If(ends_layer):
            m.d.sync += banks[self.pass_.layer].bit_select(self.pass_.parity, 1).eq(wish)
        return m

    def _elaborate_levels(self, m: Module, fold: Signal, previous: Signal, stored: Signal, verdict: Signal) -> None:
        """Verdicts by fold, layer and bank; one of each step is read back for the hysteresis."""
        config, fields = self._config, self.pass_.record
        place = len(fold) + bits_for(config.layers) + 1
        m.submodules.levels = memory = Memory(shape=2, depth=1 << place, init=[])
        write, ahead, back = memory.write_port(), memory.read_port(domain="comb"), memory.read_port(domain="comb")
        layer = self.pass_.layer
        judged = delayed(m, fold, 3, "judged_fold")
        m.d.comb += [
            write.addr.eq(Cat(judged, layer, self.pass_.parity)),
            write.data.eq(verdict),
            write.en.eq(stored),
            ahead.addr.eq(Cat(self.r_fold[: len(fold)], self.r_layer, self.r_bank)),
            self.level.eq(ahead.data),
            back.addr.eq(Cat(fold, layer, ~self.pass_.parity)),
            # A sequence begins at the layer's own precision.
            previous.eq(Mux(self.pass_.exact, fields.precision, back.data)),
        ]

    def _quiet(self, m: Module, name: str, limit: Value, sums: list[Signal]) -> Signal:
        """Whether the figure of the rule is below a limit, three cycles after the sums."""
        moved, size, changed = sums
        held = Signal(len(limit), name=f"limit_{name}")
        few, quiet = Signal(name=f"few_{name}"), Signal(name=f"quiet_{name}")
        m.d.sync += held.eq(limit)
        product = Signal(len(limit) + len(size), name=f"product_{name}", reset_less=True)
        m.d.sync += [
            product.eq(held * delayed(m, size, 1, f"size_{name}")),
            few.eq(delayed(m, changed, 1, f"changed_{name}") < held),
        ]
        late = delayed(m, moved, 2, f"moved_{name}")
        rule = self.pass_.record.rule
        m.d.sync += quiet.eq(Mux(rule == Rule.COUNT, few, (late << RATIO_FRAC) < product))
        return quiet

    def _exceeds(self, m: Module, name: str, limit: Value, sums: list[Signal]) -> Signal:
        """Whether the ratio is above a limit, three cycles after the sums."""
        moved, size, _ = sums
        product = Signal(len(limit) + len(size), name=f"product_{name}", reset_less=True)
        m.d.sync += product.eq(limit * delayed(m, size, 1, f"size_{name}"))
        above = Signal(name=name)
        m.d.sync += above.eq((delayed(m, moved, 2, f"moved_{name}") << RATIO_FRAC) > product)
        return above
