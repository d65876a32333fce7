"""Loads the weights from a serial flash at start-up, for memories that a bitstream cannot fill."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Signal
from amaranth.lib import crc, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.prim import parameters as check
from lstmith.spec.config import WEIGHT_WORD_BITS, bits_for
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS, WEIGHTS

WAKE_COMMAND, READ_COMMAND = 0xAB, 0x03
#: Cycles between waking the flash and reading; 3 microseconds are needed, at most 40 MHz are expected.
WAKE_CYCLES = 1 << 10
#: Address bits of the read command.
FLASH_ADDRESS_BITS = 24


#: Bits come highest first, so the CRC is one that is not reflected.
_CRC = crc.catalog.CRC32_BZIP2


def flash_content(image: MemoryImage) -> bytes:
    """The weights as they lie in the flash: lane after lane, 16-bit words, low byte first."""
    return bytes(image.weights.astype("<u2").tobytes())


def checksum(content: bytes) -> int:
    """CRC-32/BZIP2 of the bytes in the flash."""
    return int(_CRC(data_width=8).compute(content))


class FlashLoader(wiring.Component):
    """Copies every lane's words from the flash to the core's bus, once, from reset on.

    The flash holds 16-bit words, low byte first, lane after lane. Its clock runs at half of the
    component's, in mode 0: bits change at its falling edge and are taken at its rising edge.

    Parameters
    ----------
    lanes : int
        Lanes of the engine.
    depth : int
        Weight words of a lane.
    offset : int
        Byte address of the first word.
    checksum : int
        CRC-32/BZIP2 of all bytes, as :func:`checksum` computes it.

    Members
    -------
    select : Out(1)
        Selects the flash; active high.
    clock : Out(1)
        Clock of the flash, low while ``select`` is.
    copi : Out(1)
        Bit to the flash; changes when ``clock`` falls.
    cipo : In(1)
        Bit from the flash; taken when ``clock`` rises.
    address : Out(ADDRESS_BITS)
        Address on the core's bus; valid with ``write``.
    data : Out(DATA_BITS)
        Weight word for the core's bus; valid with ``write``.
    write : Out(1)
        Writes a word, for one cycle.
    done : Out(1)
        All words were written; stays set.
    valid : Out(1)
        They had the checksum; valid with ``done``.

    Raises
    ------
    TypeError
        If a parameter is no integer.
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, *, lanes: int, depth: int, offset: int, checksum: int):
        self._lanes = check.integer("Flash loader lanes", lanes, 1)
        self._depth = check.integer("Flash loader depth", depth, 1)
        if not 0 <= check.integer("Flash offset", offset, 0) < 1 << FLASH_ADDRESS_BITS:
            raise ValueError(f"Flash offset must fit {FLASH_ADDRESS_BITS} bits, not {offset!r}")
        self._offset, self._checksum = offset, check.integer("Flash checksum", checksum, 0, (1 << 32) - 1)
        super().__init__(
            {
                "select": Out(1),
                "clock": Out(1),
                "copi": Out(1),
                "cipo": In(1),
                "address": Out(ADDRESS_BITS),
                "data": Out(DATA_BITS),
                "write": Out(1),
                "done": Out(1),
                "valid": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # One register for both directions: it sends its highest bit and takes in the lowest.
        shift = Signal(8 + FLASH_ADDRESS_BITS)
        sampled = Signal()
        bits = Signal(range(len(shift) + 1))
        pause = Signal(range(WAKE_CYCLES))
        index, lane = Signal(bits_for(self._depth)), Signal(bits_for(self._lanes))
        m.submodules.check = check = _CRC(data_width=1).create()
        last_word = index == self._depth - 1

        m.d.comb += [
            self.copi.eq(shift[-1]),
            self.address.eq(WEIGHTS | Cat(index, lane)),
            # Bits arrive highest first, bytes lowest first.
            self.data.eq(Cat(shift[8:16], shift[:8])),
        ]
        m.d.sync += self.write.eq(0)
        rises, falls = self.select & ~self.clock, self.select & self.clock
        with m.If(self.select):
            m.d.sync += self.clock.eq(~self.clock)
        with m.If(rises):
            m.d.sync += [sampled.eq(self.cipo), bits.eq(bits - 1)]
        with m.If(falls):
            m.d.sync += shift.eq(Cat(sampled, shift[:-1]))
        with m.If(self.write):
            m.d.sync += index.eq(index + 1)
            with m.If(last_word):
                m.d.sync += [index.eq(0), lane.eq(lane + 1)]

        with m.FSM():
            with m.State("Begin"):
                m.d.sync += [shift.eq(C(WAKE_COMMAND, 8) << FLASH_ADDRESS_BITS), bits.eq(8), self.select.eq(1)]
                m.next = "Wake"
            with m.State("Wake"):
                with m.If(falls & (bits == 0)):
                    m.d.sync += [self.select.eq(0), pause.eq(WAKE_CYCLES - 1)]
                    m.next = "Pause"
            with m.State("Pause"):
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 0):
                    m.d.sync += [
                        shift.eq(READ_COMMAND << FLASH_ADDRESS_BITS | self._offset),
                        bits.eq(len(shift)),
                        self.select.eq(1),
                    ]
                    m.next = "Command"
            with m.State("Command"):
                with m.If(falls & (bits == 0)):
                    m.d.sync += bits.eq(WEIGHT_WORD_BITS)
                    m.next = "Words"
            with m.State("Words"):
                m.d.comb += [check.valid.eq(falls), check.data.eq(sampled)]
                with m.If(falls & (bits == 0)):
                    m.d.sync += [self.write.eq(1), bits.eq(WEIGHT_WORD_BITS)]
                with m.If(self.write & last_word & (lane == self._lanes - 1)):
                    m.d.sync += [self.select.eq(0), self.valid.eq(check.crc == self._checksum)]
                    m.next = "Done"
            with m.State("Done"):
                m.d.comb += self.done.eq(1)
        return m
