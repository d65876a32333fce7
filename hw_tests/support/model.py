"""A device in Python: the link's protocol over the golden model, for tests of the driver without a simulator."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable

from lstmith.host.link.codec import Frame, Receiver
from lstmith.spec import link_map
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import Command, Feature, LinkRegister, Mode, Status, StreamFlag, link_address
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.registers import REGION_SHIFT, WEIGHTS, Region, Register, address
from lstmith.test_support.model_engine import ModelEngine

#: What needs ``Feature.STATES``; of the registers, reading them.
_STATES = (Region.PROGRAM, Region.CELL, Region.HIDDEN, Region.PREDICTOR)
_IDENTITY = address(Region.CONTROL, Register.IDENTITY)


class DeviceModel:
    """A device behind a wire.

    Parameters
    ----------
    identity : Identity
    image : MemoryImage or None
        What the bitstream carries.
    tag : int
        Of its weights.
    """

    def __init__(self, identity: Identity, image: MemoryImage | None = None, tag: int = 0):
        self.identity = identity
        self._engine = ModelEngine(identity.config, image)
        self._registers = {link_address(LinkRegister.TAG): tag}
        self.reset()

    def reset(self) -> None:
        """As by the board's button: the memories keep what they hold."""
        self._receiver, self._frames = Receiver(), deque[Frame]()
        self._session, self._expected = False, 0
        self._out = bytearray()
        self._begin()

    def _begin(self) -> None:
        self._frames.clear()
        self._engine.reset()
        self._ring: deque[int] = deque()
        self._released = 0

    def receive(self, content: bytes) -> bytes:
        """Bytes at its receiver; returns what it sends."""
        for frame in self._receiver.feed(content):
            if frame.command == Command.HELLO and not frame.body:
                self._begin()
                self._session, self._expected = True, (frame.seq + 1) % 256
                self._answer(frame, Status.OK, self.identity.pack())
            elif len(self._frames) < self.identity.window:
                self._frames.append(frame)
            while self._frames and self._execute(self._frames[0]):
                self._frames.popleft()
        sent, self._out = bytes(self._out), bytearray()
        return sent

    def _answer(self, frame: Frame, status: Status, body: bytes = b"") -> None:
        content = bytes((status, self._expected)) + body
        self._out += Frame(frame.seq, frame.command | link_map.ANSWER, content).encode()

    def _execute(self, frame: Frame) -> bool:
        """Whether the request is done with."""
        actions: dict[int, Callable[[bytes], bytes | None]] = {
            Command.READ: self._read,
            Command.WRITE: self._write,
            Command.STREAM: self._stream,
            Command.FETCH: self._fetch,
            Command.NARROW: self._narrow,
        }
        refused = None
        if not self._session:
            refused = Status.NO_SESSION
        elif frame.seq != self._expected:
            refused = Status.REJECTED
        elif frame.command == Command.HELLO:
            refused = Status.BAD_LENGTH  # one with a body
        elif frame.command not in actions:
            refused = Status.BAD_COMMAND
        if refused is not None:
            self._answer(frame, refused)
            return True
        try:
            body = actions[frame.command](frame.body)
        except struct.error:
            self._answer(frame, Status.BAD_LENGTH)
            return True
        if body is not None:
            self._expected = (self._expected + 1) % 256
            self._answer(frame, Status.OK, body)
        return body is not None

    def _read(self, body: bytes) -> bytes:
        count, low, high = struct.unpack(link_map.READ_HEAD, body)
        begin, count = low | high << 16, min(count, link_map.READ_WORDS)
        return struct.pack(f"<{count}I", *(self._word(where) for where in range(begin, begin + count)))

    def _word(self, where: int) -> int:
        if where in self._registers:
            return self._registers[where]
        return self._engine.read(where) if self._states or where == _IDENTITY else 0

    def _write(self, body: bytes) -> bytes:
        size = struct.calcsize(link_map.WRITE_HEAD)
        low, high = struct.unpack(link_map.WRITE_HEAD, body[:size])
        words = struct.unpack(f"<{max(1, (len(body) - size) // 4)}I", body[size:])
        for where, value in enumerate(words, low | high << 16):
            if where == link_address(LinkRegister.MODE):
                self._engine.mode = Mode(value & 1)
            elif where in self._registers:
                self._registers[where] = value
            elif self._states or where >= WEIGHTS or where >> REGION_SHIFT not in _STATES:
                self._engine.write(where, value)
        return b""

    @property
    def _states(self) -> bool:
        return bool(self.identity.features & Feature.STATES)

    def _stream(self, body: bytes) -> bytes | None:
        size = struct.calcsize(link_map.STREAM_HEAD)
        first, release, begin = struct.unpack(link_map.STREAM_HEAD, body[:size])
        return self._take(first, release, begin, struct.unpack(f"<{(len(body) - size) // 2}h", body[size:]))

    def _narrow(self, body: bytes) -> bytes | None:
        size = struct.calcsize(link_map.NARROW_HEAD)
        first, grid, release, begin = struct.unpack(link_map.NARROW_HEAD, body[:size])
        kind = "B" if grid & link_map.UNSIGNED else "b"
        # What is shifted out of 16 bits is lost.
        wide = (value << grid % 16 & 0xFFFF for value in struct.unpack(f"<{len(body) - size}{kind}", body[size:]))
        values = tuple(value - (value >> 15 << 16) for value in wide)
        return self._take(first, release, begin, values)

    def _take(self, first: int, release: int, begin: int, values: tuple[int, ...]) -> bytes | None:
        self._release(release)
        flags = StreamFlag(first & ((1 << link_map.ACTIVE_SHIFT) - 1))
        if not self._engine.take(flags, first >> link_map.ACTIVE_SHIFT, values):
            return None
        self._fill()
        return self._words(begin)

    def _fetch(self, body: bytes) -> bytes:
        release, begin = struct.unpack(link_map.FETCH_HEAD, body)
        self._release(release)
        return self._words(begin)

    def _release(self, place: int) -> None:
        gone = (place - self._released) % link_map.PLACES
        if gone > len(self._ring):
            raise AssertionError("the host releases what it was not given")
        for _ in range(gone):
            self._ring.popleft()
        self._released = place
        self._fill()

    def _fill(self) -> None:
        """Results move into the ring as it has room, and the engine goes on."""
        while len(self._ring) < self.identity.ring_words:
            if not self._engine.results:
                self._engine.go_on()
            if not self._engine.results:
                return
            self._ring.append(self._engine.results.popleft())

    def _words(self, place: int) -> bytes:
        known = (place - self._released) % link_map.PLACES
        words = list(self._ring)[known : known + link_map.ANSWER_WORDS]
        return struct.pack(f"<{len(words)}H", *words)


class ModelTransport:
    """A wire to a device model.

    Parameters
    ----------
    device : DeviceModel
    name : str
        For messages.
    """

    def __init__(self, device: DeviceModel, name: str = "model"):
        self.device, self.name = device, name
        self._received = bytearray()

    def write(self, content: bytes) -> None:
        """The device takes it, and answers, at once."""
        self._received += self.device.receive(content)

    def read(self, timeout: float) -> bytes:
        """What the device has answered; waiting would bring nothing more."""
        received, self._received = bytes(self._received), bytearray()
        return received

    def close(self) -> None:
        """Nothing to do."""
