"""A session with a device: requests in order, each executed exactly once, whatever the line loses.

The device takes only the request it expects next and answers each; the host keeps up to a window of requests
unanswered and sends all of them again when one is lost (go-back-N). Requests that change something answer only
whether they were done, so it is enough to learn that later from any answer; what a lost answer held is asked for again.
"""

from __future__ import annotations

import contextlib
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from lstmith.host.link.codec import END, Frame, Receiver
from lstmith.host.link.errors import LinkError, LostError, NoAnswerError, RefusedError, WrongDeviceError
from lstmith.host.link.transport import Patience, Transport
from lstmith.spec.link_identity import IDENTITY_BYTES, MAGIC, Identity
from lstmith.spec.link_map import ANSWER, ANSWER_HEAD, LINK_VERSION, REQUEST_HEAD, Command, Status

#: Seconds to wait for the first HELLO's answer; each further try waits twice as long.
HELLO_SECONDS, HELLO_TRIES = 0.5, 4
#: Seconds without an answer before requests are sent again, likewise doubled up to a longest; how often in a row.
ANSWER_SECONDS, LONGEST_SECONDS, TRIES = 0.5, 2.0, 8
_SEQUENCE = 256
#: Answers in a row by which nothing was learnt, after which a device makes no sense: far more than some windows that
#: are sent again.
MOST_IDLE = 4096

Then = Callable[[bytes], None]


@dataclass(frozen=True)
class _Request:
    command: Command
    body: bytes
    then: Then | None
    needed: bool


