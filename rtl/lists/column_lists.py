"""Column lists: what an encoder offers, entry after entry."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.interfaces import ListReadSignature
from lstmith.rtl.layouts import candidate_layout, entry_layout, length_layout, lists
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import BLOCK, RAM_LATENCY, Ram
from lstmith.spec.config import bits_for


class ColumnLists(wiring.Component):
    """The delta and the restart list of a segment, or the only one; several parts of equal size.

    An entry stands for a column in all planes that list it. It is written in the cycle of its candidate and counted
    from the next one on.

    Parameters
    ----------
    columns : int
        Columns that an entry may be of.
    entries : int
        Most entries of a list.
    parts : int
        Lists of each kind.
    operand_width : int
        Signed width of an operand.
    planes : int
        Planes of an entry: with two there are both lists.
    block : bool
        Whether they are block memories, however few entries there are.

    Members
    -------
    valid : In(1)
        A value comes from an encoder, with its candidates.
    candidates : In(array of candidate_layout by list)
        What each list would hold of it; while ``valid``, as all that follows.
    column : In(unsigned)
        Its column.
    base : In(unsigned)
        Where the list begins within its part.
    part : In(unsigned)
        The part that is written.
    clear : In(1)
        The list is complete, with this value if there is one; looked at in every cycle.
    lengths : Out(array of length_layout by list)
        Length of the list that grows, without the present value.
    totals : Out(array of length_layout by list)
        The same with the present value.
    read : In(ListReadSignature)
        The address is the place and, above it, the part.
    """

    def __init__(self, *, columns: int, entries: int, parts: int, operand_width: int, planes: int, block: bool = False):
        self._parts, self._planes, self._place_bits = parts, planes, bits_for(entries)
        self._attrs = BLOCK if block else None
        self._entry = entry_layout(columns=columns, operand_width=operand_width, planes=planes)
        lengths = data.ArrayLayout(length_layout(entries, planes), lists(planes))
        candidate = candidate_layout(operand_width=operand_width, planes=planes)
        place, part = self._place_bits, bits_for(parts)
        read = ListReadSignature(columns=columns, address_bits=place + part, operand_width=operand_width, planes=planes)
        super().__init__(
            {
                "valid": In(1),
                "candidates": In(data.ArrayLayout(candidate, lists(planes))),
                "column": In(bits_for(columns)),
                "base": In(place),
                "part": In(part),
                "clear": In(1),
                "lengths": Out(lengths),
                "totals": Out(lengths),
                "read": In(read),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        place = self._place_bits
        entries = []
        for index in range(lists(self._planes)):
            memory = Ram(self._entry, self._parts << place, attrs=self._attrs)
            m.submodules[f"list_{index}"] = memory
            candidate, length, total = self.candidates[index], self.lengths[index], self.totals[index]
            taken = Signal(name=f"taken_{index}")
            m.d.comb += [
                taken.eq(self.valid & candidate.planes.any()),
                total.count.eq(length.count + taken),
                memory.w_addr.eq(Cat((self.base + length.count)[:place], self.part)),
                memory.w_data.column.eq(self.column),
                memory.w_data.operands.eq(candidate.operands),
                memory.w_en.eq(taken),
                memory.r_addr.eq(self.read.address),
            ]
            if self._planes > 1:
                top, low = (self.valid & candidate.planes[plane] for plane in range(2))
                m.d.comb += [
                    memory.w_data.planes.eq(candidate.planes),
                    total.digits.eq(length.digits + top + low),
                    total.low.eq(length.low + low),
                ]
            m.d.sync += length.eq(Mux(self.clear, 0, total))
            entries.append(memory.r_data)
        m.d.comb += self.read.entry.eq(entries[0])
        if len(entries) > 1:
            with m.If(delayed(m, self.read.list, RAM_LATENCY, "list")):
                m.d.comb += self.read.entry.eq(entries[1])
        return m
