"""Encoder: a stream of 16-bit values to the list entries that count."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import DELTA, RESTART, GridFields, candidate_layout, lists
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import BLOCK, Ram
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
class _Followed:
    """A plane's reference, and whether it follows the value."""

    reference: Signal
    goal: Signal  # what the reference becomes if it follows
    change: Signal  # from what the plane's sums hold
    moved: Signal  # it follows
    exists: Value  # the weights have this plane


@dataclass(frozen=True)
class _Compared:
    """A value and its references, with what travels beside them."""

    valid: Signal
    index: Signal
    tag: Signal
    planes: list[_Followed]
    moves: Signal  # from the top plane's reference, whether or not that is forgotten
    dense: Signal
    exponent: Signal


class Encoder(wiring.Component):
    """Rounds a value to its grid, compares it with its reference in each plane and offers it to the lists.

    Throughput one value per cycle. The same references must not return within ``latency``
    cycles. With two planes a value is a candidate for two lists, the delta list (what changed)
    and the restart list (what is not zero); with one plane for one, which the mode chooses. Without delta there are no
    references and every value is listed. See ``golden.encoder.follow``.

    Parameters
    ----------
    config : EngineConfig
    references : int
        Number of values whose references are kept.
    tag : shape-like
        Travels with a value.
    skips : bool
        Whether steps can be skipped.
    steady : bool
        Whether ``grid``, but for ``defers``, ``forget`` and ``exact``, holds still while values are on their way.

    Members
    -------
    valid : In(1)
        A value comes.
    value : In(signed(16))
        While ``valid``, as all that follows.
    index : In(unsigned)
        The place of its references.
    tag : In(tag)
        What travels with it.
    grid : In(GridFields)
        How to encode it.
    reference_set : In(1)
        Where steps can be skipped: which of two sets of references holds; new ones go to the other. It holds still
        while values are on their way.
    o_valid : Out(1)
        ``latency`` cycles after ``valid``.
    o_candidates : Out(array of candidate_layout by list)
        What each list would hold of the value; while ``o_valid``, as all that follows.
    o_tag : Out(tag)
        What travelled with it.
    o_distance : Out(unsigned)
        How far the value is from its top plane's reference.
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
        candidate = candidate_layout(operand_width=config.operand_width, planes=config.planes)
        super().__init__(
            {
                "valid": In(1),
                "value": In(signed(16)),
                "index": In(bits_for(references)),
                "tag": In(tag),
                "grid": In(GridFields),
                "reference_set": In(1),
                "o_valid": Out(1),
                "o_candidates": Out(data.ArrayLayout(candidate, lists(config.planes))),
                "o_distance": Out(config.operand_width - 1),
                "o_tag": Out(tag),
            }
        )
        self._place_bits = bits_for(references)
        # An operand is a difference of two grid values, so that each of them fits its width.
        self._value_bits = min(16, config.operand_width)

    @property
    def latency(self) -> int:
        """Cycles from a value to its candidates."""
        return encode(self._config) - 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rounded = self._round(m)
        if self._config.delta:
            depth = 2 << self._place_bits if self._skips else self._references
            kept = data.ArrayLayout(signed(self._value_bits), self._config.planes)
            m.submodules.references = references = Ram(kept, depth, attrs=BLOCK if self._config.few_lanes else None)
            self._offer(m, self._compare(m, rounded, references), references)
            return m
        only = self.o_candidates[DELTA]
        m.d.comb += only.planes.eq(1)
        m.d.comb += [
            self.o_valid.eq(delayed(m, rounded.valid, 1, "offered")),
            self.o_tag.eq(delayed(m, rounded.tag, 1, "offered_tag")),
            only.operands[0].eq(delayed(m, rounded.value << rounded.grid.exponent, 1, "operand")),
        ]
        return m

    def _round(self, m: Module) -> _Rounded:
        """Stages 1 and 2: shift to the grid; round half up, but not beyond the grid's largest value."""
        shifted = Signal(signed(17))
        m.d.comb += shifted.eq((self.value << 1) >> self.grid.shift)
        # It alone has ones in all places that stay, and would round up to a value that the grid has not.
        stays = Cat(*(self.value[place] | (self.grid.shift > place + 1) for place in range(14)), self.value[14])
        largest = stays.all() & ~self.value[-1]
        floor, half = Signal(signed(16), reset_less=True), Signal(reset_less=True)
        m.d.sync += [floor.eq(shifted >> 1), half.eq(shifted[0] & ~largest)]
        grid, rounded = Signal(GridFields, reset_less=True), Signal(GridFields, reset_less=True)
        self._follow(m, grid, self.grid, "grid")
        value = Signal(signed(self._value_bits), reset_less=True)
        m.d.sync += value.eq(floor + half)
        with m.If(grid.unsigned & (floor < 0)):
            m.d.sync += value.eq(0)
        self._follow(m, rounded, grid, "rounded")
        return _Rounded(
            valid=delayed(m, self.valid, 2, "valid"),
            value=value,
            index=delayed(m, self.index, 2, "index"),
            tag=delayed(m, self.tag.as_value(), 2, "tag"),
            grid=rounded,
        )

    def _compare(self, m: Module, rounded: _Rounded, references: Ram) -> _Compared:
        """Stages 3 and 4: which references are near enough, while the memory answers; then the changes."""
        config, grid, place = self._config, rounded.grid, self._place_bits
        m.d.comb += references.r_addr[:place].eq(delayed(m, self.index, 1, "read"))
        if self._skips:
            m.d.comb += references.r_addr[place].eq(self.reference_set)
        exact = (grid.mode == Mode.DENSE) | (grid.mode == Mode.SKIP) | grid.exact
        # With one list its reference is zero where the sums are recomputed; with two, the restart list needs none.
        forget = delayed(m, grid.forget if config.planes > 1 else exact | grid.forget, 1, "forget")
        value = delayed(m, rounded.value, 1, "compared").as_signed()
        late = int(config.pipelined)
        thetas = {"top": grid.theta}
        served: list[Value] = [Const(1)]
        exists: list[Value] = [Const(1)]
        if config.planes > 1:
            thetas["low"] = grid.low_theta
            served.append(delayed(m, grid.pair & (exact | ~grid.defers), 1, "served"))
            exists.append(grid.pair if self._steady else delayed(m, grid.pair, 1 + late, "pair"))
        planes = [
            self._compare_plane(
                m,
                name,
                coming=rounded.value,
                limit=Mux(exact, 0, self._within_width(theta)),
                value=value,
                reference=Mux(forget, 0, references.r_data[plane]),
                served=served[plane],
                exists=exists[plane],
            )
            for plane, (name, theta) in enumerate(thetas.items())
        ]
        moves = Signal(signed(self._value_bits + 1))
        m.d.comb += moves.eq(value - references.r_data[0])
        return _Compared(
            valid=delayed(m, rounded.valid, 1 + late, "compared_valid"),
            index=delayed(m, rounded.index, 1 + late, "compared_index"),
            tag=delayed(m, rounded.tag, 1 + late, "compared_tag"),
            planes=planes,
            moves=delayed(m, moves, late, "moves").as_signed(),
            dense=delayed(m, grid.mode == Mode.DENSE, 1 + late, "dense"),
            exponent=grid.exponent if self._steady else delayed(m, grid.exponent, 1 + late, "exponent"),
        )

    def _within_width(self, theta: Value) -> Value:
        """A threshold as wide as a grid value; no reference is further away than the largest one."""
        return theta[: self._value_bits] | theta[self._value_bits :].any().replicate(self._value_bits)

    def _compare_plane(
        self,
        m: Module,
        name: str,
        *,
        coming: Value,
        limit: Value,
        value: Value,
        reference: Value,
        served: Value,
        exists: Value,
    ) -> _Followed:
        """What becomes of a plane's reference, which stays if the plane is not served.

        ``coming`` and its ``limit`` come a cycle before ``value``, which is the same.
        """
        bits = self._value_bits
        # How far above zero, and how far below, a reference near the value may be.
        up, down, beyond_up, beyond_down = (
            Signal(signed(bits + 2), name=f"{name}_{part}", reset_less=True)
            for part in ("up", "down", "beyond_up", "beyond_down")
        )
        kept, goal = Signal(signed(bits), name=f"{name}_kept"), Signal(signed(bits), name=f"{name}_goal")
        change, moved = Signal(signed(bits + 1), name=f"{name}_change"), Signal(name=f"{name}_moved")
        m.d.sync += [up.eq(limit + coming), down.eq(limit - coming)]
        # If zero is near the value the reference becomes zero, which no list needs.
        snaps = (up >= 0) & (down >= 0) if self._config.planes > 1 else Const(0)
        m.d.comb += [
            kept.eq(reference),
            goal.eq(Mux(snaps, 0, value)),
            change.eq(goal - kept),
            beyond_up.eq(up - kept),
            beyond_down.eq(down + kept),
            moved.eq(((beyond_up < 0) | (beyond_down < 0)) & served),
        ]
        late = int(self._config.pipelined)
        return _Followed(
            reference=delayed(m, kept, late, f"{name}_kept_late").as_signed(),
            goal=delayed(m, goal, late, f"{name}_goal_late").as_signed(),
            change=delayed(m, change, late, f"{name}_change_late").as_signed(),
            moved=delayed(m, moved, late, f"{name}_moved_late"),
            exists=exists,
        )

    def _offer(self, m: Module, seen: _Compared, references: Ram) -> None:
        """The last stage: what each list holds of the value. What the sums hold follows what was listed."""
        place, moves = self._place_bits, seen.moves
        m.d.comb += references.w_en.eq(self.o_valid)
        m.d.comb += [
            self.o_valid.eq(delayed(m, seen.valid, 1, "offered")),
            self.o_tag.eq(delayed(m, seen.tag, 1, "offered_tag")),
            self.o_distance.eq(delayed(m, moves ^ moves[-1].replicate(len(moves)), 1, "distance")),
            references.w_addr[:place].eq(delayed(m, seen.index, 1, "written")),
        ]
        if self._skips:
            m.d.comb += references.w_addr[place].eq(delayed(m, ~self.reference_set, 1, "written_set"))
        delta = self.o_candidates[DELTA]
        for plane, followed in enumerate(seen.planes):
            listed, operand = followed.moved | (seen.dense & followed.exists), followed.change << seen.exponent
            m.d.comb += [
                delta.planes[plane].eq(delayed(m, listed, 1, f"listed_{plane}")),
                delta.operands[plane].eq(delayed(m, operand, 1, f"operand_{plane}")),
            ]
        if self._config.planes == 1:
            only = seen.planes[0]
            stored, kept = delayed(m, only.goal, 1, "stored"), delayed(m, only.reference, 1, "kept")
            m.d.comb += references.w_data[0].eq(Mux(delta.planes, stored, kept))
            return
        restart = self.o_candidates[RESTART]
        for plane, followed in enumerate(seen.planes):
            follows = Signal(signed(self._value_bits), name=f"follows_{plane}")
            listed = followed.exists & (seen.dense | (follows != 0))
            m.d.comb += [
                follows.eq(Mux(followed.moved, followed.goal, followed.reference)),
                references.w_data[plane].eq(delayed(m, follows, 1, f"stored_{plane}")),
                restart.planes[plane].eq(delayed(m, listed, 1, f"listed_anew_{plane}")),
                restart.operands[plane].eq(delayed(m, follows << seen.exponent, 1, f"operand_anew_{plane}")),
            ]

    def _follow(self, m: Module, later: data.View, grid: data.View, name: str) -> None:
        """``later`` is the grid a cycle later, as far as that makes a difference."""
        if not self._steady:
            m.d.sync += later.eq(grid)
            return
        m.d.comb += later.eq(grid)
        for field in ("forget", "exact", "defers")[: 3 if self._config.monitor else 2]:
            m.d.comb += later[field].eq(delayed(m, grid[field], 1, f"{name}_{field}"))
