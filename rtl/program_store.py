"""Program store: layer descriptors, and the one that comes next laid out in registers."""

from __future__ import annotations

from collections.abc import Mapping

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.host_interfaces import ProgramWriteSignature
from lstmith.rtl.interfaces import DescriptorSelectSignature, ProgramSignature
from lstmith.rtl.prim.ram import RAM_LATENCY, Ram
from lstmith.spec import layer_descriptor
from lstmith.spec.config import bits_for, index_bits


class ProgramStore(wiring.Component):
    """Holds one descriptor per program, layer and active count and fetches the next while the present one runs.

    A single descriptor is a set of registers and always loaded. Of more, a fetch takes ``fetch_latency``
    cycles from ``next.advance`` or ``select`` to ``next.loaded``; with one layer its descriptor stays.

    Parameters
    ----------
    layers, active_counts, programs : int
        Layers, and active counts of each, of every program.
    descriptors : dict of int to list of int
        Initial packed descriptors by place, see ``spec.memory_image``.
    fixed : bool
        Whether they are there for good: nothing is written.
    verdicts : bool
        Whether descriptors have the fields of verdicts.

    Members
    -------
    write : In(ProgramWriteSignature)
        A word from the host; the descriptor just fetched is fetched again.
    select : In(DescriptorSelectSignature)
        Asks for a given descriptor instead of the next.
    next : Out(ProgramSignature)
        The descriptor that comes next.
    """

    def __init__(
        self,
        *,
        layers: int,
        active_counts: int,
        programs: int = 1,
        descriptors: Mapping[int, list[int]] | None = None,
        fixed: bool = False,
        verdicts: bool = False,
    ):
        self._descriptors, self._fixed = descriptors or {}, fixed
        self._layer_bits, self._mask_bits = index_bits(layers), index_bits(active_counts)
        self._program_bits = index_bits(programs)
        self._place_bits = self._layer_bits + self._mask_bits + self._program_bits
        super().__init__(
            {
                "write": In(ProgramWriteSignature(layers=layers, active_counts=active_counts, programs=programs)),
                "select": In(DescriptorSelectSignature(layers=layers)),
                "next": Out(ProgramSignature(layers=layers, verdicts=verdicts, counts=active_counts > 1)),
            }
        )

    @property
    def fetch_latency(self) -> int:
        """Cycles from ``next.advance`` or ``select`` to ``next.loaded``; 0 with a single descriptor."""
        return layer_descriptor.DESCRIPTOR_WORDS + RAM_LATENCY + 1 if self._place_bits else 0

    def elaborate(self, platform: object) -> Module:
        m = Module()
        first = self._descriptors.get(0, [0] * layer_descriptor.DESCRIPTOR_WORDS)
        words = [
            Signal(32, name=f"word_{index}", init=first[index]) for index in range(layer_descriptor.DESCRIPTOR_WORDS)
        ]
        for name in self.next.descriptor.shape().members:
            word, bit, width = layer_descriptor.LAYOUT[name]
            m.d.comb += self.next.descriptor[name].eq(words[word][bit : bit + width])
        if not self._place_bits and self._fixed:
            m.d.comb += [word.eq(value) for word, value in zip(words, first, strict=True)]
            m.d.comb += self.next.loaded.eq(1)
            return m
        if not self._place_bits:
            for index, word in enumerate(words):
                with m.If(self.write.valid & (self.write.address == index)):
                    m.d.sync += word.eq(self.write.data)
            m.d.comb += self.next.loaded.eq(1)
            return m

        init = [0] * (layer_descriptor.DESCRIPTOR_STRIDE << self._place_bits)
        for place, packed in self._descriptors.items():
            begin = place * layer_descriptor.DESCRIPTOR_STRIDE
            init[begin : begin + len(packed)] = packed
        m.submodules.memory = memory = Ram(32, len(init), init)
        mask, program = Signal(max(1, self._mask_bits)), Signal(max(1, self._program_bits))
        chosen = Cat(mask[: self._mask_bits], program[: self._program_bits])
        index_bits = bits_for(layer_descriptor.DESCRIPTOR_STRIDE)
        fetched, waiting, arrived = Signal(index_bits), Signal(index_bits), Signal(index_bits)
        fetching, waiting_valid, arrived_valid = Signal(init=1), Signal(), Signal()
        m.d.comb += [
            memory.w_addr.eq(self.write.address),
            memory.w_data.eq(self.write.data),
            memory.w_en.eq(self.write.valid),
            memory.r_addr.eq(Cat(fetched, self.next.layer[: self._layer_bits], chosen)),
            self.next.loaded.eq(~(fetching | waiting_valid | arrived_valid)),
        ]
        m.d.sync += [
            waiting.eq(fetched),
            waiting_valid.eq(fetching),
            arrived.eq(waiting),
            arrived_valid.eq(waiting_valid),
        ]
        with m.If(fetching):
            m.d.sync += [fetched.eq(fetched + 1), fetching.eq(fetched != layer_descriptor.DESCRIPTOR_WORDS - 1)]
        for index, word in enumerate(words):
            with m.If(arrived_valid & (arrived == index)):
                m.d.sync += word.eq(memory.r_data)
        # A write may concern the descriptor just fetched: begin again.
        changes = self.select.valid | self.write.valid | (self.next.advance if self._layer_bits else 0)
        with m.If(changes):
            m.d.sync += [fetched.eq(0), fetching.eq(1), waiting_valid.eq(0), arrived_valid.eq(0)]
        with m.If(self.select.valid):
            m.d.sync += [
                self.next.layer.eq(self.select.layer),
                mask.eq(self.select.mask),
                program.eq(self.select.program),
            ]
        with m.Elif(self.next.advance):
            m.d.sync += self.next.layer.eq(Mux(self.next.descriptor.last_layer, 0, self.next.layer + 1))
        return m
