"""Cell unit: cell state and h from the four gates."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.cell.activation import Activation
from lstmith.rtl.layouts import of_sequence, rows_layout, sequence_of
from lstmith.rtl.prim.arith import delayed, delayed_long, saturated, shifted_limited
from lstmith.rtl.prim.product import registered_product
from lstmith.spec import latency as timing
from lstmith.spec.config import H_FRAC, PEEP_BITS, Z_BITS, EngineConfig


class CellUnit(wiring.Component):
    """``c = f * c + i * g``, ``h = o * tanh(c)``; see ``golden.cell``.

    One unit every ``unit_cycles`` cycles.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    rows, rows_valid, gates
        From the gate pipeline.
    run
        Clock enable of multipliers that have registers.
    c_frac, peep_shift
        Of the layer that drains, per sequence.
    c_old
        Cell state of the unit, beside its last gates.
    z13
        With peepholes: the output gate's pre-activation, seven cycles before its place in ``gates``.
    peep_unit, peep_o
        With peepholes: a unit, and its output peephole two cycles later.
    c_new, c_before, c_place, c_last, c_valid
        Updated cell state and the one before; its place in the state memories; ``c_last`` with the layer's last unit.
    h, h_c, h_place, h_last, h_valid
        The unit's result, and its cell state beside it.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        members = {
            "rows": In(rows_layout(config)),
            "rows_valid": In(1),
            "run": In(1, init=1),
            "gates": In(data.ArrayLayout(signed(16), config.rows_per_cycle)),
            "c_frac": In(data.ArrayLayout(4, config.sequences)),
            "c_old": In(signed(config.c_width)),
            "c_new": Out(signed(config.c_width)),
            "c_before": Out(signed(config.c_width)),
            "c_place": Out(config.state_bits),
            "c_last": Out(1),
            "c_valid": Out(1),
            "h": Out(signed(16)),
            "h_c": Out(signed(config.c_width)),
            "h_place": Out(config.state_bits),
            "h_last": Out(1),
            "h_valid": Out(1),
        }
        if config.peepholes:
            members |= {
                "peep_shift": In(data.ArrayLayout(5, config.sequences)),
                "z13": In(signed(24)),
                "peep_unit": Out(config.unit_bits),
                "peep_o": In(signed(PEEP_BITS)),
            }
        super().__init__(members)

    @property
    def latency(self) -> int:
        """Cycles from a unit's last gates to ``h``."""
        return timing.cell(self._config)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        rows_per_cycle = config.rows_per_cycle

        # Stage 0: the last gates are here, the earlier ones were held.
        gates = Array(Signal(signed(16), name=f"gate_{name}") for name in "ifgo")
        last_gates = self.rows.gate == 4 - rows_per_cycle
        for way in range(rows_per_cycle):
            with m.If(self.rows_valid & ~last_gates):
                m.d.sync += gates[(self.rows.gate + way)[:2]].eq(self.gates[way])
        gate_i, gate_f = gates[0], gates[1]
        gate_g = self.gates[0] if rows_per_cycle == 2 else gates[2]
        gate_o = self.gates[rows_per_cycle - 1]
        valid = Signal()
        m.d.comb += valid.eq(self.rows_valid & last_gates)

        # Stages 1 to 3: products, common scale, sum.
        kept = registered_product(m, "kept", gate_f, self.c_old, config, self.run)
        fresh = registered_product(m, "fresh", gate_i, gate_g, config, self.run)
        fresh_scaled = Signal(signed(32))
        total = Signal(signed(max(16 + config.c_width, 32) + 2))
        c_frac = of_sequence(self.c_frac, delayed(m, sequence_of(self.rows), 1, "sequence_fresh"))
        m.d.sync += fresh_scaled.eq(fresh >> (H_FRAC - c_frac)[:4])
        m.d.comb += total.eq(delayed(m, kept, 1, "kept_late").as_signed() + fresh_scaled + (1 << (H_FRAC - 1)))
        c_new = Signal(signed(config.c_width))
        m.d.sync += c_new.eq(saturated(m, total >> H_FRAC, config.c_width, "c_limited"))
        place = delayed(m, Cat(self.rows.unit, sequence_of(self.rows)), 3, "place_c")
        sequence = place[config.unit_bits :]
        last = delayed(m, self.rows.last, 3, "last_c")
        valid = delayed(m, valid, 3, "valid_c")
        m.d.comb += [self.c_new.eq(c_new), self.c_place.eq(place), self.c_last.eq(last), self.c_valid.eq(valid)]
        if config.monitor:
            m.d.comb += self.c_before.eq(delayed(m, self.c_old, 3, "c_before"))

        # From stage 4 on: tanh(c), with 12 fraction bits in.
        m.submodules.squash = squash = Activation(config.family)
        argument = Signal(signed(Z_BITS))
        scaled = Signal(signed(config.c_width + 8))
        m.d.comb += scaled.eq(c_new << 8)
        shift = (of_sequence(self.c_frac, sequence) - 4)[:4]
        m.d.sync += argument.eq(shifted_limited(m, scaled, shift, Z_BITS, "argument_limited", int(config.pipelined)))
        m.d.comb += [squash.z.eq(argument), squash.is_tanh.eq(1)]
        to_squashed = 1 + config.pipelined + squash.latency
        squashed, gate_o_late = (
            squash.y,
            delayed_long(m, gate_o, 3 + to_squashed, "gate_o", config.family),
        )
        late = to_squashed
        if config.peepholes:
            gate_o_late = self._elaborate_output_peephole(m, c_new, sequence)
            late = 4 + squash.latency
            squashed = delayed(m, squashed, late - to_squashed, "squashed").as_signed()

        # The last two stages: h.
        product = registered_product(m, "product", gate_o_late, squashed, config, self.run)
        m.d.sync += self.h.eq((product + (1 << (H_FRAC - 1))) >> H_FRAC)
        m.d.comb += [
            Cat(self.h_c, self.h_place).eq(delayed_long(m, Cat(c_new, place), late + 2, "h_c_place", config.family)),
            self.h_last.eq(delayed(m, last, late + 2, "last_h")),
            self.h_valid.eq(delayed(m, valid, late + 2, "valid_h")),
        ]
        return m

    def _elaborate_output_peephole(self, m: Module, c_new: Signal, sequence: Value) -> Signal:
        """The output gate sees the new cell state, so it is activated here, ten cycles after c."""
        config = self._config
        # Fetched for the cycle of c_new, three after the last gates.
        m.d.comb += self.peep_unit.eq(delayed(m, self.rows.unit, 1, "unit_peep"))
        product = registered_product(m, "peep_product", self.peep_o, c_new, config, self.run)
        peep_shift = of_sequence(self.peep_shift, delayed(m, sequence, 1, "sequence_peep"))
        shifted = Signal.like(product)
        summed = Signal(signed(PEEP_BITS + config.c_width + 1))
        z = Signal(signed(Z_BITS))
        m.d.sync += [
            shifted.eq(product >> peep_shift),
            summed.eq(shifted + delayed(m, self.z13, 12, "z13").as_signed()),
            z.eq(saturated(m, summed >> 1, Z_BITS, "z_limited")),
        ]
        m.submodules.output_gate = output_gate = Activation(config.family)
        m.d.comb += output_gate.z.eq(z)
        return output_gate.y
