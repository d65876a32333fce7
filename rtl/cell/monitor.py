"""Cell-state monitor: where the low plane is deferred, after Silfa, Arnau and González (HiPC 2020)."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In

from lstmith.rtl.interfaces import DeferralSignature
from lstmith.rtl.layouts import pass_layout
from lstmith.rtl.prim.arith import delayed
from lstmith.spec.config import EngineConfig, bits_for, index_bits
from lstmith.spec.monitor_rule import DROP, RATIO_FRAC, spare_bits
from lstmith.spec.policy import Rule, Scope


class Monitor(wiring.Component):
    """Sums how far the cell state moved, over a fold or a layer, and compares it with the policy's threshold.

    A decision is stored ``latency`` cycles after the last cell state that it judges. Those of the last four steps stay
    readable, as many as ``spec.monitor_rule`` has lags and one more. See ``golden.monitor.judge``.

    Parameters
    ----------
    config : EngineConfig
        The monitor reads ``lanes``, ``units``, ``layers``, ``c_width`` and what ``pass_layout`` does.

    Members
    -------
    pass_ : In(pass_layout)
        The pass that drains; valid from its first cell state until ``latency`` cycles after its last one.
    c_new : In(signed(c_width))
        A unit's new cell state; valid with ``c_valid``.
    c_before : In(signed(c_width))
        Its cell state of the step before; valid with ``c_valid``.
    c_last : In(1)
        The unit is its layer's last one; valid with ``c_valid``.
    c_valid : In(1)
        There is a new cell state; every other cycle at most.
    input_deferral : In(DeferralSignature)
        Who lists the first layer's input; a decision that was never stored is undefined.
    feedback_deferral : In(DeferralSignature)
        Who lists h, likewise.
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
                "input_deferral": In(DeferralSignature(config)),
                "feedback_deferral": In(DeferralSignature(config)),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the last cell state that is judged to the stored decision."""
        # The change, whether it counts, the sums; the limit, its product, the comparison.
        return 6

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, fields = self._config, self.pass_.descriptor
        by_fold = fields.scope == Scope.FOLD

        # Stages 1 and 2: how far one unit moved, and whether that counts as a change.
        change = Signal(signed(config.c_width + 1))
        m.d.comb += change.eq(self.c_new - self.c_before)
        moved = Signal(config.c_width - DROP, reset_less=True)
        size = Signal(config.c_width - 1 - DROP, reset_less=True)
        m.d.sync += [moved.eq(_magnitude(change)), size.eq(_magnitude(self.c_new))]
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

        # Stage 3: sums, and those that are judged.
        sums = []
        spare = spare_bits(config.lanes)
        for name, value, dropped in (("moved", moved, spare), ("size", size, spare), ("changed", changed, 0)):
            total = Signal(len(value) + bits_for(config.units), name=f"sum_{name}")
            judged = Signal(len(total) - dropped, name=f"judged_{name}", reset_less=True)
            with m.If(ends):
                m.d.sync += [total.eq(0), judged.eq((total + value)[dropped:])]
            with m.Elif(valid):
                m.d.sync += total.eq(total + value)
            sums.append(judged)

        # Stages 4 to 6: the limit, its product, the comparison; the fold is that of the sums until the next are judged.
        judges, judges_last = delayed(m, ends, 1, "judges"), delayed(m, last, 1, "judges_last")
        fold, deferred = Signal(bits_for(config.folds(config.units))), Signal()
        defers = self._compare(m, Mux(deferred, fields.low_leave, fields.monitor_low), sums)
        with m.If(judges):
            m.d.sync += fold.eq(Mux(judges_last, 0, fold + 1))
        self._elaborate_decisions(m, fold, deferred, delayed(m, judges, 3, "stored"), defers)
        return m

    def _compare(self, m: Module, chosen: Value, sums: list[Signal]) -> Signal:
        """Whether the rule's figure is below the limit, three cycles after the sums are there.

        Sums last for as many cycles as units are apart; with one cycle they are held for the limit.
        """
        held = int(self._config.unit_cycles == 1)
        moved, size, changed = (
            delayed(m, value, held, f"held_{name}")
            for name, value in zip(("moved", "size", "changed"), sums, strict=True)
        )
        fields = self.pass_.descriptor
        limit = Signal(max(len(fields.low_leave), len(fields.monitor_low)), reset_less=True)
        product, few, defers = Signal(len(limit) + len(size), reset_less=True), Signal(), Signal()
        scaled = delayed(m, moved, 1, "judged_before") << RATIO_FRAC
        m.d.sync += [
            limit.eq(chosen),
            product.eq(limit * size),
            few.eq(changed < limit),
            defers.eq(Mux(fields.rule == Rule.COUNT, few, scaled < product)),
        ]
        return defers

    def _elaborate_decisions(self, m: Module, fold: Signal, deferred: Signal, stored: Signal, defers: Signal) -> None:
        """Decisions by step, layer and fold; the last step's are read back for the hysteresis."""
        config, pass_ = self._config, self.pass_
        fold_bits, layer_bits = index_bits(config.folds(config.units)), config.layer_bits
        m.submodules.decisions = memory = Memory(shape=1, depth=4 << fold_bits + layer_bits, init=[])

        def place(fold: Value, layer: Value, step: Value) -> Value:
            return Cat(fold[:fold_bits], layer[:layer_bits], step[:2])

        write, back = memory.write_port(), memory.read_port(domain="comb")
        m.d.comb += [
            write.addr.eq(place(delayed(m, fold, 3, "stored_fold"), pass_.layer, pass_.step_low)),
            write.data.eq(defers),
            write.en.eq(stored),
            back.addr.eq(place(fold, pass_.layer, pass_.step_low - 1)),
            # Nothing is deferred when a sequence begins.
            deferred.eq(back.data & ~pass_.exact),
        ]
        for asked in (self.input_deferral, self.feedback_deferral):
            port = memory.read_port(domain="comb")
            m.d.comb += [port.addr.eq(place(asked.fold, asked.layer, asked.step)), asked.defers.eq(port.data)]


def _magnitude(value: Signal) -> Value:
    """``golden.monitor.magnitude``."""
    return (value ^ value[-1].replicate(len(value)))[DROP:-1]
