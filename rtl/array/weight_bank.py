"""A lane's bank of weight memory."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth.hdl import Array, ClockSignal, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.prim.ram import Ram
from lstmith.spec.config import EngineConfig

SPRAM_DEPTH = 16384


def initialised(config: EngineConfig) -> bool:
    """Whether weights are there from the start: all memories but iCE40's SPRAM have initial contents."""
    return config.family != "ice40" or config.weight_depth < SPRAM_DEPTH


class WeightBank(wiring.Component):
    """Weight words of one lane. Latency 2 cycles, one word per cycle.

    Parameters
    ----------
    config : EngineConfig
        On ``ice40`` banks of 16384 words and more lie in SPRAM, which has one port and no initial
        contents; elsewhere in block RAM.
    init : iterable of int
        Initial words.

    Members
    -------
    address, word
        Read.
    w_data, w_en
        Write at ``address``.
    """

    def __init__(self, config: EngineConfig, init: Iterable[int] = ()):
        self._config, self._init = config, list(init)
        super().__init__(
            {
                "address": In(config.address_bits),
                "word": Out(16),
                "w_data": In(16),
                "w_en": In(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from an address to its word."""
        return 2

    @property
    def uses_spram(self) -> bool:
        """Whether the bank is made of SPRAM."""
        return not initialised(self._config)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if self.uses_spram:
            self._elaborate_spram(m)
            return m
        m.submodules.ram = ram = Ram(16, self._config.weight_depth, self._init)
        m.d.comb += [
            ram.r_addr.eq(self.address),
            self.word.eq(ram.r_data),
            ram.w_addr.eq(self.address),
            ram.w_data.eq(self.w_data),
            ram.w_en.eq(self.w_en),
        ]
        return m

    def _elaborate_spram(self, m: Module) -> None:
        banks = -(-self._config.weight_depth // SPRAM_DEPTH)
        outputs = Array(Signal(16, name=f"bank_{index}") for index in range(banks))
        index_bits = SPRAM_DEPTH.bit_length() - 1
        selected = self.address[index_bits:]
        selected_next = Signal.like(selected, reset_less=True)
        m.d.sync += selected_next.eq(selected)
        word = Signal(16, reset_less=True)
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
