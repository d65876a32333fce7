"""The clock of a board's design: oscillator, PLL where the frequency differs, and how it starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from amaranth.hdl import ClockDomain, ClockSignal, Const, Instance, Module, ResetSignal, Signal
from amaranth.lib import io
from amaranth.lib.wiring import Component

from lstmith.boards.board import Board, Front
from lstmith.rtl.link.uart import CYCLES_MIN
from lstmith.spec.errors import UserError

#: Cycles after start-up before the design runs; the block memories of an iCE40 answer only after 3 microseconds.
START_CYCLES = 1 << 10
#: Bounds of the ECP5 PLL, in MHz.
_ECP5_PHASE, _ECP5_VCO = (3.125, 400.0), (400.0, 800.0)
#: Bounds of the iCE40 PLL, in MHz.
_ICE40_PHASE, _ICE40_VCO = (10.0, 133.0), (533.0, 1066.0)
_ICE40_FACTORS = 128
#: Bounds of the PLL of a GW1NR-9 of speed C6/I5, in MHz, and its output dividers.
_GOWIN_PHASE, _GOWIN_VCO = (3.0, 400.0), (400.0, 1200.0)
_GOWIN_OUTPUT = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
#: Families whose clock nets can be held back without a glitch.
HELD = ("ecp5",)


def clock_domain(board: Board) -> ClockDomain:
    """The domain ``sync`` of a board's design; without a reset where its clock is held back instead."""
    return ClockDomain("sync", reset_less=board.family in HELD)


class Clock(Component):
    """Drives the clock domain ``sync``, which the board's design defines as :func:`clock_domain` gives it.

    Where the family can hold a clock back (ECP5), ``sync`` begins when the PLL is steady: all flip-flops then have
    their values from the bitstream, and no net of a reset crosses the device. Elsewhere ``sync`` is reset until then.

    Parameters
    ----------
    board : Board
    """

    def __init__(self, board: Board):
        self._board = board
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        board = self._board
        m.domains.start = ClockDomain(reset_less=True, local=True)
        made, locked, begun = Signal(), Signal(), Signal()
        source = platform.request(platform.default_clk, dir="-")
        starts = made
        if board.clock_mhz == board.oscillator_mhz:
            m.submodules.buffer = buffer = io.Buffer("i", source)
            m.d.comb += [made.eq(buffer.i), locked.eq(1)]
        elif board.family == "ecp5":
            m.submodules.buffer = buffer = io.Buffer("i", source)
            starts = buffer.i
            m.submodules.pll = _ecp5_pll(board, buffer.i, made, locked)
        elif board.family == "gowin":
            m.submodules.buffer = buffer = io.Buffer("i", source)
            m.submodules.pll = _gowin_pll(board, buffer.i, made, locked)
        else:
            m.submodules.pll = _ice40_pll(board, source.io, made, locked)
        count = Signal(range(START_CYCLES))
        m.d.comb += ClockSignal("start").eq(starts)
        with m.If(locked & ~begun):
            m.d.start += count.eq(count + 1)
        m.d.start += begun.eq(count == START_CYCLES - 1)
        if board.family not in HELD:
            m.d.comb += [ClockSignal().eq(made), ResetSignal().eq(~begun)]
        elif board.clock_mhz == board.oscillator_mhz:
            m.d.comb += ClockSignal().eq(made)
        else:
            # Counted by the oscillator: the PLL's output goes to this cell alone, by a way of its own.
            m.submodules.gate = Instance("DCCA", i_CLKI=made, i_CE=begun, o_CLKO=ClockSignal())
        return m


def pll_clocks(board: Board) -> list[float]:
    """All clocks that a board can have, in MHz, in rising order: the oscillator's, and those that its PLL makes.

    They are whole kHz, since the device tells its clock in Hz, and fast enough for a serial port, if it has one.
    """
    dividers, divisors, factors = {
        "ecp5": (ecp5_dividers, range(1, 129), range(1, 81)),
        "ice40": (
            ice40_dividers,
            [(divr + 1) << divq for divr in range(16) for divq in range(1, 7)],
            range(1, _ICE40_FACTORS + 1),
        ),
        "gowin": (gowin_dividers, range(1, 65), range(1, 65)),
    }[board.family]
    found = {board.oscillator_mhz}
    for clock in {board.oscillator_mhz * factor / divisor for divisor in divisors for factor in factors}:
        if clock != round(clock, 3):
            continue
        try:
            dividers(board.oscillator_mhz, clock)
        except ValueError:
            continue
        found.add(clock)
    slowest_hz = CYCLES_MIN * board.baud if board.front is Front.UART else 0
    return sorted(clock for clock in found if clock * 1e6 >= slowest_hz)


def with_clock(board: Board, clock_mhz: float) -> Board:
    """The board with another clock.

    Raises
    ------
    UserError
        If its PLL cannot make it, naming the nearest clocks that it can.
    """
    settings = pll_clocks(board)
    if clock_mhz not in settings:
        nearest = sorted(sorted(settings, key=lambda setting: abs(setting - clock_mhz))[:2])
        raise UserError(
            "option --clock",
            f"{clock_mhz:g} MHz is no clock that the PLL of {board.title} makes of {board.oscillator_mhz:g} MHz",
            f"the nearest are {' and '.join(f'{setting:.10g}' for setting in nearest)}",
        )
    return replace(board, clock_mhz=clock_mhz)


