"""A board's design: clock, linked core, flash loader and lights; and the same between plain ports."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal
from amaranth.hdl import Cat, Elaboratable, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out

from lstmith.boards.board import Board, Front, SpiPins
from lstmith.boards.clock import Clock, clock_domain
from lstmith.rtl.link.core import LinkedCore
from lstmith.rtl.link.flash import FlashLoader, checksum, flash_content
from lstmith.rtl.link.pins import forward_pins, front_pins
from lstmith.rtl.verilog import convert
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import FlashStatus
from lstmith.spec.memory_image import MemoryImage

#: Bits of the counter behind the light that shows a running clock: about six changes per second at 50 MHz.
ALIVE_BITS = 24
#: Module name of a board between plain ports.
SIMULATED = "lstmith_board"
LIGHTS = ("alive", "busy", "session", "fault")
#: Resource of the pins of :class:`~lstmith.boards.board.SpiPins`.
_SPI = "spi_front"
#: Pins of 3.3 V, by family.
_LEVELS = {"ice40": Attrs(IO_STANDARD="SB_LVCMOS")} | dict.fromkeys(("ecp5", "gowin"), Attrs(IO_TYPE="LVCMOS33"))


def watchdog_bits(weight_depth: int) -> int:
    """Width of the watchdog's counter: an interval is longer than any engine takes for the steps it has begun.

    A step issues every weight word once, and the words of another image of the same weights at most once more.
    """
    return min(ALIVE_BITS, max(16, (8 * weight_depth).bit_length()))


@dataclass(frozen=True)
class Flash:
    """Weights in a serial flash: byte address, and their :func:`lstmith.rtl.link.flash.checksum`."""

    offset: int
    checksum: int


class LinkedBoard(wiring.Component):
    """Everything of a board but its pins and its clock.

    Parameters
    ----------
    identity : Identity
    image : MemoryImage
    tag : int
        Initial value of ``LinkRegister.TAG``.
    flash : Flash or None
        Where the weights lie in a flash, if the bitstream cannot carry them.

    Members
    -------
    rx, tx, or spi_*
        See :func:`lstmith.rtl.link.pins.front_pins`.
    lights
        ``LIGHTS``, from bit 0 on; of an engine with verdicts the lowest bits of the last one.
    busy
        While it is low, nothing but ``alive`` happens before one of these changes.
    flash_*
        The serial flash, if there is one.
    """

    def __init__(self, identity: Identity, image: MemoryImage, tag: int = 0, flash: Flash | None = None):
        self._identity, self._image, self._tag, self._flash = identity, image, tag, flash
        pins = {
            "flash_select": Out(1),
            "flash_clock": Out(1),
            "flash_copi": Out(1),
            "flash_cipo": In(1),
        }
        super().__init__(
            {
                **front_pins(identity),
                "lights": Out(len(LIGHTS)),
                "busy": Out(1),
                **(pins if flash else {}),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config = self._identity.config
        m.submodules.core = core = LinkedCore(self._identity, self._image, self._tag)
        loaded = Signal(init=1)
        if self._flash is not None:
            m.submodules.loader = loader = FlashLoader(
                lanes=config.lanes,
                depth=config.weight_depth,
                offset=self._flash.offset,
                checksum=self._flash.checksum,
            )
            m.d.comb += [
                self.flash_select.eq(loader.select),
                self.flash_clock.eq(loader.clock),
                self.flash_copi.eq(loader.copi),
                loader.cipo.eq(self.flash_cipo),
                core.preload.addr.eq(loader.address),
                core.preload.w_data.eq(loader.data),
                core.preload.w_en.eq(loader.write),
                core.flash.eq(FlashStatus.COPIED | Mux(loader.valid, FlashStatus.VALID, 0)),
                loaded.eq(loader.done),
            ]
        forward_pins(m, self._identity, core, self)
        alive = Signal(ALIVE_BITS)
        m.d.sync += alive.eq(alive + 1)
        m.d.comb += [
            core.ready.eq(loaded),
            core.tick.eq(alive[: watchdog_bits(config.weight_depth)].all()),
            self.busy.eq(core.busy),
            self.lights.eq(core.verdict if config.verdicts else Cat(alive[-1], core.busy, core.session, core.fault)),
        ]
        return m


def simulation_verilog(identity: Identity, image: MemoryImage, tag: int = 0, platform: object = None) -> str:
    """A board as Verilog: module ``lstmith_board`` with ports clk, rst, lights, busy and those of the front.

    Parameters
    ----------
    identity : Identity
        Of a serial port ``clock_hz / baud`` are the cycles per bit, 2 or more.
    image : MemoryImage
    tag : int
    platform : object
        See :func:`lstmith.rtl.verilog.convert`.
    """
    return convert(LinkedBoard(identity, image, tag), SIMULATED, platform=platform).text


def find_platform(board: Board) -> Any:
    """An instance of the board's amaranth-boards platform."""
    module, name = board.platform.split(":")
    platform = getattr(import_module(module), name)()
    if board.extra_resources:
        platform.add_resources(getattr(platform, board.extra_resources))
    if board.front is Front.SPI and board.spi is not None:
        platform.add_resources([_spi_resource(board.spi, _LEVELS[board.family])])
    return platform


