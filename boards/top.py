"""A board's design: clock, linked core, flash loader and lights; and the same between plain ports."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from amaranth.hdl import Cat, ClockDomain, Elaboratable, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import io, wiring
from amaranth.lib.wiring import In, Out

from lstmith.boards.board import Board
from lstmith.boards.clock import Clock
from lstmith.rtl.link.core import LinkedCore
from lstmith.rtl.link.flash import FlashLoader, checksum, flash_content
from lstmith.rtl.verilog import convert
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import FlashStatus
from lstmith.spec.memory_image import MemoryImage

#: Bits of the counter behind the light that shows a running clock: about six changes per second at 50 MHz.
ALIVE_BITS = 24
#: Module name of a board between plain ports.
SIMULATED = "lstmith_board"
LIGHTS = ("alive", "busy", "session", "fault")


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
    rx, tx
        Serial port.
    lights
        ``LIGHTS``, from bit 0 on.
    busy
        While it is low, nothing but ``alive`` happens before ``rx`` changes.
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
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
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
        alive = Signal(ALIVE_BITS)
        m.d.sync += alive.eq(alive + 1)
        m.d.comb += [
            core.rx.eq(self.rx),
            self.tx.eq(core.tx),
            core.ready.eq(loaded),
            core.tick.eq(alive[: watchdog_bits(config.weight_depth)].all()),
            self.busy.eq(core.busy),
            self.lights.eq(Cat(alive[-1], core.busy, core.session, core.fault)),
        ]
        return m


def simulation_verilog(identity: Identity, image: MemoryImage, tag: int = 0) -> str:
    """A board as Verilog: module ``lstmith_board`` with ports clk, rst, rx, tx, lights and busy.

    Parameters
    ----------
    identity : Identity
        ``clock_hz / baud`` are the cycles per bit, 2 or more.
    image : MemoryImage
    tag : int
    """
    board = LinkedBoard(identity, image, tag)
    return convert(board, SIMULATED).text


def find_platform(board: Board) -> Any:
    """An instance of the board's amaranth-boards platform."""
    module, name = board.platform.split(":")
    platform = getattr(import_module(module), name)()
    if board.extra_resources:
        platform.add_resources(getattr(platform, board.extra_resources))
    return platform


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
        flash = None if board.weights_initialised else Flash(board.flash_offset, checksum(flash_content(image)))
        self._linked = LinkedBoard(identity, image, tag, flash)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board, linked = self._board, self._linked
        m.domains.sync = ClockDomain()
        m.submodules.clock = Clock(board)
        m.submodules.linked = linked
        # Some boards' ports have handshake lines too; all of them come as they are.
        lines = [line.name for line in platform.lookup(*board.uart).ios]
        uart = platform.request(*board.uart, dir=dict.fromkeys(lines, "-"))
        m.d.comb += linked.rx.eq(_input(m, uart.rx, "rx"))
        _output(m, uart.tx, linked.tx, "tx")
        if not board.weights_initialised:
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


def _output(m: Module, port: Any, value: ValueLike, name: str) -> None:
    """Drive a pin."""
    m.submodules[f"{name}_buffer"] = buffer = io.Buffer("o", port)
    m.d.comb += buffer.o.eq(value)


def _input(m: Module, port: Any, name: str) -> Value:
    """The value at a pin."""
    m.submodules[f"{name}_buffer"] = buffer = io.Buffer("i", port)
    return buffer.i
