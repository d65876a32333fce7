"""Loads the weights from a serial flash at start-up, for memories that a bitstream cannot fill."""

from __future__ import annotations

from amaranth.hdl import C, Cat, Module, Signal
from amaranth.lib import crc, wiring
from amaranth.lib.wiring import In, Out

from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS, WEIGHTS

WAKE, READ = 0xAB, 0x03
#: Cycles between waking the flash and reading; 3 microseconds are needed, at most 40 MHz are expected.
WAKE_CYCLES = 1 << 10
#: Address bits of the read command.
FLASH_ADDRESS_BITS = 24


#: Bits come highest first, so the CRC is one that is not reflected.
_CRC = crc.catalog.CRC32_BZIP2


def flash_content(image: MemoryImage) -> bytes:
    """The weights as they lie in the flash."""
    return bytes(image.weights.astype("<u2").tobytes())


def checksum(content: bytes) -> int:
    """Of the bytes in the flash."""
    return int(_CRC(data_width=8).compute(content))


class FlashLoader(wiring.Component):
    """Copies every lane's words from the flash to the core's bus, once, from reset on.

    The flash holds 16-bit words, low byte first, lane after lane. Its clock runs at half of ours,
    mode 0: bits change at its falling edge and are taken at its rising edge.

    Parameters
    ----------
    config : EngineConfig
    offset : int
        Byte address of the first word.
    checksum : int
        CRC-32/BZIP2 of all bytes, as :func:`checksum` computes it.

    Members
    -------
    select, clock, copi, cipo
        The flash; ``select`` is active high.
    address, data, write
        For the core's bus.
    done
        All words were written.
    valid
        They had the checksum; it settles before ``done``.
    """

    def __init__(self, config: EngineConfig, offset: int, checksum: int):
        if not 0 <= offset < 1 << FLASH_ADDRESS_BITS:
            raise ValueError(f"Flash offset must fit {FLASH_ADDRESS_BITS} bits, not {offset!r}")
        self._config, self._offset, self._checksum = config, offset, checksum
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
        config = self._config
        # One register for both directions: it sends its highest bit and takes in the lowest.
        shift = Signal(8 + FLASH_ADDRESS_BITS)
        sampled = Signal()
        bits = Signal(range(len(shift) + 1))
        pause = Signal(range(WAKE_CYCLES))
        index, lane = Signal(config.address_bits), Signal(bits_for(config.lanes))
        m.submodules.check = check = _CRC(data_width=1).create()
        last_word = index == config.weight_depth - 1

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
                m.d.sync += [shift.eq(C(WAKE, 8) << FLASH_ADDRESS_BITS), bits.eq(8), self.select.eq(1)]
                m.next = "Wake"
            with m.State("Wake"):
                with m.If(falls & (bits == 0)):
                    m.d.sync += [self.select.eq(0), pause.eq(WAKE_CYCLES - 1)]
                    m.next = "Pause"
            with m.State("Pause"):
                m.d.sync += pause.eq(pause - 1)
                with m.If(pause == 0):
                    m.d.sync += [
                        shift.eq(READ << FLASH_ADDRESS_BITS | self._offset),
                        bits.eq(len(shift)),
                        self.select.eq(1),
                    ]
                    m.next = "Command"
            with m.State("Command"):
                with m.If(falls & (bits == 0)):
                    m.d.sync += bits.eq(16)
                    m.next = "Words"
            with m.State("Words"):
                m.d.comb += [check.valid.eq(falls), check.data.eq(sampled)]
                with m.If(falls & (bits == 0)):
                    m.d.sync += [self.write.eq(1), bits.eq(16)]
                with m.If(self.write & last_word & (lane == config.lanes - 1)):
                    m.d.sync += [self.select.eq(0), self.valid.eq(check.crc == self._checksum)]
                    m.next = "Done"
            with m.State("Done"):
                m.d.comb += self.done.eq(1)
        return m
