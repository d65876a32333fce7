"""A board's design: clock, self-test, button and lights."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal, Value, ValueLike
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from lstmith.golden.config import EngineConfig
from lstmith.golden.image import Image
from lstmith.rtl.flash import FlashLoader
from lstmith.rtl.selftest import Recording, SelfTest

from .board import Board
from .clock import Clock

#: Bits of the counter behind the light that shows a running clock: about seven changes per second at 60 MHz.
ALIVE_BITS = 24


def find_platform(board: Board) -> Any:
    """An instance of the board's amaranth-boards platform."""
    module, name = board.platform.split(":")
    platform = getattr(import_module(module), name)()
    if board.extra_resources:
        platform.add_resources(getattr(platform, board.extra_resources))
    return platform


class BoardTop(Elaboratable):
    """Runs the self-test after reset, and again while the button is held.

    Parameters
    ----------
    board : Board
    config : EngineConfig
    image : Image
    recording : Recording
    """

    def __init__(self, board: Board, config: EngineConfig, image: Image, recording: Recording):
        self._board, self._config = board, config
        self._image, self._recording = image, recording

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board = self._board
        m.domains.sync = ClockDomain()
        m.submodules.clock = Clock(board)
        m.submodules.test = test = SelfTest(self._config, self._image, self._recording)

        loaded = Signal(init=board.weights_initialised)
        if not board.weights_initialised:
            m.submodules.loader = loader = FlashLoader(self._config, board.flash_offset)
            pins = dict.fromkeys(("cs", "clk", "copi", "cipo", "wp", "hold"), "-")
            flash = platform.request("spi_flash_1x", dir=pins)
            outputs = {"cs": loader.select, "clk": loader.clock, "copi": loader.copi, "wp": 0, "hold": 0}
            for name, value in outputs.items():
                _output(m, getattr(flash, name), value, name)
            m.d.comb += [
                loader.cipo.eq(_input(m, flash.cipo, "cipo")),
                test.bus.addr.eq(loader.address),
                test.bus.w_data.eq(loader.data),
                test.bus.w_en.eq(loader.write),
                loaded.eq(loader.done),
            ]

        button, ran = Signal(), Signal()
        pressed = _input(m, platform.request(*board.button, dir="-"), "button_pin")
        m.submodules.button = FFSynchronizer(pressed, button)
        m.d.comb += test.start.eq(loaded & (button | ~ran))
        with m.If(test.start):
            m.d.sync += ran.eq(1)

        alive = Signal(ALIVE_BITS)
        m.d.sync += alive.eq(alive + 1)
        lights = {"alive": alive[-1], "busy": test.busy, "passed": test.passed, "failed": test.failed}
        for resource, (name, value) in zip(board.lights, lights.items(), strict=True):
            _output(m, platform.request(*resource, dir="-"), value, name)
        return m


def _output(m: Module, port: Any, value: ValueLike, name: str) -> None:
    """Drive a pin."""
    m.submodules[f"{name}_buffer"] = buffer = io.Buffer("o", port)
    m.d.comb += buffer.o.eq(value)


def _input(m: Module, port: Any, name: str) -> Value:
    """The value at a pin."""
    m.submodules[f"{name}_buffer"] = buffer = io.Buffer("i", port)
    return buffer.i
