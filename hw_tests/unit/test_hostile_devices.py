"""Devices that answer nonsense: whatever they say, a run ends soon, in one line, and nothing wrong is accepted."""

from __future__ import annotations

import struct
import time
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest

from hw_tests.unit.link_cases import Change, PtyDevice, changed, identity, nonsense, small_design, with_body
from lstmith.cli.main import execute
from lstmith.host.link import device as link_device
from lstmith.host.link import session
from lstmith.host.link.codec import Frame, Receiver
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import ANSWER, Command, Status
from lstmith.test_support.model import DeviceModel

#: A run may take so long; a healthy one takes half a second.
SECONDS = 30
#: Commands that bring input, whose answers bring results.
INPUT = (Command.STREAM, Command.NARROW)
#: An answer's body begins with its status and the number of the next request.
HEAD = 2


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "HELLO_SECONDS", 0.05)
    monkeypatch.setattr(session, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(session, "LONGEST_SECONDS", 0.1)
    monkeypatch.setattr(link_device, "RESULT_SECONDS", 2.0)


class Case:
    """A design, and a run of it at a port."""

    def __init__(self, folder: Path, rng: np.random.Generator):
        self.design, self.output = small_design(rng), folder / "y.npz"
        self.design.save(folder / "design")
        np.savez(folder / "x.npz", x=rng.normal(0, 1, (6, self.design.network.inputs)))
        self.command = ["run", str(folder / "design"), "--input", str(folder / "x.npz"), "--engine", "board"]

    def refused(self, port: str, capsys: pytest.CaptureFixture[str]) -> str:
        """The one line that is told."""
        begin = time.monotonic()
        assert execute([*self.command, "--port", port, "-o", str(self.output)]) == 2
        assert time.monotonic() - begin < SECONDS
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert not self.output.exists()
        return told


@pytest.fixture
def case(tmp_path: Path, rng: np.random.Generator) -> Case:
    return Case(tmp_path, rng)


def of(commands: Collection[Command], change: Change) -> Change:
    """The change, to answers of some commands alone."""
    answers = {command | ANSWER for command in commands}
    return lambda frame: change(frame) if frame.command in answers else frame


def status(code: int) -> Change:
    return lambda frame: with_body(frame, bytes([code, frame.seq]) + frame.body[HEAD:])


def layer_beyond(frame: Frame) -> Frame:
    """Every word of results looks like a record of the last layer that a record can name."""
    return with_body(frame, frame.body[:HEAD] + bytes(byte | 0xF0 for byte in frame.body[HEAD:]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (of([Command.WRITE], status(Status.REJECTED)), ""),
        (of([Command.READ], lambda frame: with_body(frame, frame.body[:-1])), "makes no sense"),
        (of([Command.READ], lambda frame: with_body(frame, frame.body[:HEAD])), "makes no sense"),
        (of([Command.READ], lambda frame: with_body(frame, frame.body + b"abcd")), "makes no sense"),
        (of(INPUT, lambda frame: with_body(frame, frame.body + b"x")), "makes no sense"),
        (of(INPUT, layer_beyond), ""),
        (of([Command.WRITE], status(200)), "refused WRITE (200)"),
        (lambda frame: with_body(frame, b""), ""),
    ],
)
def test_one_kind_of_nonsense(change: Change, told: str, case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    with PtyDevice(changed(case.design, change)) as device:
        assert told in case.refused(device.port, capsys)


@pytest.mark.parametrize(("place", "value"), [(5, 0), (6, 0), (6, 16), (6, 200)])
def test_identities_of_no_device(
    place: int, value: int, case: Case, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A window of nothing, and rings of no or endless words."""
    assert struct.calcsize("<IB") == 5, "where the window lies, and behind it the ring"
    pack = Identity.pack
    monkeypatch.setattr(Identity, "pack", lambda self: pack(self)[:place] + bytes((value,)) + pack(self)[place + 1 :])
    with PtyDevice(DeviceModel(identity(case.design.engine)).receive) as device:
        assert "the device's identity is damaged" in case.refused(device.port, capsys)


def test_a_device_that_never_stops(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """Answers to what was never asked, for ever."""
    model, receiver = DeviceModel(identity(case.design.engine)), Receiver()

    def answer(content: bytes) -> bytes:
        frames = list(receiver.feed(model.receive(content)))
        hello = [frame.encode() for frame in frames if frame.command == Command.HELLO | ANSWER]
        rejected = [Frame(frame.seq, frame.command, bytes([Status.REJECTED, frame.seq])) for frame in frames]
        return b"".join(hello) or b"".join(frame.encode() for frame in rejected) * 50

    with PtyDevice(answer) as device:
        assert "never what it was asked" in case.refused(device.port, capsys)


@pytest.mark.parametrize("number", range(12))
def test_random_nonsense(number: int, case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    """A run ends with results, which are compared as always, or in one line."""
    change = nonsense(np.random.default_rng(number), (0.02, 0.2, 1.0)[number % 3])
    begin = time.monotonic()
    with PtyDevice(changed(case.design, change)) as device:
        code = execute([*case.command, "--port", device.port, "-o", str(case.output)])
    assert time.monotonic() - begin < SECONDS
    told = capsys.readouterr().err
    assert "internal error" not in told
    assert code in (0, 2)
    assert case.output.exists() == (code == 0)