def _spi_resource(pins: SpiPins, levels: Attrs) -> Resource:
    """Pins of a microcontroller that is wired to a board."""
    on = pins.connector
    return Resource(
        _SPI,
        0,
        Subsignal("select", PinsN(pins.select, dir="i", conn=on)),
        Subsignal("sck", Pins(pins.sck, dir="i", conn=on)),
        Subsignal("copi", Pins(pins.copi, dir="i", conn=on)),
        Subsignal("cipo", Pins(pins.cipo, dir="oe", conn=on)),
        Subsignal("irq", Pins(pins.irq, dir="o", conn=on)),
        Subsignal("ready", Pins(pins.ready, dir="o", conn=on)),
        levels,
    )


class BoardTop(Elaboratable):
    """:class:`LinkedBoard` on a board's clock and pins.

    Parameters
    ----------
    board : Board
    identity : Identity
    image : MemoryImage
    tag : int
    """

    def __init__(self, board: Board, identity: Identity, image: MemoryImage, tag: int = 0):
        self._board = board
        self._flash = None
        if not board.carries_weights(identity.config):
            self._flash = Flash(board.flash_offset, checksum(flash_content(image)))
        self._linked = LinkedBoard(identity, image, tag, self._flash)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board, linked = self._board, self._linked
        m.domains.sync = clock_domain(board)
        m.submodules.clock = Clock(board)
        m.submodules.linked = linked
        if board.front is Front.SPI:
            self._elaborate_spi(m, platform)
        else:
            # Some boards' ports have handshake lines too; all of them come as they are.
            lines = [line.name for line in platform.lookup(*board.uart).ios]
            uart = platform.request(*board.uart, dir=dict.fromkeys(lines, "-"))
            m.d.comb += linked.rx.eq(_input(m, uart.rx, "rx"))
            _output(m, uart.tx, linked.tx, "tx")
        if self._flash is not None:
            pins = dict.fromkeys(("cs", "clk", "copi", "cipo", "wp", "hold"), "-")
            flash = platform.request("spi_flash_1x", dir=pins)
            m.d.comb += linked.flash_cipo.eq(_input(m, flash.cipo, "cipo"))
            outputs = {
                "cs": linked.flash_select,
                "clk": linked.flash_clock,
                "copi": linked.flash_copi,
                "wp": 0,
                "hold": 0,
            }
            for name, value in outputs.items():
                _output(m, getattr(flash, name), value, name)
        for index, (name, number, *part) in enumerate(board.lights):
            port = platform.request(name, number, dir="-")
            _output(m, getattr(port, part[0]) if part else port, linked.lights[index], LIGHTS[index])
        return m

    def _elaborate_spi(self, m: Module, platform: Any) -> None:
        """The front's pins: the answer's is driven while selected alone, so that others may share it."""
        linked = self._linked
        names = ("select", "sck", "copi", "cipo", "irq", "ready")
        pins = platform.request(_SPI, 0, dir=dict.fromkeys(names, "-"))
        select = _input(m, pins.select, "spi_select")
        m.d.comb += [
            linked.spi_select.eq(select),
            linked.spi_sck.eq(_input(m, pins.sck, "spi_sck")),
            linked.spi_copi.eq(_input(m, pins.copi, "spi_copi")),
        ]
        _output(m, pins.cipo, linked.spi_cipo, "spi_cipo", select)
        _output(m, pins.irq, linked.spi_irq, "spi_irq")
        _output(m, pins.ready, linked.spi_ready, "spi_ready")


def _output(m: Module, port: Any, value: ValueLike, name: str, enable: ValueLike = 1) -> None:
    """Drive a pin, while it is enabled."""
    m.submodules[f"{name}_buffer"] = buffer = io.Buffer("o", port)
    m.d.comb += [buffer.o.eq(value), buffer.oe.eq(enable)]


def _input(m: Module, port: Any, name: str) -> Value:
    """The value at a pin."""
    m.submodules[f"{name}_buffer"] = buffer = io.Buffer("i", port)
    return buffer.i
