"""Program store: layer records, and the one that comes next laid out in registers."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import descriptor_layout
from lstmith.rtl.prim.ram import Ram
from lstmith.spec import layer_descriptor as descriptor
from lstmith.spec.config import ACTIVE_COUNTS, EngineConfig, bits_for


class ProgramStore(wiring.Component):
    """Holds one record per layer and active count and fetches the next while the present one runs.

    A single record is a set of registers and always loaded. Of more, a fetch takes ``fetch_latency``
    cycles from ``advance`` or ``select`` to ``loaded``; with one layer its record stays.

    Parameters
    ----------
    config : EngineConfig
    descriptors : dict of int to list of int
        Initial packed records by place, see ``spec.memory_image``.

    Members
    -------
    w_addr, w_data, w_en
        Bus write of one word, see ``spec.registers``.
    select, layer_select, mask_select
        Fetch a given layer at a given active count instead.
    advance
        The present record was taken: fetch the next layer's, or layer 0's after the last.
    record, layer, loaded
        The next record.
    """

    def __init__(self, config: EngineConfig, descriptors: Mapping[int, list[int]] | None = None):
        self._config, self._descriptors = config, descriptors or {}
        layer = bits_for(config.layers)
        self._place_bits = config.layer_bits + config.active_bits
        super().__init__(
            {
                "w_addr": In(self._place_bits + bits_for(descriptor.DESCRIPTOR_STRIDE)),
                "w_data": In(32),
                "w_en": In(1),
                "select": In(1),
                "layer_select": In(layer),
                "mask_select": In(bits_for(ACTIVE_COUNTS)),
                "advance": In(1),
                "record": Out(descriptor_layout()),
                "layer": Out(layer),
                "loaded": Out(1),
            }
        )

    @property
    def fetch_latency(self) -> int:
        """Cycles from ``advance`` or ``select`` to ``loaded``; 0 with a single record."""
        return descriptor.DESCRIPTOR_WORDS + 3 if self._place_bits else 0

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first = self._descriptors.get(0, [0] * descriptor.DESCRIPTOR_WORDS)
        words = [Signal(32, name=f"word_{index}", init=first[index]) for index in range(descriptor.DESCRIPTOR_WORDS)]
        for name, (word, bit, width) in descriptor.LAYOUT.items():
            m.d.comb += self.record[name].eq(words[word][bit : bit + width])
        if not self._place_bits:
            for index, word in enumerate(words):
                with m.If(self.w_en & (self.w_addr == index)):
                    m.d.sync += word.eq(self.w_data)
            m.d.comb += self.loaded.eq(1)
            return m

        init = [0] * (descriptor.DESCRIPTOR_STRIDE << self._place_bits)
        for place, packed in self._descriptors.items():
            begin = place * descriptor.DESCRIPTOR_STRIDE
            init[begin : begin + len(packed)] = packed
        m.submodules.memory = memory = Ram(32, len(init), init)
        mask = Signal(max(1, self._config.active_bits))
        index_bits = bits_for(descriptor.DESCRIPTOR_STRIDE)
        fetched, waiting, arrived = Signal(index_bits), Signal(index_bits), Signal(index_bits)
        fetching, waiting_valid, arrived_valid = Signal(init=1), Signal(), Signal()
        m.d.comb += [
            memory.w_addr.eq(self.w_addr),
            memory.w_data.eq(self.w_data),
            memory.w_en.eq(self.w_en),
            memory.r_addr.eq(Cat(fetched, self.layer[: self._config.layer_bits], mask[: self._config.active_bits])),
            self.loaded.eq(~(fetching | waiting_valid | arrived_valid)),
        ]
        m.d.sync += [
            waiting.eq(fetched),
            waiting_valid.eq(fetching),
            arrived.eq(waiting),
            arrived_valid.eq(waiting_valid),
        ]
        with m.If(fetching):
            m.d.sync += [fetched.eq(fetched + 1), fetching.eq(fetched != descriptor.DESCRIPTOR_WORDS - 1)]
        for index, word in enumerate(words):
            with m.If(arrived_valid & (arrived == index)):
                m.d.sync += word.eq(memory.r_data)
        # A write may concern the record just fetched: begin again.
        changes = self.select | self.w_en | (self.advance if self._config.layer_bits else 0)
        with m.If(changes):
            m.d.sync += [fetched.eq(0), fetching.eq(1), waiting_valid.eq(0), arrived_valid.eq(0)]
        with m.If(self.select):
            m.d.sync += [self.layer.eq(self.layer_select), mask.eq(self.mask_select)]
        with m.Elif(self.advance):
            m.d.sync += self.layer.eq(Mux(self.record.last_layer, 0, self.layer + 1))
        return m
