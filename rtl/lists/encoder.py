"""Encoder: a stream of 16-bit values to the list entries that count."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import DELTA, RESTART, GridFields, candidate_layout
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import Ram
from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.latency import encode
from lstmith.spec.policy import Mode


class Encoder(wiring.Component):
    """Rounds a value to its grid, compares it with its reference and offers it to the lists.

    Throughput one value per cycle. The same reference must not return within ``latency``
    cycles. With mixed images a value is a candidate for two lists, the delta list (what changed)
    and the restart list (what is not zero); else for one, which the mode chooses. Without delta there are no
    references and every value is listed.

    Parameters
    ----------
    config : EngineConfig
    references : int
        Number of reference values kept.
    tag : shape-like
        Travels with a value.
    banks : bool
        Whether steps can be skipped.
    steady : bool
        Whether ``grid``, but for ``forget`` and ``exact``, holds still while values are on their way.

    Members
    -------
    valid, value, index, tag, grid
        A value, the place of its reference, and how to encode it.
    bank
        With skipped steps: which of two sets of references holds; new ones go to the other.
    o_valid, o_candidates, o_tag
        ``latency`` cycles later: what each list holds of it.
    o_distance
        How far the value is from its reference, beside ``o_valid``.
    """

    def __init__(
        self,
        config: EngineConfig,
        references: int,
        tag: data.StructLayout,
        *,
        banks: bool = False,
        steady: bool = False,
    ):
        self._config, self._references, self._tag, self._banks = config, references, tag, banks
        self._steady = steady
        super().__init__(
            {
                "valid": In(1),
                "value": In(signed(16)),
                "index": In(bits_for(references)),
                "tag": In(tag),
                "grid": In(GridFields),
                "bank": In(1),
                "o_valid": Out(1),
                "o_candidates": Out(data.ArrayLayout(candidate_layout(config), 2 if config.mixed else 1)),
                "o_distance": Out(config.operand_width - 1),
                "o_tag": Out(tag),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a value to its candidates."""
        return encode(self._config) - 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # Stage 1: shift to the grid, keeping one fraction bit.
        shifted, largest = Signal(signed(17)), Signal(signed(17))
        valid, index = Signal(), Signal.like(self.index)
        tag, grid = Signal(self._tag), Signal(GridFields)
        m.d.sync += [
            shifted.eq((self.value << 1) >> self.grid.shift),
            largest.eq(0xFFFF >> self.grid.shift),
            valid.eq(self.valid),
            index.eq(self.index),
            tag.eq(self.tag),
        ]
        self._follow(m, grid, self.grid, "grid")
        place = bits_for(self._references)
        if self._config.delta:
            # A grid value fits 16 bits signed: an unsigned 8-bit grid has 9.
            m.submodules.references = references = Ram(signed(16), 2 << place if self._banks else self._references)
            m.d.comb += references.r_addr[:place].eq(index)
            if self._banks:
                m.d.comb += references.r_addr[place].eq(self.bank)

        # Stage 2: round half up, saturate. Only the largest value rounds beyond the grid.
        on_grid = Signal(signed(16))
        with m.If(grid.unsigned & (shifted < 0)):
            m.d.comb += on_grid.eq(0)
        with m.Elif(shifted == largest):
            m.d.comb += on_grid.eq(largest >> 1)
        with m.Else():
            m.d.comb += on_grid.eq((shifted + 1) >> 1)
        value = delayed(m, on_grid, 1, "value").as_signed()
        valid, index = delayed(m, valid, 1, "valid"), delayed(m, index, 1, "index")
        tag, rounded = delayed(m, tag.as_value(), 1, "tag"), Signal(GridFields)
        self._follow(m, rounded, grid, "rounded")
        grid = rounded
        if not self._config.delta:
            only = self.o_candidates[DELTA]
            m.d.comb += only.listed.eq(1)
            m.d.sync += [self.o_valid.eq(valid), self.o_tag.eq(tag), only.operand.eq(value << grid.exponent)]
            return m

        # Stage 3: between which references the value does not count; the memory answers meanwhile.
        always_restarts, theta = Signal(), Signal(16)
        m.d.comb += [
            always_restarts.eq((grid.mode == Mode.DENSE) | (grid.mode == Mode.SKIP)),
            theta.eq(Mux(always_restarts | grid.exact, 0, grid.theta)),
        ]
        low, high = Signal(signed(18)), Signal(signed(18))
        forget, dense = Signal(), Signal()
        # With one list its reference is zero where the sums are recomputed; with two, the restart list needs none.
        forgets = grid.forget if self._config.mixed else always_restarts | grid.exact | grid.forget
        m.d.sync += [
            low.eq(value - theta),
            high.eq(value + theta),
            forget.eq(forgets),
            dense.eq(grid.mode == Mode.DENSE),
        ]
        valid, index = (
            delayed(m, signal, 1, f"{name}_2")
            for name, signal in (
                ("valid", valid),
                ("index", index),
            )
        )
        value = delayed(m, value, 1, "value_2").as_signed()
        tag = delayed(m, tag, 1, "tag_2")
        to_last = 1 + self._config.pipelined
        exponent, tau, restart_tau = (
            signal if self._steady else delayed(m, signal, to_last, name)
            for signal, name in ((grid.exponent, "exponent"), (grid.tau, "tau"), (grid.restart_tau, "restart_tau"))
        )

        # Stage 4: the change, and whether it counts.
        reference, change, moved = Signal(signed(16)), Signal(signed(17)), Signal()
        m.d.comb += [
            reference.eq(Mux(forget, 0, references.r_data)),
            change.eq(value - reference),
            moved.eq((reference < low) | (reference > high)),
        ]
        # How far the value moved does not depend on whether its list is computed anew.
        moves = change
        if not self._config.mixed:
            moves = Signal(signed(17))
            m.d.comb += moves.eq(value - references.r_data)
        if self._config.pipelined:
            reference, change, moves, value = (
                delayed(m, signal, 1, name).as_signed()
                for signal, name in (
                    (reference, "reference"),
                    (change, "change"),
                    (moves, "moves"),
                    (value, "value_3"),
                )
            )
            moved, dense, valid, index, tag = (
                delayed(m, signal, 1, name)
                for signal, name in (
                    (moved, "moved"),
                    (dense, "dense"),
                    (valid, "valid_3"),
                    (index, "index_3"),
                    (tag, "tag_3"),
                )
            )

        # The last stage: what each list holds of it. What the sums hold follows what was listed.
        stored, follows = Signal(signed(16)), Signal(signed(16))
        m.d.sync += [
            self.o_valid.eq(valid),
            self.o_tag.eq(tag),
            self.o_distance.eq(moves ^ moves[-1].replicate(len(moves))),
            references.w_addr[:place].eq(index),
        ]
        delta = self.o_candidates[DELTA]
        m.d.sync += [delta.listed.eq(dense | moved), delta.operand.eq(change << exponent)]
        if self._config.mixed:
            restart = self.o_candidates[RESTART]
            m.d.comb += follows.eq(Mux(moved, value, reference))
            m.d.sync += [
                stored.eq(follows),
                delta.low.eq(_within(change, tau)),
                restart.listed.eq(dense | (follows != 0)),
                restart.operand.eq(follows << exponent),
                restart.low.eq(_within(follows, restart_tau)),
            ]
            m.d.comb += references.w_data.eq(stored)
        else:
            kept = Signal(signed(16))
            m.d.sync += [stored.eq(value), kept.eq(reference)]
            m.d.comb += references.w_data.eq(Mux(delta.listed, stored, kept))
        m.d.comb += references.w_en.eq(self.o_valid)
        if self._banks:
            m.d.sync += references.w_addr[place].eq(~self.bank)
        return m

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
    """Whether an operand is small enough for the lower image; a threshold of zero means none is."""
    return (tau != 0) & (operand <= tau) & (operand >= -tau)