def ecp5_dividers(source: float, target: float) -> tuple[int, int, int]:
    """Input, feedback and output divider for exactly ``target`` MHz.

    Raises
    ------
    ValueError
        If no dividers give it.
    """
    for divide_in in range(1, 129):
        phase = source / divide_in
        feedback = target / phase
        if not _ECP5_PHASE[0] <= phase <= _ECP5_PHASE[1] or feedback != int(feedback) or feedback > 80:
            continue
        for divide_out in range(1, 129):
            if _ECP5_VCO[0] <= target * divide_out <= _ECP5_VCO[1]:
                return divide_in, int(feedback), divide_out
    raise ValueError(f"No PLL setting makes {target} MHz of {source} MHz")


def ice40_dividers(source: float, target: float) -> tuple[int, int, int]:
    """DIVR, DIVF and DIVQ for exactly ``target`` MHz.

    DIVF has seven bits. Lattice's guide (FPGA-TN-02052) allows 63 at most, which holds for the other feedback paths;
    with the simple one, IceStorm's ``icepll`` takes all, as designs on real devices do (66 for 25.125 MHz of 12).

    Raises
    ------
    ValueError
        If no dividers give it.
    """
    for divr in range(16):
        phase = source / (divr + 1)
        for divq in range(1, 7):
            divf = target * (1 << divq) / phase - 1
            vco = phase * (divf + 1)
            fits = _ICE40_PHASE[0] <= phase <= _ICE40_PHASE[1] and _ICE40_VCO[0] <= vco <= _ICE40_VCO[1]
            if fits and divf == int(divf) and divf < _ICE40_FACTORS:
                return divr, int(divf), divq
    raise ValueError(f"No PLL setting makes {target} MHz of {source} MHz")


def gowin_dividers(source: float, target: float) -> tuple[int, int, int]:
    """Input, feedback and output divider for exactly ``target`` MHz.

    Raises
    ------
    ValueError
        If no dividers give it.
    """
    for divide_in in range(1, 65):
        phase = source / divide_in
        feedback = target / phase
        if not _GOWIN_PHASE[0] <= phase <= _GOWIN_PHASE[1] or feedback != int(feedback) or feedback > 64:
            continue
        for divide_out in _GOWIN_OUTPUT:
            if _GOWIN_VCO[0] <= target * divide_out <= _GOWIN_VCO[1]:
                return divide_in, int(feedback), divide_out
    raise ValueError(f"No PLL setting makes {target} MHz of {source} MHz")


def _ecp5_pll(board: Board, source: Signal, made: Signal, locked: Signal) -> Instance:
    divide_in, feedback, divide_out = ecp5_dividers(board.oscillator_mhz, board.clock_mhz)
    return Instance(
        "EHXPLLL",
        a_FREQUENCY_PIN_CLKI=str(board.oscillator_mhz),
        a_FREQUENCY_PIN_CLKOP=str(board.clock_mhz),
        p_CLKI_DIV=divide_in,
        p_CLKFB_DIV=feedback,
        p_CLKOP_DIV=divide_out,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_CPHASE=divide_out - 1,
        p_CLKOP_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        i_CLKI=source,
        i_CLKFB=made,
        i_RST=0,
        i_STDBY=0,
        o_CLKOP=made,
        o_LOCK=locked,
    )


def _ice40_pll(board: Board, pad: Any, made: Signal, locked: Signal) -> Instance:
    divr, divf, divq = ice40_dividers(board.oscillator_mhz, board.clock_mhz)
    # The clock pin is the PLL's own: only the variant with the pad inside can use it.
    return Instance(
        "SB_PLL40_PAD",
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=divr,
        p_DIVF=divf,
        p_DIVQ=divq,
        p_FILTER_RANGE=1,
        i_PACKAGEPIN=pad,
        i_RESETB=1,
        i_BYPASS=0,
        o_PLLOUTGLOBAL=made,
        o_LOCK=locked,
    )


def _gowin_pll(board: Board, source: Signal, made: Signal, locked: Signal) -> Instance:
    divide_in, feedback, divide_out = gowin_dividers(board.oscillator_mhz, board.clock_mhz)
    return Instance(
        "rPLL",
        p_FCLKIN=f"{board.oscillator_mhz:g}",
        p_DEVICE=board.die.replace("GW1N-", "GW1NR-"),
        p_IDIV_SEL=divide_in - 1,
        p_FBDIV_SEL=feedback - 1,
        p_ODIV_SEL=divide_out,
        p_CLKFB_SEL="internal",
        i_CLKIN=source,
        i_CLKFB=0,
        i_RESET=0,
        i_RESET_P=0,
        i_FBDSEL=Const(0, 6),
        i_IDSEL=Const(0, 6),
        i_ODSEL=Const(0, 6),
        i_PSDA=Const(0, 4),
        i_DUTYDA=Const(0, 4),
        i_FDLY=Const(0, 4),
        o_CLKOUT=made,
        o_LOCK=locked,
    )
