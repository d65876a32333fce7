"""A lane's bank of weight memory."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth.hdl import Array, ClockSignal, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.prim import parameters as check
from lstmith.rtl.prim.ram import RAM_LATENCY, Ram
from lstmith.spec.config import WEIGHT_WORD_BITS, bits_for

#: Words of an iCE40 SPRAM block; banks of as many words or more are made of such blocks.
SPRAM_DEPTH = 16384


def initialised(*, depth: int, family: str) -> bool:
    """Whether a bank's weights can be there from the start: only the SPRAM of iCE40 has no initial contents."""
    return family != "ice40" or depth < SPRAM_DEPTH


class WeightBank(wiring.Component):
    """Weight words of one lane: one word per cycle, ``latency`` cycles after its address.

    Parameters
    ----------
    depth : int
        Words. On ``ice40`` banks of ``SPRAM_DEPTH`` words and more lie in SPRAM, which has one port; all others lie in
        block RAM.
    family : str
        One of ``FAMILIES``.
    init : iterable of int
        Initial words; SPRAM, which has no initial contents, ignores them.

    Members
    -------
    address : In(range(depth))
        Word to read, or to write if ``w_en`` is set.
    word : Out(WEIGHT_WORD_BITS)
        The word at the address of ``latency`` cycles ago; undefined if that cycle wrote.
    w_data : In(WEIGHT_WORD_BITS)
        Word to write; valid with ``w_en``.
    w_en : In(1)
        Writes ``w_data`` at ``address`` at the end of this cycle.

    Raises
    ------
    TypeError
        If ``depth`` is no integer.
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, *, depth: int, family: str, init: Iterable[int] = ()):
        self._depth = check.integer("Weight bank depth", depth, 1)
        self._family, self._init = check.family("Weight bank", family), list(init)
        if len(self._init) > depth:
            raise ValueError(f"Weight bank init must hold at most {depth} words, not {len(self._init)!r}")
        super().__init__(
            {
                "address": In(bits_for(depth)),
                "word": Out(WEIGHT_WORD_BITS),
                "w_data": In(WEIGHT_WORD_BITS),
                "w_en": In(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an address to its word; SPRAM, read in one cycle, has a register behind it."""
        return RAM_LATENCY

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if not initialised(depth=self._depth, family=self._family):
            self._elaborate_spram(m)
            return m
        m.submodules.ram = ram = Ram(WEIGHT_WORD_BITS, self._depth, self._init)
        m.d.comb += [
            ram.r_addr.eq(self.address),
            self.word.eq(ram.r_data),
            ram.w_addr.eq(self.address),
            ram.w_data.eq(self.w_data),
            ram.w_en.eq(self.w_en),
        ]
        return m

    def _elaborate_spram(self, m: Module) -> None:
        """Blocks side by side; the address bits above a block's own choose one, a cycle later for what it reads."""
        blocks = -(-self._depth // SPRAM_DEPTH)
        outputs = Array(Signal(WEIGHT_WORD_BITS, name=f"bank_{index}") for index in range(blocks))
        index_bits = bits_for(SPRAM_DEPTH)
        selected = self.address[index_bits:]
        selected_next = Signal.like(selected, reset_less=True)
        m.d.sync += selected_next.eq(selected)
        word = Signal(WEIGHT_WORD_BITS, reset_less=True)
        m.d.sync += word.eq(outputs[selected_next])
        m.d.comb += self.word.eq(word)
        for index, output in enumerate(outputs):
            m.submodules[f"spram_{index}"] = Instance(
                "SB_SPRAM256KA",
                i_CLOCK=ClockSignal(),
                i_ADDRESS=self.address[:index_bits],
                i_DATAIN=self.w_data,
                i_MASKWREN=0b1111,
                i_WREN=self.w_en & (selected == index),
                i_CHIPSELECT=1,
                i_STANDBY=0,
                i_SLEEP=0,
                i_POWEROFF=1,
                o_DATAOUT=output,
            )
