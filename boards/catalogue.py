"""The boards this version supports."""

from __future__ import annotations

from dataclasses import replace

from lstmith.boards.board import Board, Front, SpiPins
from lstmith.spec.errors import UserError
from lstmith.spec.link_map import Feature

#: The target without limits: plain Verilog for any FPGA.
GENERIC = "generic"
#: Of an FT2232H or FT232H, the bridges for USB at 480 Mbit/s.
HIGH_SPEED_BAUD = 12_000_000
#: As Digilent's Pmod standard places SPI, type 2A, but for ``ready``: its pin 8 would reset the board.
_PMOD = SpiPins(connector=("pmod", 0), select="1", copi="2", cipo="3", sck="4", irq="7", ready="9")

# Sizes are what nextpnr reports as available. A DP16KD holds 1024 words of 18 bits; weights use 16.
_ULX3S_85F = Board(
    name="ulx3s-85f",
    title="ULX3S 85F",
    family="ecp5",
    device="LFE5U-85F",
    package="BG381",
    speed="6",
    oscillator_mhz=25.0,
    clock_mhz=75.0,
    luts=83_640,
    dsps=156,
    brams=208,
    bram_bits=1024 * 16,
    platform="amaranth_boards.ulx3s:ULX3S_85F_Platform",
    spi=SpiPins(connector=("gpio", 0), select="14+", copi="15+", cipo="16+", sck="17+", irq="14-", ready="15-"),
    lights=(("led", 0), ("led", 1), ("led", 2), ("led", 3)),
    loader="ulx3s",
)

_ULX3S_25F = replace(
    _ULX3S_85F,
    name="ulx3s-25f",
    title="ULX3S 25F",
    device="LFE5U-25F",
    luts=24_288,
    dsps=28,
    brams=56,
    platform="amaranth_boards.ulx3s:ULX3S_25F_Platform",
)

BOARDS = (
    _ULX3S_85F,
    replace(
        _ULX3S_85F,
        name="ulx3s-45f",
        title="ULX3S 45F",
        device="LFE5U-45F",
        luts=43_848,
        dsps=72,
        brams=108,
        platform="amaranth_boards.ulx3s:ULX3S_45F_Platform",
    ),
    _ULX3S_25F,
    Board(
        name="icebreaker",
        title="iCEBreaker",
        family="ice40",
        device="iCE40UP5K",
        package="SG48",
        speed="",
        oscillator_mhz=12.0,
        clock_mhz=30.0,
        luts=5_280,
        dsps=8,
        brams=30,
        bram_bits=256 * 16,
        sprams=4,
        spram_bits=16_384 * 16,
        # 16 x 16 multipliers: a packed pair of 4-bit weights needs 18 bits, and so do 16-bit operands.
        precisions=(8,),
        small=True,
        weights_initialised=False,
        platform="amaranth_boards.icebreaker:ICEBreakerPlatform",
        extra_resources="break_off_pmod",
        spi=_PMOD,
        # What the engine leaves of block memory and lookup tables.
        # An FT2232H; 12 Mbaud would be two and a half cycles per bit.
        baud=6_000_000,
        window=2,
        ring_words=256,
        features=Feature(0),
        lights=(("led", 2), ("led", 3), ("led_g", 0), ("led_r", 0)),
        # Beyond the bitstream of 104 kB; a whole erase block.
        flash_offset=1 << 20,
        loader="ice40_generic",
    ),
    replace(
        _ULX3S_85F,
        name="ecpix5-85f",
        title="ECPIX-5 85F",
        device="LFE5UM5G-85F",
        package="BG554",
        speed="8",
        oscillator_mhz=100.0,
        platform="amaranth_boards.ecpix5:ECPIX585Platform",
        spi=_PMOD,
        baud=HIGH_SPEED_BAUD,
        lights=(("rgb_led", 0, "g"), ("rgb_led", 1, "g"), ("rgb_led", 2, "g"), ("rgb_led", 3, "r")),
        loader="ecpix5",
    ),
    replace(
        _ULX3S_25F,
        name="colorlight-5a75b",
        title="Colorlight 5A-75B",
        package="BG256",
        platform="amaranth_boards.colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform",
        baud=HIGH_SPEED_BAUD,
        # All other pins only drive, through buffers.
        spi=None,
        # Its only light is on the pin that sends.
        lights=(),
        loader="colorlight",
        cable="ft232",
        wiring="a 3.3 V serial adapter with an FT232H at J19: KEY+ receives, DATA_LED- sends",
    ),
    replace(
        _ULX3S_25F,
        name="icepi-zero",
        title="Icepi Zero",
        package="BG256",
        oscillator_mhz=50.0,
        platform="amaranth_boards.icepi_zero:IcepiZero1_3Platform",
        # Where a Raspberry Pi has SPI0.
        spi=SpiPins(connector=("gpio", 0), select="8", copi="10", cipo="9", sck="11", irq="25", ready="24"),
        loader="icepi-zero",
    ),
    Board(
        name="tang-nano-9k",
        title="Tang Nano 9K",
        family="gowin",
        device="GW1NR-LV9",
        package="QN88P",
        speed="C6/I5",
        die="GW1N-9C",
        oscillator_mhz=27.0,
        clock_mhz=48.0,
        luts=8_640,
        dsps=20,
        brams=26,
        bram_bits=1024 * 16,
        small=True,
        platform="amaranth_boards.tang_nano_9k:TangNano9kPlatform",
        # Its headers are numbered as the device's pins are.
        spi=SpiPins(select="25", copi="26", cipo="27", sck="28", irq="29", ready="30"),
        window=2,
        ring_words=1024,
        features=Feature(0),
        lights=(("led", 0), ("led", 1), ("led", 2), ("led", 3)),
        loader="tangnano9k",
    ),
)

DEFAULT = _ULX3S_85F.name


def find_board(name: str) -> Board:
    """The board of that name.

    Raises
    ------
    UserError
        If no board has the name.
    """
    for board in BOARDS:
        if board.name == name:
            return board
    raise UserError("board", f"{name!r} is unknown", f"use one of {', '.join(board.name for board in BOARDS)}")


def with_front(board: Board, name: str) -> Board:
    """The board, reached in another way.

    Raises
    ------
    UserError
        If there is no such way, or the board has no pins for it.
    """
    if name not in set(Front):
        raise UserError("option --front", f"{name!r} is unknown", f"use one of {', '.join(Front)}")
    if name == Front.SPI and board.spi is None:
        others = ", ".join(other.name for other in BOARDS if other.spi is not None)
        raise UserError("option --front", f"is spi, {board.title} has no pins for it", f"use uart, or one of {others}")
    return replace(board, front=Front(name))


def find_target(name: str) -> Board | None:
    """The board of that name, or None for the target ``generic``.

    Raises
    ------
    UserError
        If no target has the name.
    """
    if name == GENERIC:
        return None
    try:
        return find_board(name)
    except UserError as error:
        raise UserError("target", error.problem, f"{error.fix} or {GENERIC}") from None
