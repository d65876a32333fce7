"""Accesses of a standard bus: which of them are allowed, and the registers that are not the engine's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.bus import BusSignature
from lstmith.rtl.fields import set_program
from lstmith.rtl.layouts import field_layout, sequence_of, set_sequence
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.wrappers.signatures import AccessSignature, Answer, beat_layout, element_layout
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import CoreMap
from lstmith.spec.register_map import Entry, Memory, Running
from lstmith.spec.registers import LOAD_IDLE, READ_LATENCY, REGION_SHIFT, FrontRegister, Region, Register

#: Cycles that it takes to look an address up.
LOOK_UP = 2
#: Bits that tell the registers apart that are not the engine's.
OWN_BITS = (max(FrontRegister) - min(FrontRegister)).bit_length()

_FOUND = data.StructLayout(dict.fromkeys(("reads", "writes", "closes", "ours", "load"), 1))
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
    absent : In(1)
        With several programs: a sequence named one that is not there.
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
                **({"absent": In(1)} if config.programs > 1 else {}),
                "irq": Out(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the beginning of an access to its end."""
        return LOOK_UP + READ_LATENCY

    def elaborate(self, platform: object) -> Module:
        m = Module()
        access = self.access
        # A place is looked up in the cycle of its strobe and the next one; then it is known what may be done.
        begins = delayed(m, access.valid, LOOK_UP, "asked")
        found = self._look_up(m)
        own = self._own(m, found)
        refused, kept, blocked = Signal(), Signal(), Signal()
        written, partial = access.enables.all(), access.enables.any() & ~access.enables.all()
        m.d.comb += [
            blocked.eq(
                (found.closes & self.busy)
                | (own[FrontRegister.STREAMS] & access.write & ~self.settled)
                | (own[FrontRegister.X] & ~self._takes_element())
            ),
            refused.eq(Mux(access.write, ~found.writes | partial, ~found.reads) | blocked),
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
            m.d.comb += access.answer.eq(Mux(found.reads | found.writes, Answer.SLVERR, Answer.DECERR))
        self._elaborate_reads(m, found.ours, own, ~kept, over & ~access.write)
        self._elaborate_writes(m, own, writes, begins & refused)
        return m

    def _takes_element(self) -> Value:
        """Whether what may be written to X is taken: there is room, and the program that it names exists."""
        room: Value = self.registers & self.x.ready
        programs, layout = self._core.config.programs, field_layout(FrontRegister.X)
        if programs == 1:
            return room
        return room & (data.View(layout, self.access.data[: layout.size]).program < programs)

    def _look_up(self, m: Module) -> data.View[data.StructLayout]:
        """What is known of the present access ``LOOK_UP`` cycles after its address.

        ``reads`` and ``writes`` that its place allows that, ``closes`` that it may not while the engine runs, ``ours``
        that it is no part of the engine, ``load`` that it is LOAD. Where nothing is, nothing is allowed.
        """
        address = self.access.address
        config, entries, memories = self._core.config, self._core.entries, self._core.memories
        # Bits that tell a region's registers apart.
        number_bits = max(each.address % (1 << REGION_SHIFT) for each in entries).bit_length()
        number, region = address[:number_bits], address[REGION_SHIFT:]
        widths = {memory.name: memory.words(config).bit_length() - 1 for memory in memories}
        # Whether the bits from one on are zero, up to the region.
        zero = {bits: Signal(name=f"zero_{bits}") for bits in {number_bits, *widths.values()} if bits < REGION_SHIFT}
        m.d.sync += [found.eq(~address[bits:REGION_SHIFT].any()) for bits, found in zero.items()]

        def allowed(*chosen: Entry | Memory) -> Value:
            """Whether one of these is at the address."""
            at = []
            for bank in {each.address >> REGION_SHIFT for each in chosen if isinstance(each, Entry)}:
                numbers = [each.address for each in chosen if isinstance(each, Entry)]
                of_bank = [each % (1 << number_bits) for each in numbers if each >> REGION_SHIFT == bank]
                at.append(zero[number_bits] & (region == bank) & _one_of(number, of_bank))
            windows = [each for each in chosen if isinstance(each, Memory)]
            for bits in sorted({widths[each.name] for each in windows}):
                bases = [each.base for each in windows if widths[each.name] == bits]
                if bits < REGION_SHIFT:
                    at.append(zero[bits] & _one_of(region, [base >> REGION_SHIFT for base in bases]))
                else:
                    at += [address[bits:] == base >> bits for base in bases]
            return Cat(at).any()

        parts: list[Entry | Memory] = [*entries, *memories]
        found = data.View(_FOUND, Signal(_FOUND.size, name="found"))
        m.d.sync += [
            found.reads.eq(allowed(*(part for part in parts if part.access.reads))),
            found.writes.eq(allowed(*(part for part in parts if part.access.writes))),
            found.closes.eq(
                allowed(*(part for part in parts if isinstance(part, Memory) or part.running is Running.NONE))
            ),
            found.ours.eq(region == Region.FRONT),
            found.load.eq(zero[number_bits] & (region == Region.CONTROL) & (number == Register.LOAD)),
        ]
        return found

    def _own(self, m: Module, found: Any) -> dict[FrontRegister, Signal]:
        """Which register that is not the engine's an access is for, if it is granted; few bits tell them apart."""
        own = {register: Signal(name=f"at_{register.name.lower()}") for register in FrontRegister}
        number = self.access.address[:OWN_BITS]
        m.d.comb += [at.eq(found.ours & (number == register % (1 << OWN_BITS))) for register, at in own.items()]
        return own

    def _elaborate_reads(
        self, m: Module, ours: Value, own: dict[FrontRegister, Signal], shown: Value, reads: Value
    ) -> None:
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
        # Who is read is known long before the access is over.
        engine, takes, flags = Signal(), Signal(), Signal()
        m.d.sync += [
            engine.eq(shown & ~ours),
            takes.eq(shown & own[FrontRegister.H] & self.registers & self.h.valid),
            flags.eq(shown & ours & ~own[FrontRegister.H]),
        ]
        word = Signal(len(self._status.as_value()))
        with m.If(own[FrontRegister.IRQ_ENABLE]):
            m.d.comb += word.eq(self._enable.as_value())
        with m.Elif(own[FrontRegister.IRQ_STATUS]):
            m.d.comb += word.eq(self._status.as_value())
        with m.Else():
            m.d.comb += word.eq(streams.as_value())
        m.d.comb += [
            self.h.ready.eq(takes & reads),
            self.access.r_data.eq(Mux(engine, self.bus.r_data, Mux(takes, result.as_value(), Mux(flags, word, 0)))),
        ]

    def _elaborate_writes(self, m: Module, own: dict[FrontRegister, Signal], writes: Value, refused: Value) -> None:
        """X, the streams' switch and the interrupt."""
        layout, streams = field_layout(FrontRegister.X), field_layout(FrontRegister.STREAMS)
        word = data.View(layout, self.access.data[: layout.size])
        element = self.x.payload
        m.d.comb += [
            self.x.valid.eq(writes & own[FrontRegister.X]),
            *(element[name].eq(word[name]) for name in ("value", "last", "start", "restart", "mark", "mask")),
            element.keep.eq(1),
            *set_sequence(element, word.sequence),
            *set_program(element, word.program),
        ]
        with m.If(writes & own[FrontRegister.STREAMS]):
            m.d.sync += self.registers.eq(data.View(streams, self.access.data[: streams.size]).registers)
        with m.If(writes & own[FrontRegister.IRQ_ENABLE]):
            m.d.sync += self._enable.eq(self.access.data)
        # Both are known a cycle late, and an access is over later still.
        clears, refusal = Signal(), Signal()
        m.d.sync += [clears.eq(writes & own[FrontRegister.IRQ_STATUS]), refusal.eq(refused)]
        happens = Signal.like(self._status)
        m.d.comb += [
            happens.result.eq(self.h.valid),
            happens.done.eq(self.done),
            happens.refused.eq(refusal | self.absent if self._core.config.programs > 1 else refusal),
            happens.short.eq(self.short),
        ]
        kept = self._status.as_value() & ~(self.access.data & clears.replicate(len(self._status.as_value())))
        m.d.sync += [
            self._status.eq(kept | happens.as_value()),
            self.irq.eq((self._status.as_value() & self._enable.as_value()).any()),
        ]


def _one_of(value: Value, numbers: Sequence[int]) -> Value:
    """Whether a value is one of some numbers, as a table."""
    return Const(reduce(or_, (1 << each for each in numbers)), 1 << len(value)).bit_select(value, 1)
