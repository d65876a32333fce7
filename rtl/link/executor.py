"""Executor: takes frames from the receiver's buffers, does what they ask for, and answers."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.bus import BusSignature
from lstmith.rtl.layouts import InputWord
from lstmith.rtl.link.frame import BODY, HEAD_END, READ_CYCLES, VALUE_BYTES, WORD_BYTES, Frame, flag_bit
from lstmith.rtl.link.receiver import BUFFER_BYTES, TAIL, TAILS, check_buffers
from lstmith.rtl.link.ring import PLACE_BITS
from lstmith.spec.link_map import ACTIVE_SHIFT, ANSWER, Command, Status, StreamFlag


class Executor(wiring.Component):
    """One frame after another: 3 cycles per byte that it takes, and 12 or more from one bus write to the next.

    A frame that waits for the engine for more than one whole interval between ``tick`` strobes is given up.
    Reset in mid-frame keeps nothing but the expected sequence number.

    Parameters
    ----------
    buffers : int
        Buffers of the receiver, a power of two.

    Members
    -------
    full : In(buffers)
        A bit per buffer: it holds a frame; valid always.
    release : Out(buffers)
        Frees a buffer, for one cycle.
    r_addr : Out(range(buffers * BUFFER_BYTES))
        Byte of the buffers to read, the buffer above the place; every cycle.
    r_data : In(8)
        The byte at the address of two cycles ago.
    greet : In(1)
        A HELLO waits to be answered, until ``greeted``.
    sequence : In(8)
        Its sequence number; valid with ``greet``.
    greeted : Out(1)
        The answer to a HELLO is complete, for one cycle.
    session : In(1)
        There was a HELLO; valid always.
    answer : Out(stream of 8 bits)
        Bytes of the answer, without its CRC.
    finish : Out(1)
        The answer's last byte was taken; held until ``finished``.
    finished : In(1)
        The answer is complete, for one cycle.
    body_full : In(1)
        The answer has no room for another byte; valid always.
    bus : Out(BusSignature)
        Bus of the engine and of the link's registers.
    occupied : In(1)
        The engine takes no bus access now; valid always.
    x : Out(stream of InputWord)
        Input stream of the engine.
    x_left : Out(range(BUFFER_BYTES))
        Values of the frame behind this one; valid with ``x.valid``.
    quiet : Out(1)
        The step's h is not sent; valid with ``x.valid`` at a step's first value.
    release_place : Out(PLACE_BITS)
        Place in the result ring before which everything is free; valid with ``ring_release``.
    ring_release : Out(1)
        Frees the ring's words, for one cycle.
    seek_place : Out(PLACE_BITS)
        Place from which on the ring is read; valid with ``ring_seek``.
    ring_seek : Out(1)
        Begins to read the ring, for one cycle.
    ring_valid : In(1)
        There is a word at the ring's reading place; valid with ``ring_ready``.
    ring_ready : In(1)
        The ring's byte is there; valid always.
    ring_data : In(8)
        That byte; valid with ``ring_ready`` and ``ring_valid``.
    ring_next : Out(1)
        Goes on to the ring's next byte, for one cycle.
    tick : In(1)
        Strobe of the watchdog's interval.
    stalled : Out(1)
        A frame was given up, for one cycle; the engine is to be reset and the session to be ended.
    active : Out(1)
        A frame is being executed or answered; valid always.

    Raises
    ------
    TypeError
        If ``buffers`` is no power of two from ``TAILS`` on.
    """

    def __init__(self, *, buffers: int = TAILS):
        check_buffers(buffers)
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
                "x": Out(stream.Signature(InputWord)),
                "x_left": Out(range(BUFFER_BYTES)),
                "quiet": Out(1),
                "release_place": Out(PLACE_BITS),
                "ring_release": Out(1),
                "seek_place": Out(PLACE_BITS),
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
        #: What is executed; no part of the interface, proofs look at it.
        self.frame = Frame(buffers, len(self.bus.addr))

    def elaborate(self, platform: object) -> Module:
        m, frame = Module(), self.frame
        self._elaborate_bytes(m, frame)
        self._elaborate_fields(m, frame)
        frame.elaborate_lengths(m)
        self._elaborate_watchdog(m, frame)
        with m.FSM() as states:
            self._states_of_request(m, frame)
            self._states_of_execution(m, frame)
            self._states_of_answer(m, frame)
            self._states_of_body(m, frame)
            self._states_of_greeting(m, frame)
            self._state_of_end(m, frame)
        # A frame that is given up keeps nothing of what its state just did.
        with m.If(self.stalled):
            m.d.sync += frame.status.eq(Status.STALLED)
        m.d.comb += self.active.eq(~states.ongoing("Wait"))
        return m

    def _elaborate_bytes(self, m: Module, frame: Frame) -> None:
        """What the strobes do to the place in the buffer and to the last bytes."""
        m.d.comb += self.r_addr.eq(Cat(frame.place, frame.buffer))
        m.d.sync += [frame.moved.eq(frame.advance), frame.settled.eq(~frame.advance & ~frame.moved)]
        with m.If(frame.advance):
            m.d.sync += frame.place.eq(frame.place + 1)
        frame.elaborate_word(m, self.r_data, self.bus.r_data)

    def _elaborate_fields(self, m: Module, frame: Frame) -> None:
        """Ports that are nothing but fields of the request."""
        newest = frame.newest
        # The place stands still for a cycle before a value is offered.
        left = frame.end - frame.place
        narrow = frame.command == Command.NARROW
        m.d.sync += self.x_left.eq(Mux(narrow, left, left >> (VALUE_BYTES.bit_length() - 1))[: len(self.x_left)])
        m.d.comb += [
            self.bus.addr.eq(frame.address),
            self.bus.w_data.eq(Cat(*reversed(newest))),
            self.release_place.eq(Cat(newest[3], newest[2])),
            self.seek_place.eq(Cat(newest[1], newest[0])),
            self.x.payload.value.eq(Cat(newest[1], newest[0]).as_signed()),
            self.x.payload.start.eq(frame.flag(StreamFlag.START)),
            self.x.payload.restart.eq(frame.flag(StreamFlag.RESTART)),
            self.x.payload.mark.eq(frame.flag(StreamFlag.MARK)),
            self.x.payload.mask.eq(frame.flags[ACTIVE_SHIFT:]),
            # Engines look at one of the two: those of several programs have one active count.
            self.x.payload.program.eq(frame.flags[ACTIVE_SHIFT:]),
            self.quiet.eq(frame.flag(StreamFlag.QUIET)),
        ]

    def _elaborate_watchdog(self, m: Module, frame: Frame) -> None:
        """Give a frame up that waits at two ticks, without a cycle between them in which it did not wait."""
        late = Signal()
        with m.If(~frame.waits):
            m.d.sync += late.eq(0)
        with m.Elif(self.tick):
            m.d.sync += late.eq(1)
        m.d.comb += [frame.due.eq(self.tick & late), self.stalled.eq(frame.waits & frame.due)]

    @staticmethod
    def _take(m: Module, frame: Frame) -> None:
        """Take the byte at the frame's place among the last four."""
        m.d.comb += [frame.advance.eq(1), frame.shift.eq(1)]

    def _put(self, m: Module, value: object, when: ValueLike = 1) -> Value:
        """Offer a byte of the answer; whether it is taken."""
        m.d.comb += [self.answer.payload.eq(value), self.answer.valid.eq(when)]
        # Not by the port, which has come through a choice between all states.
        return Value.cast(when) & self.answer.ready

    def _states_of_request(self, m: Module, frame: Frame) -> None:
        """Wait for a frame, answer its number and command at once, and check it."""
        byte = self.r_data
        with m.State("Wait"):
            with m.If(self.greet):
                m.d.sync += [frame.place.eq(TAIL), frame.expected.eq(self.sequence)]
                m.next = "Greet"
            with m.Elif(self.full.bit_select(frame.buffer, 1) & frame.settled):
                m.next = "Length"
        with m.State("Length"):
            m.d.comb += frame.advance.eq(1)
            m.d.sync += [frame.end.eq(byte), frame.status.eq(Status.OK)]
            m.next = "Sequence"
        with m.State("Sequence"):
            with m.If(self._put(m, byte, frame.settled)):
                m.d.comb += frame.advance.eq(1)
                m.d.sync += frame.matches.eq(byte == frame.expected)
                m.next = "Command"
        with m.State("Command"):
            with m.If(self._put(m, byte | ANSWER, frame.settled)):
                m.d.comb += frame.advance.eq(1)
                m.d.sync += [frame.command.eq(byte), frame.known.eq((byte != 0) & (byte <= max(Command)))]
                m.next = "Check"
        with m.State("Check"):
            m.next = "Status"
            with m.If(~self.session):
                m.d.sync += frame.status.eq(Status.NO_SESSION)
            with m.Elif(~frame.matches):
                m.d.sync += frame.status.eq(Status.REJECTED)
            with m.Elif(~frame.known):
                m.d.sync += frame.status.eq(Status.BAD_COMMAND)
            with m.Elif(~frame.fits):
                m.d.sync += frame.status.eq(Status.BAD_LENGTH)
            with m.Else():
                m.d.sync += frame.expected.eq(frame.expected + 1)
                m.next = "Head"

    def _states_of_execution(self, m: Module, frame: Frame) -> None:
        """Take the body's head, then its words to the bus or its values to the engine."""
        place, newest, command = frame.place, frame.newest, frame.command
        with m.State("Head"):
            with m.If(place == frame.head_end):
                m.next = "Begin"
            with m.Elif(frame.settled):
                self._take(m, frame)
                with m.If(place == BODY):
                    m.d.sync += frame.flags.eq(self.r_data)
                with m.If(place == BODY + 1):
                    m.d.sync += frame.grid.eq(self.r_data)
        with m.State("Begin"):
            with m.Switch(command):
                with m.Case(Command.READ, Command.WRITE):
                    m.d.comb += frame.waits.eq(self.occupied)
                    m.d.sync += frame.address.eq(Cat(newest[2], newest[1], newest[0]))
                    with m.If(frame.due & self.occupied):
                        m.next = "Status"
                    with m.If(~self.occupied):
                        m.next = "Word"
                        with m.If(command == Command.READ):
                            # From here on places count the answer's words.
                            m.d.sync += [frame.end.eq(newest[3]), place.eq(0)]
                            m.next = "Status"
                with m.Default():
                    m.d.comb += [self.ring_release.eq(1), self.ring_seek.eq(1)]
                    m.next = "Status"
                    with m.If((command != Command.FETCH) & frame.flag(StreamFlag.MARK)):
                        m.next = "Transfer"
                    with m.Elif((command != Command.FETCH) & ~frame.done):
                        m.next = "Value"
        with m.State("Word"), m.If(frame.settled):
            self._take(m, frame)
            with m.If(place[:2] == (HEAD_END[Command.WRITE] - 1) % WORD_BYTES):
                m.next = "Write"
        with m.State("Write"), m.If(~frame.moved):
            m.d.comb += self.bus.w_en.eq(1)
            m.d.sync += frame.address.eq(frame.address + 1)
            m.next = "Word"
            with m.If(frame.done):
                m.next = "Status"
        with m.State("Value"), m.If(frame.settled):
            self._take(m, frame)
            m.d.sync += frame.left.eq(frame.grid)
            with m.If(command == Command.NARROW):
                m.next = "Widen"
            with m.Elif(place[0] == (HEAD_END[Command.STREAM] - 1) % VALUE_BYTES):
                m.next = "Transfer"
        with m.State("Widen"), m.If(~frame.moved):
            m.d.comb += frame.widen.eq(1)
            m.next = "Scale"
        with m.State("Scale"):
            # A bit per cycle, for which there is time.
            m.d.sync += frame.left.eq(frame.left - 1)
            with m.If(frame.left == 0):
                m.next = "Transfer"
            with m.Else():
                m.d.comb += frame.scale.eq(1)
        with m.State("Transfer"):
            m.d.comb += [self.x.valid.eq(~frame.moved), frame.waits.eq(~self.x.ready)]
            with m.If(self.x.ready & ~frame.moved):
                # Flags below QUIET belong to the frame's first transfer.
                m.d.sync += frame.flags[: flag_bit(StreamFlag.QUIET)].eq(0)
                m.next = "Value"
                with m.If(frame.flag(StreamFlag.MARK) | frame.done):
                    m.next = "Status"
            with m.If(frame.due & ~self.x.ready):
                m.next = "Status"

    def _states_of_answer(self, m: Module, frame: Frame) -> None:
        """Answer status and expected number, and choose the body that belongs to the command."""
        command, succeeded = frame.command, frame.status == Status.OK
        with m.State("Status"), m.If(self._put(m, frame.status)):
            m.next = "Expected"
        with m.State("Expected"), m.If(self._put(m, frame.expected)):
            m.next = "Finish"
            with m.If(self.greet):
                m.next = "Identity"
            with m.Elif(succeeded & (command == Command.READ)):
                m.next = "Read"
            with m.Elif(succeeded & (command != Command.WRITE)):
                m.next = "Results"

    def _states_of_body(self, m: Module, frame: Frame) -> None:
        """Bodies of answers: words that are read from the bus, or what the result ring holds."""
        left = frame.left
        with m.State("Read"):
            m.d.comb += self.bus.r_en.eq(1)
            m.d.sync += left.eq(READ_CYCLES - 1)
            m.next = "Take"
            with m.If(frame.done | self.body_full):
                m.d.comb += self.bus.r_en.eq(0)
                m.next = "Finish"
        with m.State("Take"):
            m.d.sync += left.eq(left - 1)
            m.d.comb += frame.load.eq(left == 1)
            with m.If(left == 0):
                m.d.sync += left.eq(WORD_BYTES - 1)
                m.next = "Bytes"
        with m.State("Bytes"), m.If(self._put(m, frame.newest[0], ~frame.turns)):
            m.d.comb += frame.rotate.eq(1)
            m.d.sync += left.eq(left - 1)
            with m.If(left == 0):
                m.d.comb += frame.advance.eq(1)
                m.d.sync += frame.address.eq(frame.address + 1)
                m.next = "Read"
        with m.State("Results"):
            complete = ~self.ring_valid | self.body_full
            with m.If(self._put(m, self.ring_data, self.ring_ready & ~complete)):
                m.d.comb += self.ring_next.eq(1)
            with m.If(self.ring_ready & complete):
                m.next = "Finish"

    def _states_of_greeting(self, m: Module, frame: Frame) -> None:
        """The answer to a HELLO: its number, the command, then as all answers, and the identity from the tails."""
        with m.State("Greet"), m.If(self._put(m, frame.expected)):
            m.d.sync += frame.expected.eq(frame.expected + 1)
            m.next = "Greeting"
        with m.State("Greeting"), m.If(self._put(m, Command.HELLO | ANSWER)):
            m.next = "Status"
        with m.State("Identity"), m.If(self._put(m, self.r_data, frame.settled)):
            m.d.comb += frame.advance.eq(1)
            # Behind the tail lies the next buffer, and its tail.
            with m.If(frame.place == BUFFER_BYTES - 1):
                m.d.sync += [frame.place.eq(TAIL), frame.buffer.eq(frame.buffer + 1)]
                with m.If(frame.buffer == TAILS - 1):
                    m.d.sync += frame.buffer.eq(0)
                    m.next = "Finish"

    def _state_of_end(self, m: Module, frame: Frame) -> None:
        """Wait until the answer is complete, then free the frame's buffer."""
        with m.State("Finish"):
            m.d.comb += self.finish.eq(1)
            with m.If(self.finished):
                m.d.sync += frame.place.eq(0)
                m.d.comb += [frame.advance.eq(1), self.greeted.eq(self.greet)]
                with m.If(~self.greet):
                    m.d.comb += self.release.bit_select(frame.buffer, 1).eq(1)
                    m.d.sync += frame.buffer.eq(frame.buffer + 1)
                m.next = "Wait"
