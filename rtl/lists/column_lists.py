"""Column lists: what an encoder offers, entry after entry."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.interfaces import ListReadSignature
from lstmith.rtl.layouts import candidate_layout, entry_layout, length_layout, lists
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import RAM_LATENCY, Ram
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
    valid : unsigned(1), in
        A value comes from an encoder, with its candidates.
    candidates : array of candidate_layout(config) by list, in
        What each list would hold of it; while ``valid``, as all that follows.
    column : unsigned, in
        Its column.
    base : unsigned, in
        Where the list begins within its part.
    part : unsigned, in
        The part that is written.
    clear : unsigned(1), in
        The list is complete, with this value if there is one; looked at in every cycle.
    lengths : array of length_layout(columns) by list, out
        Length of the list that grows, without the present value.
    totals : array of length_layout(columns) by list, out
        The same with the present value.
    read : ListReadSignature(config, columns), in
        The address is the place and, above it, the part.
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
                "read": In(ListReadSignature(config, columns, place + bits_for(parts))),
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
                memory.r_addr.eq(self.read.address),
            ]
            if self._config.mixed:
                m.d.comb += memory.w_data.low.eq(candidate.low)
            m.d.sync += length.eq(Mux(self.clear, 0, total))
            entries.append(memory.r_data)
        m.d.comb += self.read.entry.eq(entries[0])
        if len(entries) > 1:
            with m.If(delayed(m, self.read.list, RAM_LATENCY, "list")):
                m.d.comb += self.read.entry.eq(entries[1])
        return m
