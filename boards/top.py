"""A board's design: clock, self-test, button and lights."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from amaranth.hdl import Elaboratable, Module, Signal
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
        m.submodules.clock = Clock(board)
        m.submodules.test = test = SelfTest(self._config, self._image, self._recording)

        loaded = Signal(init=board.weights_initialised)
        if not board.weights_initialised:
            m.submodules.loader = loader = FlashLoader(self._config, board.flash_offset)
            flash = platform.request("spi_flash_1x")
            m.d.comb += [
                flash.cs.o.eq(loader.select),
                flash.clk.o.eq(loader.clock),
                flash.copi.o.eq(loader.copi),
                flash.wp.o.eq(0),
                flash.hold.o.eq(0),
                loader.cipo.eq(flash.cipo.i),
                test.bus.addr.eq(loader.address),
                test.bus.w_data.eq(loader.data),
                test.bus.w_en.eq(loader.write),
                loaded.eq(loader.done),
            ]

        button, ran = Signal(), Signal()
        m.submodules.button = FFSynchronizer(platform.request(*board.button).i, button)
        m.d.comb += test.start.eq(loaded & (button | ~ran))
        with m.If(test.start):
            m.d.sync += ran.eq(1)

        alive = Signal(ALIVE_BITS)
        m.d.sync += alive.eq(alive + 1)
        for light, value in zip(board.lights, (alive[-1], test.busy, test.passed, test.failed), strict=True):
            m.d.comb += platform.request(*light).o.eq(value)
        return m
