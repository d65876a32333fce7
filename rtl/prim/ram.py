"""Block RAM with one write port, and a register behind its read port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from amaranth.hdl import Module, ShapeLike, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lstmith.rtl.prim import parameters as check
from lstmith.spec.config import bits_for

#: Cycles from an address to its word; whoever names a place waits as long for what lies there.
RAM_LATENCY = 2
#: Attributes of a memory that is to be a block memory, where synthesis would take lookup tables for so few words.
BLOCK = {"ram_style": "block"}


class Ram(wiring.Component):
    """Simple dual-port memory: one word per cycle at each port.

    Block RAM answers late in its cycle (5.8 ns on ECP5), so no logic may follow it, and the memory has a register
    behind its read port.

    Parameters
    ----------
    shape : shape-like
        One word.
    depth : int
        Number of words.
    init : iterable
        Initial contents; words beyond its end are zero.
    attrs : dict of str to str
        Attributes for synthesis, such as the kind of memory where the tool's own choice is poor.

    Members
    -------
    r_addr : In(range(depth))
        Word to read; every cycle.
    r_data : Out(shape)
        The word at the address of ``latency`` cycles ago; undefined if that cycle also wrote it.
    w_addr : In(range(depth))
        Word to write; valid with ``w_en``.
    w_data : In(shape)
        What to write; valid with ``w_en``.
    w_en : In(1)
        Writes at the end of this cycle.

    Raises
    ------
    TypeError
        If ``depth`` is no integer.
    ValueError
        If ``depth`` is not positive.
    """

    def __init__(
        self, shape: ShapeLike, depth: int, init: Iterable[object] = (), attrs: Mapping[str, str] | None = None
    ):
        self._shape, self._depth, self._init = shape, check.integer("Memory depth", depth, 1), list(init)
        self._attrs = dict(attrs or {})
        address = bits_for(depth)
        super().__init__(
            {
                "r_addr": In(address),
                "r_data": Out(shape),
                "w_addr": In(address),
                "w_data": In(shape),
                "w_en": In(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an address to its word."""
        return RAM_LATENCY

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A power-of-two depth keeps every address valid, so that no tool has to define the others.
        depth = 1 << bits_for(self._depth)
        m.submodules.memory = memory = Memory(shape=self._shape, depth=depth, init=self._init, attrs=self._attrs)
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            read.addr.eq(self.r_addr),
            read.en.eq(1),
            write.addr.eq(self.w_addr),
            write.data.eq(self.w_data),
            write.en.eq(self.w_en),
        ]
        word = Signal(self._shape, reset_less=True)
        m.d.sync += word.eq(read.data)
        m.d.comb += self.r_data.eq(word)
        return m
