"""Symbol encoder: a step's only x, the number of a column, to the list entries that count."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import DELTA, RESTART, GridFields, candidate_layout, lists
from lstmith.rtl.prim.arith import delayed
from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.latency import encode
from lstmith.spec.policy import Mode


class SymbolEncoder(wiring.Component):
    """Lists the column of a symbol, and where sums are kept also the column that it replaces.

    As if every column were encoded, of which the symbol's has the grid's largest value and all others are zero, but in
    one step's time of two entries. The restart list holds the symbol. The delta list takes the symbol before away and
    adds the new one, in all planes; it is empty if they are the same. The symbol before is all that there is to
    remember: no reference memory takes part, and a sequence's first step does not ask for it.

    Parameters
    ----------
    config : EngineConfig
        With symbols.

    Members
    -------
    valid : In(1)
        A symbol comes; the next one ``latency`` cycles later or after.
    symbol : In(unsigned)
        The number of its column; while ``valid``, as all that follows.
    sequence : In(1)
        Whose it is.
    grid : In(GridFields)
        ``shift``, ``exponent``, ``mode`` and ``pair``, which hold still; ``exact`` beside the symbol.
    follows : In(1)
        For one cycle, at ``o_valid`` of the last entry or later: the step is computed, so the next one replaces this
        symbol.
    o_valid : Out(1)
        ``latency - 1`` cycles after ``valid`` for the symbol before, and ``latency`` cycles after it for the symbol.
    o_last : Out(1)
        The symbol itself; while ``o_valid``, as all that follows.
    o_column : Out(unsigned)
        Which column.
    o_candidates : Out(array of candidate_layout by list)
        What each list would hold of it.
    o_distance : Out(unsigned)
        How far the step is from the one that the sums hold; 0 for the symbol before.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        candidate = candidate_layout(operand_width=config.operand_width, planes=config.planes)
        column = bits_for(config.x_columns)
        super().__init__(
            {
                "valid": In(1),
                "symbol": In(column),
                "sequence": In(1),
                "grid": In(GridFields),
                "follows": In(1),
                "o_valid": Out(1),
                "o_last": Out(1),
                "o_column": Out(column),
                "o_candidates": Out(data.ArrayLayout(candidate, lists(config.planes))),
                "o_distance": Out(config.operand_width),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a symbol to its candidates, the same as for a value."""
        return encode(self._config) - 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, grid = self._config, self.grid
        symbol, sequence, anew = Signal.like(self.symbol), Signal(), Signal()
        # With one plane the mode chooses what its list means; with two both lists are there.
        exact = grid.exact | (grid.mode == Mode.DENSE) | (grid.mode == Mode.SKIP)
        with m.If(self.valid):
            m.d.sync += [symbol.eq(self.symbol), sequence.eq(self.sequence), anew.eq(exact)]
        leaves = delayed(m, self.valid, self.latency - 1, "leaves")
        comes = delayed(m, leaves, 1, "comes")
        value = Signal(config.operand_width - 1)
        # The largest value of an unsigned grid, as far as an operand reaches.
        m.d.comb += value.eq(((Const(0xFFFF, 16) >> grid.shift) >> 1)[: len(value)])
        operand = (value << grid.exponent)[: config.operand_width - 1]
        before, other = symbol, Const(0)
        if config.delta:
            kept = [Signal.like(symbol, name=f"before_{index}") for index in range(config.sequences)]
            before = Signal.like(symbol, name="before")
            m.d.comb += before.eq(Array(kept)[sequence] if len(kept) > 1 else kept[0])
            other = before != symbol
            with m.If(self.follows):
                for index, register in enumerate(kept):
                    with m.If((sequence == index) if len(kept) > 1 else Const(1)):
                        m.d.sync += register.eq(symbol)
        differs = ~anew & other
        everywhere = Cat(Const(1), grid.pair) if config.planes > 1 else Const(1)
        delta = self.o_candidates[DELTA]
        m.d.comb += [
            self.o_valid.eq(comes | (leaves & differs)),
            self.o_last.eq(comes),
            self.o_column.eq(Mux(comes, symbol, before)),
            delta.planes.eq(Mux(anew | differs, everywhere, 0)),
            # As golden.encoder.distance counts a rise and a fall, which is one less.
            self.o_distance.eq(Mux(comes & other, (value << 1) - 1, 0)),
        ]
        for plane in range(config.planes):
            m.d.comb += delta.operands[plane].eq(Mux(comes, operand, -operand))
        if config.planes > 1:
            restart = self.o_candidates[RESTART]
            m.d.comb += restart.planes.eq(Mux(comes, everywhere, 0))
            for plane in range(config.planes):
                m.d.comb += restart.operands[plane].eq(operand)
        return m
