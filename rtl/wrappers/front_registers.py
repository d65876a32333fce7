"""Accesses of a standard bus: which of them are allowed, and the registers that are not the engine's."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.bus import BusSignature
from lstmith.rtl.layouts import field_layout, sequence_of, set_sequence
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.wrappers.signatures import AccessSignature, Answer, beat_layout, element_layout
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import CoreMap
from lstmith.spec.register_map import Entry, Memory, Running
from lstmith.spec.registers import DATA_BITS, LOAD_IDLE, READ_LATENCY, REGION_SHIFT, FrontRegister, Region, Register

#: Bits of an address that tell a region's registers apart.
NUMBER_BITS = max(*Register, *FrontRegister).bit_length()

_FLAGS = ("there", "granted", "closes", "ours", "load", *(register.name.lower() for register in FrontRegister))
_FOUND = data.StructLayout(dict.fromkeys(_FLAGS, 1))
_RESULT = field_layout(FrontRegister.H)


class FrontRegisters(wiring.Component):
    """Passes an access on to the engine if the register map allows it, and answers an error if not.

    Parameters
    ----------
    core : CoreMap

    Members
    -------
    access : In(AccessSignature)
        From the bus; over after ``latency`` cycles, or a write of LOAD when the engine has followed it.
    bus : Out(BusSignature)
        To the engine.
    busy : In(1)
        The engine runs.
    settled : In(1)
        No step is in flight and no result waits, so that the streams may be switched.
    registers : Out(1)
        x and h go through registers, not through the ports.
    x : Out(stream of element_layout(config))
        Elements that are written to X: ``valid`` for one cycle, and only if ``ready``.
    h : In(stream of beat_layout(config))
        Results to be read from H; taken only with ``registers``.
    done : In(1)
        For one cycle: nothing is left of a sequence.
    short : In(1)
        A sequence ended within a step.
    irq : Out(1)
        A bit of IRQ_STATUS is set and enabled.
    """

    def __init__(self, core: CoreMap):
        self._core = core
        layout = field_layout(FrontRegister.IRQ_STATUS)
        self._enable, self._status = Signal(layout), Signal(layout)
        config: EngineConfig = core.config
        super().__init__(
            {
                "access": In(AccessSignature()),
                "bus": Out(BusSignature()),
                "busy": In(1),
                "settled": In(1),
                "registers": Out(1),
                "x": Out(stream.Signature(element_layout(config))),
                "h": In(stream.Signature(beat_layout(config))),
                "done": In(1),
                "short": In(1),
                "irq": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the beginning of an access to its end."""
        return 1 + READ_LATENCY

    def elaborate(self, platform: object) -> Module:
        m = Module()
        access = self.access
        # A place is looked up in the cycle of its strobe; in the next one it is known what may be done.
        begins = Signal()
        m.d.sync += begins.eq(access.valid)
        found = self._look_up(m)
        refused, kept, blocked = Signal(), Signal(), Signal()
        written, partial = access.enables.all(), access.enables.any() & ~access.enables.all()
        m.d.comb += [
            blocked.eq(
                (found.closes & self.busy)
                | (found.streams & access.write & ~self.settled)
                | (found.x & ~(self.registers & self.x.ready))
            ),
            refused.eq(~found.granted | blocked | (access.write & partial)),
        ]
        # What is read waits for the engine's memories; a read that is refused shows nothing.
        with m.If(begins):
            m.d.sync += kept.eq(refused)
        # A write is over as late as a read: then the engine has encoded an h that is loaded.
        loads = access.write & found.load
        over = delayed(m, begins & ~loads, READ_LATENCY, "over") | delayed(m, begins & loads, LOAD_IDLE, "loads")
        writes = begins & access.write & written & ~refused
        m.d.comb += [
            self.bus.addr.eq(access.address),
            self.bus.w_data.eq(access.data),
            self.bus.w_en.eq(writes & ~found.ours),
            self.bus.r_en.eq(begins & ~access.write & ~found.ours & ~refused),
            access.done.eq(over),
        ]
        with m.If(kept):
            m.d.comb += access.answer.eq(Mux(found.there, Answer.SLVERR, Answer.DECERR))
        self._elaborate_reads(m, found, ~kept, over & ~access.write)
        self._elaborate_writes(m, found, writes, begins & refused)
        return m

    def _look_up(self, m: Module) -> data.View[data.StructLayout]:
        """What is known of the present access a cycle after its address.

        ``there`` that something is at its place, ``granted`` that it may be accessed that way, ``closes`` that it may
        not while the engine runs, ``ours`` that it is no part of the engine, and which register of this part it is;
        ``load`` that it is LOAD.
        """
        address, write = self.access.address, self.access.write
        config, entries, memories = self._core.config, self._core.entries, self._core.memories
        number, region = address[:NUMBER_BITS], address[REGION_SHIFT:]
        widths = {memory.name: memory.words(config).bit_length() - 1 for memory in memories}
        # Whether the bits from one on are zero, up to the region; each takes what the one above it found.
        zero: dict[int, Value] = {REGION_SHIFT: Const(1)}
        above = REGION_SHIFT
        for bits in sorted({NUMBER_BITS, *(width for width in widths.values() if width < REGION_SHIFT)}, reverse=True):
            zero[bits] = Signal(name=f"zero_{bits}")
            m.d.comb += zero[bits].eq(zero[above] & ~address[bits:above].any())
            above = bits
        places: list[tuple[Value, Entry | Memory]] = []
        for entry in entries:
            bank = zero[NUMBER_BITS] & (region == entry.address >> REGION_SHIFT)
            places.append((bank & (number == entry.address % (1 << NUMBER_BITS)), entry))
        for memory in memories:
            bits = widths[memory.name]
            if bits < REGION_SHIFT:
                places.append((zero[bits] & (region == memory.base >> REGION_SHIFT), memory))
            else:
                places.append((address[bits:] == memory.base >> bits, memory))
        closes = {Running.ALL: Const(0), Running.READ: Const(0), Running.NONE: Const(1)}
        found = data.View(_FOUND, Signal(_FOUND.size, name="found"))
        m.d.sync += [
            found.there.eq(Cat(at for at, _ in places).any()),
            found.granted.eq(Cat(at & Mux(write, part.access.writes, part.access.reads) for at, part in places).any()),
            found.closes.eq(
                Cat(at & (closes[part.running] if isinstance(part, Entry) else 1) for at, part in places).any()
            ),
            found.ours.eq(region == Region.FRONT),
            found.load.eq(zero[NUMBER_BITS] & (region == Region.CONTROL) & (number == Register.LOAD)),
            *(
                found[register.name.lower()].eq((region == Region.FRONT) & (number == register))
                for register in FrontRegister
            ),
        ]
        return found

    def _elaborate_reads(self, m: Module, found: Any, shown: Value, reads: Value) -> None:
        """What the registers hold; a result leaves with its read."""
        result = data.View(_RESULT, Signal(_RESULT.size, name="result"))
        streams = Signal(field_layout(FrontRegister.STREAMS))
        beat = self.h.payload
        m.d.comb += [
            streams.registers.eq(self.registers),
            streams.x_ready.eq(self.registers & self.x.ready),
            streams.h_valid.eq(self.registers & self.h.valid),
            *(result[name].eq(beat[name]) for name in ("value", "last", "end", "skipped", "layer")),
            result.sequence.eq(sequence_of(beat)),
            result.valid.eq(1),
        ]
        takes = Signal()
        m.d.comb += [takes.eq(shown & found.h & self.registers & self.h.valid), self.h.ready.eq(takes & reads)]
        words: list[tuple[Value, Value]] = [
            (shown & ~found.ours, self.bus.r_data),
            (takes, result.as_value()),
            (shown & found.irq_enable, self._enable.as_value()),
            (shown & found.irq_status, self._status.as_value()),
            (shown & found.streams, streams.as_value()),
        ]
        shown_words = []
        for index, (chosen, word) in enumerate(words):
            select, part = Signal(name=f"shows_{index}"), Signal(DATA_BITS, name=f"word_{index}")
            m.d.comb += [select.eq(chosen), part.eq(word & select.replicate(len(word)))]
            shown_words.append(part)
        m.d.comb += self.access.r_data.eq(reduce(or_, shown_words))

    def _elaborate_writes(self, m: Module, found: Any, writes: Value, refused: Value) -> None:
        """X, the streams' switch and the interrupt."""
        layout, streams = field_layout(FrontRegister.X), field_layout(FrontRegister.STREAMS)
        word = data.View(layout, self.access.data[: layout.size])
        element = self.x.payload
        m.d.comb += [
            self.x.valid.eq(writes & found.x),
            *(element[name].eq(word[name]) for name in ("value", "last", "start", "restart", "mark", "mask")),
            element.keep.eq(1),
            *set_sequence(element, word.sequence),
        ]
        with m.If(writes & found.streams):
            m.d.sync += self.registers.eq(data.View(streams, self.access.data[: streams.size]).registers)
        with m.If(writes & found.irq_enable):
            m.d.sync += self._enable.eq(self.access.data)
        happens = Signal.like(self._status)
        cleared = Mux(writes & found.irq_status, self.access.data, 0)
        m.d.comb += [
            happens.result.eq(self.h.valid),
            happens.done.eq(self.done),
            happens.refused.eq(refused),
            happens.short.eq(self.short),
        ]
        m.d.sync += [
            self._status.eq((self._status.as_value() & ~cleared) | happens.as_value()),
            self.irq.eq((self._status.as_value() & self._enable.as_value()).any()),
        ]
