"""Executor: takes frames from the receiver's buffers, does what they ask for, and answers."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.bus import BusSignature
from lstmith.rtl.layouts import InputWord
from lstmith.rtl.link.receiver import BUFFER_BYTES, FRAME_START, TAIL, TAILS
from lstmith.spec.link_map import ACTIVE_SHIFT, ANSWER, Command, Status, StreamFlag
from lstmith.spec.registers import READ_LATENCY

#: Where a frame's body begins, behind sequence and command.
_BODY = FRAME_START + 2


class Executor(wiring.Component):
    """One frame after another: 2 cycles per byte that it takes, and 8 or more from one bus write to the next.

    A frame that waits for the engine for more than one whole interval between ``tick`` strobes is given up.
    Reset in mid-frame keeps nothing but the expected sequence number.

    Parameters
    ----------
    buffers : int
        Of the receiver.

    Members
    -------
    full, release
        Buffers that hold a frame; frees one.
    r_addr, r_data
        Read port of the buffers, one cycle.
    greet, sequence
        A HELLO waits to be answered, and its sequence number.
    greeted
        For one cycle: its answer is complete.
    session
        There was a HELLO.
    answer, finish, finished, body_full
        See :class:`lstmith.rtl.link.answer.Answer`.
    bus
        Of the engine and the link's registers.
    occupied
        The engine takes no bus access now.
    uses_bus
        From a few cycles before a frame's first bus access to its end.
    x, stamp
        Input stream of the engine; its present transfer wants to be stamped.
    awaiting
        More values are due.
    release_place, ring_release, seek_place, ring_seek, ring_*
        See :class:`lstmith.rtl.link.ring.ResultRing`.
    tick
        Strobe of the watchdog's interval.
    stalled
        For one cycle: a frame was given up; the engine is to be reset and the session to be ended.
    active
        A frame is being executed or answered.
    """

    def __init__(self, buffers: int = TAILS):
        self._buffers = buffers
        super().__init__(
            {
                "full": In(buffers),
                "release": Out(buffers),
                "r_addr": Out(range(buffers * BUFFER_BYTES)),
                "r_data": In(8),
                "greet": In(1),
                "sequence": In(8),
                "greeted": Out(1),
                "session": In(1),
                "answer": Out(stream.Signature(8)),
                "finish": Out(1),
                "finished": In(1),
                "body_full": In(1),
                "bus": Out(BusSignature()),
                "occupied": In(1),
                "uses_bus": Out(1),
                "x": Out(stream.Signature(InputWord)),
                "stamp": Out(1),
                "awaiting": Out(1),
                "release_place": Out(16),
                "ring_release": Out(1),
                "seek_place": Out(16),
                "ring_seek": Out(1),
                "ring_valid": In(1),
                "ring_ready": In(1),
                "ring_data": In(8),
                "ring_next": Out(1),
                "tick": In(1),
                "stalled": Out(1),
                "active": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The byte at `place` is there one cycle after `place` has changed.
        place, buffer, settled = Signal(8), Signal(range(self._buffers)), Signal()
        advance, end, byte = Signal(), Signal(8), self.r_data
        m.d.comb += self.r_addr.eq(Cat(place, buffer))
        m.d.sync += settled.eq(~advance)
        with m.If(advance):
            m.d.sync += place.eq(place + 1)

        # The last four bytes, the newest one lowest; words go out of it by rotation.
        word, shift, rotate = Signal(32), Signal(), Signal()
        with m.If(shift):
            m.d.sync += word.eq(Cat(byte, word[:24]))
        with m.Elif(rotate):
            m.d.sync += word.eq(Cat(word[24:], word[:24]))
        newest = [word[8 * age : 8 * age + 8] for age in range(4)]

        flags, command, known = Signal(8), Signal(3), Signal()
        matches, status = Signal(), Signal(Status)
        expected = Signal(8, reset_less=True)
        address = Signal.like(self.bus.addr)
        marks = flags[StreamFlag.MARK.bit_length() - 1]
        m.d.comb += [
            self.bus.addr.eq(address),
            self.bus.w_data.eq(Cat(*reversed(newest))),
            self.release_place.eq(Cat(newest[3], newest[2])),
            self.seek_place.eq(Cat(newest[1], newest[0])),
            self.x.payload.value.eq(Cat(newest[1], newest[0]).as_signed()),
            self.x.payload.start.eq(flags[0]),
            self.x.payload.restart.eq(flags[1]),
            self.x.payload.mark.eq(marks),
            self.x.payload.mask.eq(flags[ACTIVE_SHIFT:]),
            self.stamp.eq(flags[StreamFlag.STAMP.bit_length() - 1]),
        ]
        more = flags[StreamFlag.MORE.bit_length() - 1]

        fits = Signal()
        # By the place behind the body; every body has a length of its own modulo 2 or 4.
        with m.Switch(command):
            with m.Case(Command.READ, Command.FETCH):
                m.d.comb += fits.eq(end == _BODY + 4)
            with m.Case(Command.WRITE):
                m.d.comb += fits.eq((end[:2] == (_BODY + 3) % 4) & (end >= _BODY + 7))
            with m.Case(Command.STREAM):
                m.d.comb += fits.eq((end[0] == (_BODY + 5) % 2) & (end >= _BODY + 5))
        head_end = Signal(8)
        with m.Switch(command):
            with m.Case(Command.WRITE):
                m.d.comb += head_end.eq(_BODY + 3)
            with m.Case(Command.STREAM):
                m.d.comb += head_end.eq(_BODY + 5)
            with m.Default():
                m.d.comb += head_end.eq(_BODY + 4)
        done = place == end

        def put(value: object, when: object = 1) -> object:
            """Offer a byte of the answer; whether it is taken."""
            m.d.comb += [self.answer.payload.eq(value), self.answer.valid.eq(when)]
            return self.answer.valid & self.answer.ready

        waits, late = Signal(), Signal()
        with m.If(~waits):
            m.d.sync += late.eq(0)
        with m.Elif(self.tick):
            m.d.sync += late.eq(1)
        m.d.comb += self.stalled.eq(waits & self.tick & late)

        left = Signal(range(READ_LATENCY + 1))
        with m.FSM() as fsm:
            with m.State("Wait"):
                with m.If(self.greet):
                    m.d.sync += [place.eq(TAIL), expected.eq(self.sequence)]
                    m.next = "Greet"
                with m.Elif(self.full.bit_select(buffer, 1)):
                    m.next = "Length"
            with m.State("Length"):
                m.d.comb += advance.eq(1)
                m.d.sync += [end.eq(byte), status.eq(Status.OK)]
                m.next = "Sequence"
            with m.State("Sequence"):
                with m.If(put(byte, settled)):
                    m.d.comb += advance.eq(1)
                    m.d.sync += matches.eq(byte == expected)
                    m.next = "Command"
            with m.State("Command"):
                with m.If(put(byte | ANSWER, settled)):
                    m.d.comb += advance.eq(1)
                    m.d.sync += [command.eq(byte), known.eq((byte != 0) & (byte <= max(Command)))]
                    m.next = "Check"
            with m.State("Check"):
                m.next = "Status"
                with m.If(~self.session):
                    m.d.sync += status.eq(Status.NO_SESSION)
                with m.Elif(~matches):
                    m.d.sync += status.eq(Status.REJECTED)
                with m.Elif(~known):
                    m.d.sync += status.eq(Status.BAD_COMMAND)
                with m.Elif(~fits):
                    m.d.sync += status.eq(Status.BAD_LENGTH)
                with m.Elif(self.awaiting & command.matches(Command.READ, Command.WRITE)):
                    # The engine would be waited for, and it for values that cannot come before this is answered.
                    m.d.sync += status.eq(Status.UNFINISHED)
                with m.Else():
                    m.d.sync += expected.eq(expected + 1)
                    m.next = "Head"
            with m.State("Head"):
                with m.If(place == head_end):
                    m.next = "Begin"
                with m.Elif(settled):
                    m.d.comb += [advance.eq(1), shift.eq(1)]
                    with m.If(place == _BODY):
                        m.d.sync += flags.eq(byte)
            with m.State("Begin"):
                with m.Switch(command):
                    with m.Case(Command.READ, Command.WRITE):
                        m.d.comb += waits.eq(self.occupied)
                        m.d.sync += address.eq(Cat(newest[2], newest[1], newest[0]))
                        with m.If(~self.occupied):
                            m.d.sync += self.uses_bus.eq(1)
                            m.next = "Word"
                            with m.If(command == Command.READ):
                                m.d.sync += [end.eq(newest[3]), place.eq(0)]
                                m.next = "Status"
                    with m.Default():
                        m.d.comb += [self.ring_release.eq(1), self.ring_seek.eq(1)]
                        m.next = "Status"
                        with m.If((command == Command.STREAM) & marks):
                            m.next = "Transfer"
                        with m.Elif((command == Command.STREAM) & ~done):
                            m.d.sync += self.awaiting.eq(1)
                            m.next = "Value"
                with m.If(self.stalled):
                    m.next = "Status"
            with m.State("Word"):
                with m.If(settled):
                    m.d.comb += [advance.eq(1), shift.eq(1)]
                    with m.If(place[:2] == (_BODY + 3 + 3) % 4):
                        m.next = "Write"
            with m.State("Write"):
                m.d.comb += self.bus.w_en.eq(1)
                m.d.sync += address.eq(address + 1)
                m.next = "Word"
                with m.If(done):
                    m.next = "Status"
            with m.State("Value"):
                with m.If(settled):
                    m.d.comb += [advance.eq(1), shift.eq(1)]
                    with m.If(place[0] == (_BODY + 5 + 1) % 2):
                        m.next = "Transfer"
            with m.State("Transfer"):
                m.d.comb += [self.x.valid.eq(1), waits.eq(~self.x.ready)]
                with m.If(self.x.ready):
                    # What belongs to the frame's first transfer.
                    m.d.sync += flags[:4].eq(0)
                    m.next = "Value"
                    with m.If(marks | done):
                        m.d.sync += self.awaiting.eq(more)
                        m.next = "Status"
                with m.If(self.stalled):
                    m.next = "Status"
            with m.State("Status"):
                with m.If(put(status)):
                    m.next = "Expected"
            with m.State("Expected"):
                with m.If(put(expected)):
                    m.next = "Finish"
                    with m.If(self.greet):
                        m.next = "Identity"
                    with m.Elif((status == Status.OK) & (command == Command.READ)):
                        m.next = "Read"
                    with m.Elif((status == Status.OK) & (command != Command.WRITE)):
                        m.next = "Results"
            with m.State("Read"):
                m.d.comb += self.bus.r_en.eq(1)
                m.d.sync += left.eq(READ_LATENCY - 1)
                m.next = "Take"
                with m.If(done | self.body_full):
                    m.d.comb += self.bus.r_en.eq(0)
                    m.next = "Finish"
            with m.State("Take"):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    value = self.bus.r_data
                    m.d.sync += [word.eq(Cat(value[:8], value[24:], value[16:24], value[8:16])), left.eq(3)]
                    m.next = "Bytes"
            with m.State("Bytes"):
                with m.If(put(newest[0])):
                    m.d.comb += rotate.eq(1)
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 0):
                        m.d.comb += advance.eq(1)
                        m.d.sync += address.eq(address + 1)
                        m.next = "Read"
            with m.State("Results"):
                complete = ~self.ring_valid | self.body_full
                with m.If(put(self.ring_data, self.ring_ready & ~complete)):
                    m.d.comb += self.ring_next.eq(1)
                with m.If(self.ring_ready & complete):
                    m.next = "Finish"
            with m.State("Greet"):
                with m.If(put(expected)):
                    m.d.sync += expected.eq(expected + 1)
                    m.next = "Greeting"
            with m.State("Greeting"):
                with m.If(put(Command.HELLO | ANSWER)):
                    m.next = "Status"
            with m.State("Identity"):
                with m.If(put(byte, settled)):
                    m.d.comb += advance.eq(1)
                    # Behind the tail lies the next buffer, and its tail.
                    with m.If(place == BUFFER_BYTES - 1):
                        m.d.sync += [place.eq(TAIL), buffer.eq(buffer + 1)]
                        with m.If(buffer == TAILS - 1):
                            m.d.sync += buffer.eq(0)
                            m.next = "Finish"
            with m.State("Finish"):
                m.d.comb += self.finish.eq(1)
                with m.If(self.finished):
                    m.d.sync += [place.eq(0), self.uses_bus.eq(0)]
                    m.d.comb += self.greeted.eq(self.greet)
                    with m.If(~self.greet):
                        m.d.comb += self.release.bit_select(buffer, 1).eq(1)
                        m.d.sync += buffer.eq(buffer + 1)
                    m.next = "Wait"
        with m.If(self.stalled):
            m.d.sync += [status.eq(Status.STALLED), self.awaiting.eq(0)]
        m.d.comb += self.active.eq(~fsm.ongoing("Wait"))
        return m
