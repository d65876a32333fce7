"""Column lists: what an encoder offers, entry after entry."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import candidate_layout, entry_layout, length_layout, lists
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import Ram
from lstmith.spec.config import EngineConfig, bits_for


class ColumnLists(wiring.Component):
    """The delta and the restart list of a segment, or the only one; several parts of equal size.

    An entry is written in the cycle of its candidate and counted from the next one on.

    Parameters
    ----------
    config : EngineConfig
    columns : int
        Most entries of a list.
    parts : int
        Lists of each kind.

    Members
    -------
    valid, candidates, column
        From an encoder.
    base, part
        Where the list begins within a part, and the part.
    clear
        The list is complete with this value.
    lengths, totals
        Length of the list that grows, before and with this value.
    r_addr, r_list, entry
        Read port: place and, above it, the part; which list; entry two cycles later.
    """

    def __init__(self, config: EngineConfig, columns: int, parts: int):
        self._config, self._columns, self._parts = config, columns, parts
        lengths = data.ArrayLayout(length_layout(columns), lists(config))
        place = bits_for(columns)
        super().__init__(
            {
                "valid": In(1),
                "candidates": In(data.ArrayLayout(candidate_layout(config), lists(config))),
                "column": In(place),
                "base": In(place),
                "part": In(bits_for(parts)),
                "clear": In(1),
                "lengths": Out(lengths),
                "totals": Out(lengths),
                "r_addr": In(place + bits_for(parts)),
                "r_list": In(1),
                "entry": Out(entry_layout(config, columns)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        entry = entry_layout(self._config, self._columns)
        place = bits_for(self._columns)
        entries = []
        for index in range(lists(self._config)):
            memory = Ram(entry, self._parts << place)
            m.submodules[f"list_{index}"] = memory
            candidate, length, total = self.candidates[index], self.lengths[index], self.totals[index]
            taken = Signal(name=f"taken_{index}")
            m.d.comb += [
                taken.eq(self.valid & candidate.listed),
                total.count.eq(length.count + taken),
                total.low.eq(length.low + (taken & candidate.low)),
                memory.w_addr.eq(Cat((self.base + length.count)[:place], self.part)),
                memory.w_data.column.eq(self.column),
                memory.w_data.operand.eq(candidate.operand),
                memory.w_en.eq(taken),
                memory.r_addr.eq(self.r_addr),
            ]
            if self._config.mixed:
                m.d.comb += memory.w_data.low.eq(candidate.low)
            m.d.sync += length.eq(Mux(self.clear, 0, total))
            entries.append(memory.r_data)
        m.d.comb += self.entry.eq(entries[0])
        if len(entries) > 1:
            with m.If(delayed(m, self.r_list, 2, "r_list")):
                m.d.comb += self.entry.eq(entries[1])
        return m
