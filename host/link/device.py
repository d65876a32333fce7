"""What a device can do: read and write its bus, take input, give results."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from lstmith.host.jobs import Write
from lstmith.host.link.errors import LostError
from lstmith.host.link.results import RecordReader, Ring
from lstmith.host.link.ring_reads import RingRead, RingReads
from lstmith.host.link.session import Session
from lstmith.host.link.transport import Patience
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import (
    ACTIVE_SHIFT,
    ANSWER_WORDS,
    FETCH_HEAD,
    NARROW_HEAD,
    NARROW_VALUES,
    READ_HEAD,
    READ_WORDS,
    STREAM_HEAD,
    STREAM_VALUES,
    UNSIGNED,
    WRITE_HEAD,
    WRITE_WORDS,
    Command,
    Feature,
    LinkRegister,
    Mode,
    StreamFlag,
    link_address,
)
from lstmith.spec.quantised import Grid

#: Seconds without a result, while some are due, after which they are given up: the device's own watchdog is shorter.
RESULT_SECONDS = 20.0


def fits_bytes(grid: Grid) -> bool:
    """Whether numbers of a grid have 8 bits at most: a byte and a shift tell what the engine makes of a value."""
    return grid.high - grid.low < 1 << 8


def request_values(grid: Grid | None) -> int:
    """Most values that a request holds; those of a grid may be narrow."""
    return NARROW_VALUES if grid is not None and fits_bytes(grid) else STREAM_VALUES


class Device:
    """A device in a session.

    Parameters
    ----------
    session : Session
        Is greeted.

    Attributes
    ----------
    identity : Identity
        What it says of itself.
    marks : int
        Marks that were sent: steps that are skipped because the host says so.
    """

    def __init__(self, session: Session):
        self._session = session
        self.identity: Identity = session.greet()
        self.marks = 0
        self._begin()

    def _begin(self) -> None:
        self._ring, self._asks = Ring(), RingReads(self.identity.ring_words)
        self._quiet = Patience(RESULT_SECONDS)

    @property
    def name(self) -> str:
        """The port."""
        return self._session.name

    @property
    def records(self) -> bool:
        """Whether results can come as records, with cycles and events."""
        return bool(self.identity.features & Feature.RECORDS)

    @property
    def states(self) -> bool:
        """Whether program, states and counters can be reached."""
        return bool(self.identity.features & Feature.STATES)

    @property
    def ring(self) -> Ring:
        """Results that have come."""
        return self._ring

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def reset(self) -> None:
        """Begin the session anew: registers are as after power-on, memories hold what they held."""
        self.identity = self._session.greet()
        self._begin()

    def read(self, address: int, count: int = 1) -> list[int]:
        """Words of consecutive bus addresses, unsigned."""
        words: list[int] = []
        for begin in range(address, address + count, READ_WORDS):
            here = min(READ_WORDS, address + count - begin)
            body = self._session.call(Command.READ, struct.pack(READ_HEAD, here, begin & 0xFFFF, begin >> 16))
            if len(body) != 4 * here:
                self._session.senseless(f"{len(body)} bytes for {here} words")
            words += struct.unpack(f"<{here}I", body)
        return words

    def write(self, writes: Iterable[tuple[int, int]]) -> None:
        """Bus writes in order; neighbours share a request. Returns when all are done."""
        begin, words = 0, list[int]()
        for address, value in writes:
            if words and (address != begin + len(words) or len(words) == WRITE_WORDS):
                self._write(begin, words)
                words = []
            if not words:
                begin = address
            words.append(value % (1 << 32))
        if words:
            self._write(begin, words)
        self._session.settle()

    def write_slowly(self, writes: Iterable[Write]) -> None:
        """Bus writes of which some need idle cycles behind them: those end a request."""
        words: list[tuple[int, int]] = []
        for address, value, idle in writes:
            words.append((address, value))
            if idle:
                self.write(words)
                words = []
        self.write(words)

    def _write(self, begin: int, words: Sequence[int]) -> None:
        head = struct.pack(WRITE_HEAD, begin & 0xFFFF, begin >> 16)
        self._session.submit(Command.WRITE, head + struct.pack(f"<{len(words)}I", *words))

    def set_mode(self, mode: Mode) -> None:
        """What the result ring holds from now on; between sequences only."""
        self.write([(link_address(LinkRegister.MODE), mode)])

    def send_step(
        self,
        values: npt.NDArray[np.int16] | None,
        flags: StreamFlag,
        active_index: int = 0,
        *,
        sure: int = 0,
        grid: Grid | None = None,
    ) -> None:
        """Send one step's input, in as many requests as it takes.

        Parameters
        ----------
        values : int16 [I] or None
            None sends a mark: the step is skipped.
        flags : StreamFlag
            START, RESTART apply to the first value.
        active_index : int
            Index of the active count, or of an engine of several programs the program.
        sure : int
            Words of the session that the ring will surely have got when this is executed, for asking ahead.
        grid : Grid or None
            What the engine makes of the values: they are sent as bytes if its numbers have 8 bits at most.
        """
        if values is None:
            self.send(None, flags, active_index, sure=sure)
            return
        most = request_values(grid)
        for begin in range(0, len(values), most):
            part = values[begin : begin + most]
            self.send(part, flags if begin == 0 else StreamFlag(0), active_index, sure=sure, grid=grid)

    def send(
        self,
        values: npt.NDArray[np.int16] | None,
        flags: StreamFlag,
        active_index: int = 0,
        *,
        sure: int = 0,
        grid: Grid | None = None,
    ) -> None:
        """One request with up to ``request_values`` values, of any steps, or with a mark; see :meth:`send_step`."""
        self._session.make_room()
        self.marks += values is None
        ask = self._asks.with_input(self._ring.taken, sure)
        first = flags | (StreamFlag.MARK if values is None else StreamFlag(0))
        places = Ring.wire(self._ring.taken), Ring.wire(ask.place)
        flags_byte = first | active_index << ACTIVE_SHIFT
        if values is not None and grid is not None and fits_bytes(grid):
            command = Command.NARROW
            head = struct.pack(NARROW_HEAD, flags_byte, grid.shift | UNSIGNED * (grid.low == 0), *places)
            stream = (grid.apply(values) & 0xFF).astype(np.uint8).tobytes()
        else:
            command = Command.STREAM
            head = struct.pack(STREAM_HEAD, flags_byte, *places)
            stream = b"" if values is None else np.asarray(values, dtype="<i2").tobytes()
        self._session.submit(command, head + stream, lambda body: self._accept(ask, body))

    def await_results(self, sure: int, due: int) -> None:
        """Get on with results: ask for more of them, or wait for an answer; they are in :attr:`ring` then.

        Parameters
        ----------
        sure : int
            Words of the session that the ring surely gets by what was sent.
        due : int
            Words that it gets in the end.
        """
        if not self._session.pending:
            self._asks.clear()
        begin = self._asks.end(self._ring.taken)
        if sure - begin >= ANSWER_WORDS:
            self._fetch()
        elif self._asks.expects(self._ring.taken):
            self._session.wait()
        else:
            for _ in range(max(1, -(-(due - begin) // ANSWER_WORDS))):
                self._fetch()

    def _fetch(self) -> None:
        self._session.make_room()
        ask = self._asks.alone(self._ring.taken)
        head = struct.pack(FETCH_HEAD, Ring.wire(self._ring.taken), Ring.wire(ask.place))
        self._session.submit(Command.FETCH, head, lambda body: self._accept(ask, body))

    def _accept(self, ask: RingRead, body: bytes) -> None:
        self._asks.answered(ask)
        if len(body) % 2:
            self._session.senseless("half a word of results")
        words = np.frombuffer(body, dtype="<u2").tolist()
        if self._ring.accept(ask.place, words):
            self._quiet = Patience(RESULT_SECONDS)

    def read_results(self, reader: RecordReader) -> None:
        """Have records taken out of :attr:`ring`.

        Raises
        ------
        LostError
            If there is one that no engine writes.
        """
        try:
            reader.read(self._ring)
        except ValueError as error:
            self._session.senseless(str(error))

    def expect_results(self) -> None:
        """Results are due from now on; see :meth:`still_expecting`."""
        self._quiet = Patience(RESULT_SECONDS)

    def still_expecting(self) -> None:
        """Give up if no result has come for too long.

        Raises
        ------
        LostError
            Then.
        """
        if self._quiet.over:
            raise LostError(self.name, "results stay out", "repeat the command")

    def settle(self) -> None:
        """Wait until every request is answered."""
        self._session.settle()
