"""Encoder: a stream of 16-bit values to the list entries that count."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import DELTA, RESTART, GridFields, candidate_layout, lists
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import Ram
from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.latency import encode
from lstmith.spec.policy import Mode


@dataclass(frozen=True)
class _Rounded:
    """A value on its grid, with what travels beside it."""

    valid: Signal
    value: Signal
    index: Signal
    tag: Signal
    grid: data.View[data.StructLayout]


@dataclass(frozen=True)
class _Compared:
    """A value and its reference, with what travels beside them."""

    valid: Signal
    value: Signal
    index: Signal
    tag: Signal
    reference: Signal
    change: Signal  # from what the sums hold
    moves: Signal  # from the reference
    moved: Signal  # the change counts
    dense: Signal
    exponent: Signal
    tau: Signal
    restart_tau: Signal


class Encoder(wiring.Component):
    """Rounds a value to its grid, compares it with its reference and offers it to the lists.

    Throughput one value per cycle. The same reference must not return within ``latency``
    cycles. With weight variants a value is a candidate for two lists, the delta list (what changed)
    and the restart list (what is not zero); else for one, which the mode chooses. Without delta there are no
    references and every value is listed.

    Parameters
    ----------
    config : EngineConfig
    references : int
        Number of reference values kept.
    tag : shape-like
        Travels with a value.
    skips : bool
        Whether steps can be skipped.
    steady : bool
        Whether ``grid``, but for ``forget`` and ``exact``, holds still while values are on their way.

    Members
    -------
    valid : In(1)
        A value comes.
    value : In(signed(16))
        While ``valid``, as all that follows.
    index : In(unsigned)
        The place of its reference.
    tag : In(tag)
        What travels with it.
    grid : In(GridFields)
        How to encode it.
    reference_set : In(1)
        Where steps can be skipped: which of two sets of references holds; new ones go to the other. It holds still
        while values are on their way.
    o_valid : Out(1)
        ``latency`` cycles after ``valid``.
    o_candidates : Out(array of candidate_layout(operand_width) by list)
        What each list would hold of the value; while ``o_valid``, as all that follows.
    o_tag : Out(tag)
        What travelled with it.
    o_distance : Out(unsigned)
        How far the value is from its reference.
    """

    def __init__(
        self,
        config: EngineConfig,
        references: int,
        tag: data.StructLayout,
        *,
        skips: bool = False,
        steady: bool = False,
    ):
        self._config, self._references, self._tag, self._skips = config, references, tag, skips
        self._steady = steady
        super().__init__(
            {
                "valid": In(1),
                "value": In(signed(16)),
                "index": In(bits_for(references)),
                "tag": In(tag),
                "grid": In(GridFields),
                "reference_set": In(1),
                "o_valid": Out(1),
                "o_candidates": Out(data.ArrayLayout(candidate_layout(config.operand_width), lists(config.mixed))),
                "o_distance": Out(config.operand_width - 1),
                "o_tag": Out(tag),
            }
        )
        self._place_bits = bits_for(references)

    @property
    def latency(self) -> int:
        """Cycles from a value to its candidates."""
        return encode(self._config) - 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rounded = self._round(m)
        if self._config.delta:
            # A grid value fits 16 bits signed: an unsigned 8-bit grid has 9.
            depth = 2 << self._place_bits if self._skips else self._references
            m.submodules.references = references = Ram(signed(16), depth)
            self._offer(m, self._compare(m, rounded, references), references)
            return m
        only = self.o_candidates[DELTA]
        m.d.comb += only.listed.eq(1)
        m.d.sync += [
            self.o_valid.eq(rounded.valid),
            self.o_tag.eq(rounded.tag),
            only.operand.eq(rounded.value << rounded.grid.exponent),
        ]
        return m

    def _round(self, m: Module) -> _Rounded:
        """Stages 1 and 2: shift to the grid, keeping one fraction bit; round half up, saturate."""
        shifted, largest = Signal(signed(17)), Signal(signed(17))
        grid, rounded = Signal(GridFields), Signal(GridFields)
        m.d.sync += [
            shifted.eq((self.value << 1) >> self.grid.shift),
            largest.eq(0xFFFF >> self.grid.shift),
        ]
        self._follow(m, grid, self.grid, "grid")
        # Only the largest value rounds beyond the grid.
        on_grid = Signal(signed(16))
        with m.If(grid.unsigned & (shifted < 0)):
            m.d.comb += on_grid.eq(0)
        with m.Elif(shifted == largest):
            m.d.comb += on_grid.eq(largest >> 1)
        with m.Else():
            m.d.comb += on_grid.eq((shifted + 1) >> 1)
        self._follow(m, rounded, grid, "rounded")
        return _Rounded(
            valid=delayed(m, self.valid, 2, "valid"),
            value=delayed(m, on_grid, 1, "value").as_signed(),
            index=delayed(m, self.index, 2, "index"),
            tag=delayed(m, self.tag.as_value(), 2, "tag"),
            grid=rounded,
        )

    def _compare(self, m: Module, rounded: _Rounded, references: Ram) -> _Compared:
        """Stages 3 and 4: between which references the value does not count, while the memory answers; the change."""
        config, grid, value, place = self._config, rounded.grid, rounded.value, self._place_bits
        m.d.comb += references.r_addr[:place].eq(delayed(m, self.index, 1, "read"))
        if self._skips:
            m.d.comb += references.r_addr[place].eq(self.reference_set)
        always_restarts, theta = Signal(), Signal(16)
        m.d.comb += [
            always_restarts.eq((grid.mode == Mode.DENSE) | (grid.mode == Mode.SKIP)),
            theta.eq(Mux(always_restarts | grid.exact, 0, grid.theta)),
        ]
        low, high = Signal(signed(18)), Signal(signed(18))
        forget, dense = Signal(), Signal()
        # With one list its reference is zero where the sums are recomputed; with two, the restart list needs none.
        forgets = grid.forget if config.mixed else always_restarts | grid.exact | grid.forget
        m.d.sync += [
            low.eq(value - theta),
            high.eq(value + theta),
            forget.eq(forgets),
            dense.eq(grid.mode == Mode.DENSE),
        ]
        value = delayed(m, value, 1, "compared").as_signed()
        reference, change, moves, moved = Signal(signed(16)), Signal(signed(17)), Signal(signed(17)), Signal()
        m.d.comb += [
            reference.eq(Mux(forget, 0, references.r_data)),
            change.eq(value - reference),
            # How far the value moved does not depend on whether its list is computed anew.
            moves.eq(change if config.mixed else value - references.r_data),
            moved.eq((reference < low) | (reference > high)),
        ]
        late = int(config.pipelined)
        exponent, tau, restart_tau = (
            signal if self._steady else delayed(m, signal, 1 + late, name)
            for signal, name in ((grid.exponent, "exponent"), (grid.tau, "tau"), (grid.restart_tau, "restart_tau"))
        )
        return _Compared(
            valid=delayed(m, rounded.valid, 1 + late, "compared_valid"),
            value=delayed(m, value, late, "compared_late").as_signed(),
            index=delayed(m, rounded.index, 1 + late, "compared_index"),
            tag=delayed(m, rounded.tag, 1 + late, "compared_tag"),
            reference=delayed(m, reference, late, "reference").as_signed(),
            change=delayed(m, change, late, "change").as_signed(),
            moves=delayed(m, moves, late, "moves").as_signed(),
            moved=delayed(m, moved, late, "moved"),
            dense=delayed(m, dense, late, "dense"),
            exponent=exponent,
            tau=tau,
            restart_tau=restart_tau,
        )

    def _offer(self, m: Module, seen: _Compared, references: Ram) -> None:
        """The last stage: what each list holds of the value. What the sums hold follows what was listed."""
        place, change, moves, exponent = self._place_bits, seen.change, seen.moves, seen.exponent
        stored, follows = Signal(signed(16)), Signal(signed(16))
        delta = self.o_candidates[DELTA]
        m.d.comb += references.w_en.eq(self.o_valid)
        m.d.sync += [
            self.o_valid.eq(seen.valid),
            self.o_tag.eq(seen.tag),
            self.o_distance.eq(moves ^ moves[-1].replicate(len(moves))),
            references.w_addr[:place].eq(seen.index),
            delta.listed.eq(seen.dense | seen.moved),
            delta.operand.eq(change << exponent),
        ]
        if self._skips:
            m.d.sync += references.w_addr[place].eq(~self.reference_set)
        if not self._config.mixed:
            kept = Signal(signed(16))
            m.d.sync += [stored.eq(seen.value), kept.eq(seen.reference)]
            m.d.comb += references.w_data.eq(Mux(delta.listed, stored, kept))
            return
        restart = self.o_candidates[RESTART]
        m.d.comb += [follows.eq(Mux(seen.moved, seen.value, seen.reference)), references.w_data.eq(stored)]
        m.d.sync += [
            stored.eq(follows),
            delta.low.eq(_within(change, seen.tau)),
            restart.listed.eq(seen.dense | (follows != 0)),
            restart.operand.eq(follows << exponent),
            restart.low.eq(_within(follows, seen.restart_tau)),
        ]

    def _follow(self, m: Module, later: data.View, grid: data.View, name: str) -> None:
        """``later`` is the grid a cycle later, as far as that makes a difference."""
        if not self._steady:
            m.d.sync += later.eq(grid)
            return
        m.d.comb += [
            later.eq(grid),
            later.forget.eq(delayed(m, grid.forget, 1, f"{name}_forget")),
            later.exact.eq(delayed(m, grid.exact, 1, f"{name}_exact")),
        ]


def _within(operand: Value, tau: Value) -> object:
    """Whether an operand is small enough for the lower variant; a threshold of zero means none is."""
    return (tau != 0) & (operand <= tau) & (operand >= -tau)
