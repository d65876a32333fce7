"""Cell unit: cell state and h from the four gates."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.cell.activation import GATE_BITS, Activation
from lstmith.rtl.cell.requantise import Z13_BITS
from lstmith.rtl.cell.squash import SquashUnit, gate_bits
from lstmith.rtl.layouts import of_sequence, rows_layout, sequence_of
from lstmith.rtl.prim.arith import delayed, delayed_long, saturated, shifted_limited
from lstmith.rtl.prim.product import PRODUCT_LATENCY, registered_product
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec.codes import Gate, Kind
from lstmith.spec.config import H_FRAC, PEEP_BITS, Z_BITS, Z_FRAC, EngineConfig
from lstmith.spec.layer_descriptor import FIELDS

#: Bits below the cell state before it is shifted to the fraction bits of an activation's argument: 12 at least.
_BELOW = 8


class CellUnit(wiring.Component):
    """The new state from the four gates; see ``golden.cell``. It takes a unit every ``unit_cycles`` cycles.

    All kinds of layers go the same way, with a sum behind the gates, its squash, and a product:

    ========  ===================  ====================  =========================
    kind      sum                  squash                h
    ========  ===================  ====================  =========================
    LSTM      c = f * c + i * g    y = tanh(c)           o * y
    GRU       a = f * g + i        y = tanh(a)           y + o * (h - y)
    others    a = i                y = the layer's (a)   y
    ========  ===================  ====================  =========================

    A GRU has its reset gate in f, nh in g, nx in i and the update gate in o.

    Parameters
    ----------
    config : EngineConfig
        The cell unit reads ``rows_per_cycle``, ``units``, ``sequences``, ``c_width``, ``peepholes``, ``monitor``,
        ``kinds``, ``pipelined`` and ``family``.

    Members
    -------
    rows : In(rows_layout)
        Rows whose gates come; valid with ``rows_valid``.
    rows_valid : In(1)
        There are gates: those of a unit in ``unit_cycles`` successive cycles.
    gates : In(signed(gate_bits)), one per way
        Values of the rows' gates as :class:`.gates.GatePipeline` gives them; beside ``rows``.
    c_frac : In(FIELDS["c_frac"]), one per sequence
        Fraction bits of the cell state in the layer that drains; valid from ``gates`` to ``h``.
    c_old : In(signed(c_width))
        The unit's cell state before, beside its last gates.
    c_new : Out(signed(c_width))
        The unit's new cell state, ``cell_latency`` cycles after its last gates; valid with ``c_valid``. Of other kinds
        than the LSTM its new h.
    c_before : Out(signed(c_width))
        Its cell state before, beside ``c_new``; with a monitor only, else zero.
    c_place : Out(state_bits)
        Its place in the state memories, beside ``c_new``.
    c_last : Out(1)
        It is the layer's last unit; beside ``c_new``.
    c_valid : Out(1)
        There is a new cell state, for one cycle.
    h : Out(signed(GATE_BITS))
        The unit's h, ``latency`` cycles after its last gates; valid with ``h_valid``.
    h_c : Out(signed(c_width))
        Its new cell state, beside ``h``.
    h_place : Out(state_bits)
        Its place in the state memories, beside ``h``.
    h_last : Out(1)
        It is the layer's last unit; beside ``h``.
    h_valid : Out(1)
        There is a new h, for one cycle.
    kind : In(FIELDS["kind"]), one per sequence
        Kind of the layer that drains; valid from ``gates`` to ``h``. In an engine with other kinds than the LSTM, as
        the following port.
    squash : In(FIELDS["squash"]), one per sequence
        Its squash.
    peep_shift : In(FIELDS["peep_shift"]), one per sequence
        Right shift of the peephole products; valid from ``gates`` to ``h``. With peepholes only, as the following
        ports.
    z13 : In(signed(Z13_BITS))
        The output gate's pre-activation with 13 fraction bits, ``z13_lead`` cycles before its place in ``gates``.
    peep_unit : Out(range(units))
        Unit whose output peephole is wanted, ``RAM_LATENCY`` cycles before ``peep_o``.
    peep_o : In(signed(PEEP_BITS))
        That peephole, ``sum_latency`` cycles after the unit's last gates.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        # With peepholes the output gate has an activation of its own, which takes as long as this one.
        self._squash = (
            SquashUnit(family=config.family, multiplies=config.spare_multipliers, width=GATE_BITS)
            if config.mixed
            else Activation(family=config.family, multiplies=config.spare_multipliers)
        )
        members = {
            "rows": In(rows_layout(config)),
            "rows_valid": In(1),
            "gates": In(data.ArrayLayout(signed(gate_bits(config)), config.rows_per_cycle)),
            "c_frac": In(data.ArrayLayout(FIELDS["c_frac"], config.sequences)),
            "c_old": In(signed(config.c_width)),
            "c_new": Out(signed(config.c_width)),
            "c_before": Out(signed(config.c_width)),
            "c_place": Out(config.state_bits),
            "c_last": Out(1),
            "c_valid": Out(1),
            "h": Out(signed(GATE_BITS)),
            "h_c": Out(signed(config.c_width)),
            "h_place": Out(config.state_bits),
            "h_last": Out(1),
            "h_valid": Out(1),
        }
        if config.mixed:
            members |= {
                "kind": In(data.ArrayLayout(FIELDS["kind"], config.sequences)),
                "squash": In(data.ArrayLayout(FIELDS["squash"], config.sequences)),
            }
        if config.peepholes:
            members |= {
                "peep_shift": In(data.ArrayLayout(FIELDS["peep_shift"], config.sequences)),
                "z13": In(signed(Z13_BITS)),
                "peep_unit": Out(config.unit_bits),
                "peep_o": In(signed(PEEP_BITS)),
            }
        super().__init__(members)

    @property
    def sum_latency(self) -> int:
        """Cycles from a unit's last gates to the sum of its products: product, common scale, sum."""
        return PRODUCT_LATENCY + 2

    @property
    def cell_latency(self) -> int:
        """Cycles from a unit's last gates to ``c_new``: the sum, or h where that may be the state."""
        return self.latency if self._config.mixed else self.sum_latency

    @property
    def latency(self) -> int:
        """Cycles from a unit's last gates to ``h``."""
        # The product of output gate and tanh(c), and its rounding.
        return self.sum_latency + self._to_factors + PRODUCT_LATENCY + 1

    @property
    def z13_lead(self) -> int:
        """Cycles from ``z13`` to the output gate in ``gates``: the limit of z, and the activation."""
        return 1 + self._squash.latency

    @property
    def _to_squashed(self) -> int:
        """Cycles from the sum to its squash: the argument's register or two, and the activation."""
        return 1 + self._config.pipelined + self._squash.latency

    @property
    def _to_factors(self) -> int:
        """Cycles from the sum to the later one of its squash and the output gate."""
        if not self._config.peepholes:
            return self._to_squashed
        # The peephole's product, its shift, the sum with z, the limit of z, and the activation.
        return PRODUCT_LATENCY + 3 + self._squash.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        rows_per_cycle, cell = config.rows_per_cycle, self.sum_latency

        # Stage 0: the last gates are here, the earlier ones were held.
        held = Array(
            Signal(signed(gate_bits(config)), name=f"gate_{gate.name.lower()}", reset_less=True) for gate in Gate
        )
        last_gates = self.rows.gate == len(Gate) - rows_per_cycle
        for way in range(rows_per_cycle):
            with m.If(self.rows_valid & ~last_gates):
                m.d.sync += held[(self.rows.gate + way)[: len(self.rows.gate)]].eq(self.gates[way])
        gate_i, gate_f, gate_g, gate_o = (
            held[gate] if gate < len(Gate) - rows_per_cycle else self.gates[gate % rows_per_cycle] for gate in Gate
        )
        valid = Signal()
        m.d.comb += valid.eq(self.rows_valid & last_gates)

        # Stages 1 to 3: products, common scale, sum.
        meets_f, meets_i = self.c_old, gate_g
        if config.mixed:
            lstm = of_sequence(self.kind, sequence_of(self.rows)) == Kind.LSTM
            meets_f, meets_i = Mux(lstm, self.c_old, gate_g), Mux(lstm, gate_g, 1 << H_FRAC)
        in_front = config.family == "ice40"
        if in_front:
            # What waits in the cycle behind the product else waits here, in registers that its multipliers have.
            gate_f, meets_f = (delayed(m, each, 1, f"kept_{index}") for index, each in enumerate((gate_f, meets_f)))
        kept = self._product(m, "kept", gate_f, meets_f)
        fresh = self._product(m, "fresh", gate_i, meets_i)
        # The products of gates have twice their fraction bits, those with the cell state its own ones besides.
        fresh_scaled = Signal(signed(2 * gate_bits(config)), reset_less=True)
        # Half of a state's last place is added here: a sum of three in the next cycle would be a chain and a half. Only
        # to a multiplier that is an instance: yosys takes a constant into one of iCE40, and its sum is wrong then.
        half = 1 << (H_FRAC - 1)
        early = half if config.family == "ecp5" else 0
        kept_half = Signal(signed(len(kept) + 1), reset_less=True)
        total = Signal(signed(max(gate_bits(config) + config.c_width, 2 * gate_bits(config)) + 2))
        c_frac = of_sequence(self.c_frac, delayed(m, sequence_of(self.rows), PRODUCT_LATENCY, "sequence_fresh"))
        m.d.sync += fresh_scaled.eq(fresh >> (H_FRAC - c_frac)[: FIELDS["c_frac"]])
        if in_front:
            m.d.comb += kept_half.eq(kept)
        else:
            m.d.sync += kept_half.eq(kept + early)
        m.d.comb += total.eq(kept_half + fresh_scaled + (half - early))
        c_new = Signal(signed(config.c_width), reset_less=True)
        m.d.sync += c_new.eq(saturated(m, total >> H_FRAC, config.c_width, "c_limited"))
        place = delayed(m, Cat(self.rows.unit, sequence_of(self.rows)), cell, "place_c")
        sequence = place[config.unit_bits :]
        last = delayed(m, self.rows.last, cell, "last_c")
        valid = delayed(m, valid, cell, "valid_c")

        # From stage 4 on: its squash, with 12 fraction bits in.
        m.submodules.squash = squash = self._squash
        argument = Signal(signed(Z_BITS), reset_less=True)
        scaled = Signal(signed(config.c_width + _BELOW))
        m.d.comb += scaled.eq(c_new << _BELOW)
        c_frac = of_sequence(self.c_frac, sequence)
        if config.mixed:
            # The sum of pre-activations is an argument already.
            c_frac = Mux(of_sequence(self.kind, sequence) == Kind.LSTM, c_frac, Z_FRAC)
        shift = (c_frac - (Z_FRAC - _BELOW))[: FIELDS["c_frac"]]
        m.d.sync += argument.eq(shifted_limited(m, scaled, shift, Z_BITS, "argument_limited", int(config.pipelined)))
        m.d.comb += squash.z.eq(argument)
        if isinstance(squash, SquashUnit):
            squashing = delayed(m, sequence, 1 + config.pipelined, "sequence_squash")
            m.d.comb += squash.squash.eq(of_sequence(self.squash, squashing))
        else:
            m.d.comb += squash.is_tanh.eq(1)
        late = self._to_factors
        squashed, gate_o_late = (
            squash.y,
            delayed_long(m, gate_o[:GATE_BITS].as_signed(), cell + self._to_squashed, "gate_o", config.family),
        )
        if config.peepholes:
            gate_o_late = self._elaborate_output_peephole(m, c_new, sequence)
            squashed = delayed(m, squashed, late - self._to_squashed, "squashed").as_signed()

        # The last two stages: h.
        to_h = late + PRODUCT_LATENCY + 1
        if config.mixed:
            self._elaborate_mixed(m, gate_o_late, squashed, delayed(m, sequence, late, "sequence_h"))
        else:
            product = self._product(m, "product", gate_o_late, squashed)
            m.d.comb += self.h.eq(delayed(m, (product + half) >> H_FRAC, 1, "h"))
        h_c = Signal(signed(config.c_width))
        m.d.comb += [
            Cat(h_c, self.h_place).eq(delayed_long(m, Cat(c_new, place), to_h, "h_c_place", config.family)),
            self.h_last.eq(delayed(m, last, to_h, "last_h")),
            self.h_valid.eq(delayed(m, valid, to_h, "valid_h")),
        ]
        if config.mixed:
            lstm = of_sequence(self.kind, self.h_place[config.unit_bits :]) == Kind.LSTM
            m.d.comb += [
                self.h_c.eq(Mux(lstm, h_c, self.h)),
                self.c_new.eq(self.h_c),
                self.c_place.eq(self.h_place),
                self.c_last.eq(self.h_last),
                self.c_valid.eq(self.h_valid),
            ]
        else:
            m.d.comb += [
                self.h_c.eq(h_c),
                self.c_new.eq(c_new),
                self.c_place.eq(place),
                self.c_last.eq(last),
                self.c_valid.eq(valid),
            ]
            if config.monitor:
                m.d.comb += self.c_before.eq(delayed(m, self.c_old, cell, "c_before"))
        return m

    def _elaborate_mixed(self, m: Module, gate_o: Value, squashed: Value, sequence: Value) -> None:
        """h of any kind, from the output gate and the sum's squash; the old state is kept until then."""
        config = self._config
        kind = of_sequence(self.kind, sequence)
        kept_bits = config.c_width if config.monitor else GATE_BITS
        until = self.sum_latency + self._to_factors
        before = delayed_long(m, self.c_old[:kept_bits].as_signed(), until, "c_old", config.family)
        factor, base = Signal(signed(GATE_BITS + 1)), Signal(signed(GATE_BITS))
        with m.If(kind == Kind.LSTM):
            m.d.comb += factor.eq(squashed)
        with m.Else():
            m.d.comb += base.eq(squashed)
            with m.If(kind == Kind.GRU):
                m.d.comb += factor.eq(before[:GATE_BITS].as_signed() - squashed)
        product = self._product(m, "product", gate_o, factor)
        base = delayed(m, base, PRODUCT_LATENCY, "base").as_signed()
        m.d.comb += self.h.eq(delayed(m, (product + (base << H_FRAC) + (1 << (H_FRAC - 1))) >> H_FRAC, 1, "h"))
        if config.monitor:
            m.d.comb += self.c_before.eq(delayed(m, before, PRODUCT_LATENCY + 1, "c_before"))

    def _elaborate_output_peephole(self, m: Module, c_new: Signal, sequence: Value) -> Signal:
        """The output gate sees the new cell state, so it is activated here, when that is known."""
        config = self._config
        m.d.comb += self.peep_unit.eq(delayed(m, self.rows.unit, self.sum_latency - RAM_LATENCY, "unit_peep"))
        product = self._product(m, "peep_product", self.peep_o, c_new)
        peep_shift = of_sequence(self.peep_shift, delayed(m, sequence, PRODUCT_LATENCY, "sequence_peep"))
        shifted = Signal.like(product)
        summed = Signal(signed(PEEP_BITS + config.c_width + 1), reset_less=True)
        z = Signal(signed(Z_BITS), reset_less=True)
        # It came before its gate's place, and waits for the new cell state's product and shift.
        z13 = delayed(m, self.z13, self.z13_lead + self.sum_latency + PRODUCT_LATENCY + 1, "z13")
        m.d.sync += [
            shifted.eq(product >> peep_shift),
            summed.eq(shifted + z13.as_signed()),
            z.eq(saturated(m, summed >> 1, Z_BITS, "z_limited")),
        ]
        m.submodules.output_gate = output_gate = Activation(family=config.family, multiplies=config.spare_multipliers)
        m.d.comb += output_gate.z.eq(z)
        return output_gate.y

    def _product(self, m: Module, name: str, a: Value, b: Value) -> Signal:
        config = self._config
        return registered_product(m, name, a, b, family=config.family, pipelined=config.pipelined)
