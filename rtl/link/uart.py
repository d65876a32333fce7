"""Serial receiver and transmitter: 8 data bits, no parity, one stop bit, any baud up to half of the clock."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

#: Most that the generated baud may differ from the wanted one, of the 2 % that a receiver tolerates.
BAUD_ERROR = 0.002
#: Fewest cycles per bit.
CYCLES_MIN = 2
_BITS_MAX = 24
_STOP = 9


def baud_step(clock_hz: int, baud: int) -> tuple[int, int]:
    """Width and step of the shortest accumulator that overflows ``baud`` times per second.

    Raises
    ------
    ValueError
        If there are fewer than ``CYCLES_MIN`` cycles per bit, or none is exact enough.
    """
    if baud < 1 or clock_hz < CYCLES_MIN * baud:
        raise ValueError(f"Baud must be positive and at most {clock_hz // CYCLES_MIN}, not {baud!r}")
    for bits in range(1, _BITS_MAX + 1):
        step = round((baud << bits) / clock_hz)
        if step and abs(step * clock_hz / (baud << bits) - 1) <= BAUD_ERROR:
            return bits, step
    raise ValueError(f"Baud must be at least {clock_hz >> _BITS_MAX}, not {baud!r}")


class _Bits(wiring.Component):
    """Counts the ten bits of a byte: a phase accumulator ticks once per bit.

    Members
    -------
    run : In(1)
        Counts; otherwise everything stays at its beginning, the accumulator at ``begin``.
    tick : Out(1)
        The present bit's moment, for one cycle.
    bit : Out(range(_STOP + 1))
        The present bit; valid with ``run``.
    """

    def __init__(self, clock_hz: int, baud: int, *, half: bool):
        self._width, self._step = baud_step(clock_hz, baud)
        self._begin = 1 << (self._width - 1) if half else 0
        super().__init__({"run": In(1), "tick": Out(1), "bit": Out(range(_STOP + 1))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        phase = Signal(self._width, init=self._begin)
        total = Signal(self._width + 1)
        m.d.comb += [total.eq(phase + self._step), self.tick.eq(self.run & total[-1])]
        with m.If(self.run):
            m.d.sync += phase.eq(total)
            with m.If(self.tick):
                m.d.sync += self.bit.eq(Mux(self.bit == _STOP, 0, self.bit + 1))
        with m.Else():
            m.d.sync += [phase.eq(self._begin), self.bit.eq(0)]
        return m


class UartReceiver(wiring.Component):
    """Samples every bit in its middle, counted from the start bit's edge.

    Parameters
    ----------
    clock_hz : int
        Frequency of the clock.
    baud : int
        Bits per second, at most ``clock_hz / CYCLES_MIN``.

    Members
    -------
    pin : In(1)
        Serial line, asynchronous; high when idle.
    data : Out(8)
        A byte; valid with ``valid``.
    valid : Out(1)
        There is a byte, for one cycle in the middle of its stop bit.
    error : Out(1)
        The stop bit was low, for one cycle in its middle.

    Raises
    ------
    ValueError
        As :func:`baud_step`.
    """

    def __init__(self, *, clock_hz: int, baud: int):
        self._clock_hz, self._baud = clock_hz, baud
        super().__init__({"pin": In(1, init=1), "data": Out(8), "valid": Out(1), "error": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bits = bits = _Bits(self._clock_hz, self._baud, half=True)
        line = Signal(init=1)
        m.submodules.pin = FFSynchronizer(self.pin, line, init=1)
        with m.If(~bits.run):
            m.d.sync += bits.run.eq(~line)
        with m.Elif(bits.tick):
            with m.If(bits.bit == 0):
                # A glitch is no start bit.
                m.d.sync += bits.run.eq(~line)
            with m.Elif(bits.bit == _STOP):
                m.d.sync += bits.run.eq(0)
                m.d.comb += [self.valid.eq(line), self.error.eq(~line)]
            with m.Else():
                m.d.sync += self.data.eq(self.data[1:])
                m.d.sync += self.data[-1].eq(line)
        return m


class UartTransmitter(wiring.Component):
    """Sends bytes without a gap between them.

    Parameters
    ----------
    clock_hz : int
        Frequency of the clock.
    baud : int
        Bits per second, at most ``clock_hz / CYCLES_MIN``.

    Members
    -------
    i : In(stream of 8 bits)
        Bytes; one is taken when its last data bit has been sent, the next one may appear three cycles later.
    pin : Out(1)
        Serial line; high when idle.
    busy : Out(1)
        A byte is being sent; valid always.

    Raises
    ------
    ValueError
        As :func:`baud_step`.
    """

    def __init__(self, *, clock_hz: int, baud: int):
        self._clock_hz, self._baud = clock_hz, baud
        super().__init__({"i": In(stream.Signature(8)), "pin": Out(1, init=1), "busy": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.bits = bits = _Bits(self._clock_hz, self._baud, half=False)
        m.d.comb += self.busy.eq(bits.run)
        ends = bits.tick & (bits.bit == _STOP)
        with m.If(ends):
            m.d.sync += bits.run.eq(self.i.valid)
        with m.Elif(~bits.run):
            m.d.sync += bits.run.eq(self.i.valid)
        m.d.comb += self.i.ready.eq(bits.tick & (bits.bit == _STOP - 1))
        with m.Switch(bits.bit):
            with m.Case(0):
                m.d.sync += self.pin.eq(~bits.run)
            with m.Case(_STOP):
                m.d.sync += self.pin.eq(1)
            with m.Default():
                # Bits 1 to 8: the last one, whose lower three bits are 0, comes first.
                rotated = Cat(self.i.payload[-1], self.i.payload[:-1])
                m.d.sync += self.pin.eq(rotated.bit_select(bits.bit[:3], 1))
        return m