class Session:
    """A device that answers.

    Parameters
    ----------
    transport : Transport
        Is closed with the session.
    patience : float
        Factor on all waits for answers.

    Attributes
    ----------
    repeats : int
        Requests sent again.
    """

    def __init__(self, transport: Transport, patience: float = 1.0):
        self._transport, self._patience = transport, patience
        self._receiver = Receiver()
        self._next, self._window = 0, 1
        self._sent: deque[_Request] = deque()
        self._waiting: deque[_Request] = deque()
        self._answered = self._idle = 0
        self.repeats = 0

    @property
    def name(self) -> str:
        """The port."""
        return self._transport.name

    def close(self) -> None:
        """Tell the device to be idle, as far as it still listens, and give the port back."""
        with contextlib.suppress(LinkError):
            self._transport.write(END + Frame(secrets.randbelow(_SEQUENCE), Command.HELLO).encode())
        self._transport.close()

    def greet(self, tries: int = HELLO_TRIES) -> Identity:
        """Begin anew: link and engine are reset, memories keep what they hold.

        Parameters
        ----------
        tries : int
            How often to ask; each wait is twice as long as the one before.

        Raises
        ------
        NoAnswerError
            If nothing, or nothing sensible, answers.
        WrongDeviceError
            If what answers is another device, or one of another link version.
        """
        self._sent.clear()
        self._waiting.clear()
        self._receiver.clear()
        # Any number serves; one of an earlier session might still be answered.
        seq = secrets.randbelow(_SEQUENCE)
        heard = 0
        for attempt in range(tries):
            # The zero ends whatever a killed program had begun.
            self._transport.write(END + Frame(seq, Command.HELLO).encode())
            patience = Patience(HELLO_SECONDS * self._patience * 2**attempt)
            while True:
                received = self._transport.read(patience.left)
                heard += len(received)
                for frame in self._receiver.feed(received):
                    if frame.seq == seq and frame.command == Command.HELLO | ANSWER:
                        self._next = (seq + 1) % _SEQUENCE
                        identity = self._identity(frame.body)
                        self._window = identity.window
                        return identity
                    if frame.command == Command.HELLO:
                        raise WrongDeviceError(self.name, "sends back what it is sent", "give the port of the board")
                if not received and patience.over:
                    break
        if heard:
            raise WrongDeviceError(
                self.name, "what answers does not speak this link's protocol", "see 'lstmith devices' for the port"
            )
        raise NoAnswerError(self.name, "nothing answers", "check the port and that the board is programmed")

    def _identity(self, body: bytes) -> Identity:
        content = body[ANSWER_HEAD - REQUEST_HEAD :]
        if len(content) != IDENTITY_BYTES or int.from_bytes(content[:4], "little") != MAGIC:
            raise WrongDeviceError(self.name, "what answers is no lstmith core", "give the port of the board")
        if content[4] != LINK_VERSION:
            raise WrongDeviceError(
                self.name,
                f"the device's link has version {content[4]}, this program's {LINK_VERSION}",
                "build and program the board again with this version",
            )
        try:
            return Identity.unpack(content)
        except ValueError as error:
            raise WrongDeviceError(
                self.name, f"the device's identity is damaged ({error})", "program the board again"
            ) from None

    def submit(self, command: Command, body: bytes, then: Then | None = None, *, needed: bool = False) -> None:
        """Send a request as soon as the window has room; returns when it is sent.

        Parameters
        ----------
        command : Command
        body : bytes
        then : callable or None
            Gets the answer's body, if the answer arrives.
        needed : bool
            Whether to ask again if it does not; the request must then have no effect.

        Raises
        ------
        LostError
            If the device stops answering or forgot the session.
        RefusedError
            If it refuses a request.
        """
        self._waiting.append(_Request(command, body, then, needed))
        self._pump()
        while self._waiting:
            self._advance()

    def make_room(self) -> None:
        """Wait until the next request can be sent at once."""
        while len(self._sent) >= self._window or self._waiting:
            self._advance()

    @property
    def pending(self) -> bool:
        """Whether a request is not answered yet."""
        return bool(self._sent or self._waiting)

    def wait(self) -> None:
        """Wait until another request is answered, if one is pending."""
        if self.pending:
            self._advance()

    def settle(self) -> None:
        """Wait until every request is answered."""
        while self.pending:
            self._advance()

    def call(self, command: Command, body: bytes) -> bytes:
        """One request without effects, and its answer's body."""
        answers: list[bytes] = []
        self.submit(command, body, answers.append, needed=True)
        self.settle()
        return answers[0]

    def _pump(self) -> None:
        while self._waiting and len(self._sent) < self._window:
            request = self._waiting.popleft()
            self._transport.write(Frame(self._next, request.command, request.body).encode())
            self._sent.append(request)
            self._next = (self._next + 1) % _SEQUENCE

    def _advance(self) -> None:
        """Wait until something is answered, repeating what is not."""
        for attempt in range(TRIES):
            seconds = min(ANSWER_SECONDS * 2**attempt, LONGEST_SECONDS)
            patience = Patience(seconds * self._patience)
            while True:
                received = self._transport.read(patience.left)
                before = self._answered
                for frame in self._receiver.feed(received):
                    self._take(frame)
                self._pump()
                if before != self._answered or not self._sent:
                    return
                if not received and patience.over:
                    break
            self._repeat()
        self._fail("the device stopped answering", "check cable and power, then repeat the command")

    def _take(self, frame: Frame) -> None:
        before = self._answered
        self._understand(frame)
        self._idle = 0 if self._answered != before else self._idle + 1
        if self._idle > MOST_IDLE:
            self._fail("the device answers, but never what it was asked", "build and program it again")

    def _understand(self, frame: Frame) -> None:
        if len(frame.body) < ANSWER_HEAD - REQUEST_HEAD or not frame.command & ANSWER:
            return
        status, expected = frame.body[0], frame.body[1]
        place = (frame.seq - self._base) % _SEQUENCE
        if place >= len(self._sent):
            # The answer to a repetition of what is long done.
            return
        if status == Status.NO_SESSION:
            self._fail("the device was reset in the middle of the work", "repeat the command")
        if status == Status.STALLED:
            self._fail("the device made no progress and reset its engine", "repeat the command")
        if status == Status.REJECTED:
            done = (expected - self._base) % _SEQUENCE
            if done > len(self._sent):
                self._fail("another program talked to the device", "end it and repeat the command")
            self._drop(done)
            if self._sent:
                self._repeat()
            return
        if status != Status.OK:
            name = Status(status).name if status in list(Status) else str(status)
            command = self._sent[place].command.name
            self._abandon()
            raise RefusedError(self.name, f"the device refused {command} ({name})", "build and program it again")
        self._drop(place)
        request = self._sent.popleft()
        self._answered += 1
        if request.then is not None:
            request.then(frame.body[ANSWER_HEAD - REQUEST_HEAD :])

    @property
    def _base(self) -> int:
        """Sequence number of the oldest request that was not answered."""
        return (self._next - len(self._sent)) % _SEQUENCE

    def _drop(self, count: int) -> None:
        """Requests are done, but their answers were lost."""
        lost = [self._sent.popleft() for _ in range(count)]
        self._answered += count
        self._waiting.extendleft(request for request in reversed(lost) if request.needed)

    def _repeat(self) -> None:
        seq = self._base
        # What the line made of the last request may still be open.
        self._transport.write(END)
        for place, request in enumerate(self._sent):
            self._transport.write(Frame((seq + place) % _SEQUENCE, request.command, request.body).encode())
        self.repeats += len(self._sent)

    def _abandon(self) -> None:
        self._sent.clear()
        self._waiting.clear()

    def senseless(self, what: str) -> NoReturn:
        """Give up a device whose answer cannot be right.

        Raises
        ------
        LostError
            Always.
        """
        self._fail(f"the device's answer makes no sense ({what})", "build and program it again")

    def _fail(self, problem: str, fix: str) -> NoReturn:
        self._abandon()
        raise LostError(self.name, problem, fix)
