"""Wrong ports, wrong devices, wrong builds: one line that says what to do, exit code 2, nothing left behind."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.unit.link_cases import PtyDevice, identity, small_design
from lstmith.cli.main import execute
from lstmith.compiler.design import Design
from lstmith.host import accelerator
from lstmith.host.accelerator import Accelerator
from lstmith.host.link import session
from lstmith.host.link.codec import Frame, Receiver
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import LINK_VERSION, Feature
from lstmith.spec.registers import Register
from lstmith.test_support.model import DeviceModel, ModelTransport


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not answer at once does not answer."""
    monkeypatch.setattr(session, "HELLO_SECONDS", 0.05)
    monkeypatch.setattr(session, "ANSWER_SECONDS", 0.1)


class Case:
    """A design with its input, and the command that runs it at a port."""

    def __init__(self, folder: Path, design: Design, rng: np.random.Generator):
        self.design, self.output = design, folder / "y.npz"
        design.save(folder / "design")
        np.savez(folder / "x.npz", x=rng.normal(0, 1, (6, design.network.inputs)))
        self.command = ["run", str(folder / "design"), "--input", str(folder / "x.npz"), "--engine", "board"]

    def run(self, port: str) -> int:
        return execute([*self.command, "--port", port, "-o", str(self.output)])


@pytest.fixture
def case(tmp_path: Path, rng: np.random.Generator) -> Case:
    return Case(tmp_path, small_design(rng), rng)


def _refused(case: Case, port: str, capsys: pytest.CaptureFixture[str], *parts: str) -> None:
    assert case.run(port) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for part in parts:
        assert part in message
    assert not case.output.exists()


def test_a_good_device_runs(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    with PtyDevice(DeviceModel(identity(case.design.engine)).receive) as device:
        assert case.run(device.port) == 0
        assert "ulx3s-85f" in _devices(device.port, capsys)
    with np.load(case.output) as arrays:
        assert arrays["h"].any()


@pytest.mark.parametrize(
    ("port", "problem"),
    [
        ("/dev/nothing", "there is no such port"),
        ("/dev/null", "is no serial port"),
        ("/tmp", "is no serial port"),
    ],
)
def test_ports_that_are_none(port: str, problem: str, case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    _refused(case, port, capsys, port, problem)
    assert problem in _devices(port, capsys)


def test_a_port_in_use(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    from lstmith.host.link.transport import SerialTransport

    with PtyDevice(lambda _: b"") as device:
        taken = SerialTransport(device.port, 3_000_000)
        _refused(case, device.port, capsys, "is in use by another program")
        taken.close()


def _noise(content: bytes) -> bytes:
    return b"login: " + content[:3]


def _nobody(_: bytes) -> bytes:
    return b""


def _echo(content: bytes) -> bytes:
    return content


def _stranger(content: bytes) -> bytes:
    """Speaks the protocol, but is something else."""
    heard = Receiver().feed(content)
    return b"".join(Frame(frame.seq, frame.command | 0x80, b"\0\0" + b"x" * 64).encode() for frame in heard)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (_nobody, "nothing answers; check the port and that the board is programmed"),
        (_noise, "what answers does not speak this link's protocol"),
        (_echo, "sends back what it is sent"),
        (_stranger, "what answers is no lstmith core"),
    ],
)
def test_other_devices(
    answer: Callable[[bytes], bytes], problem: str, case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    with PtyDevice(answer) as device:
        _refused(case, device.port, capsys, device.port, problem)
        assert problem.partition(";")[0] in _devices(device.port, capsys)


def _edited(where: int, value: int) -> Callable[[bytes], bytes]:
    return lambda packed: packed[:where] + bytes((value,)) + packed[where + 1 :]


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (_edited(4, 9), f"the device's link has version 9, this program's {LINK_VERSION}"),
        (_edited(40, 77), "the device was built for designs of format 77"),
        (_edited(41, 0), "the device's identity is damaged"),
    ],
)
def test_other_versions(
    edit: Callable[[bytes], bytes],
    problem: str,
    case: Case,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pack = Identity.pack
    assert struct.calcsize("<IBBBBII8s16s") == 40, "where the design format lies"
    monkeypatch.setattr(Identity, "pack", lambda self: edit(pack(self)))
    with PtyDevice(DeviceModel(identity(case.design.engine)).receive) as device:
        _refused(case, device.port, capsys, device.port, problem)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"weight_depth": 8}, "Network needs weight_depth of"),
        ({"units": 5}, "Network needs units of 6, the engine has 5"),
        ({"requant_width": 16}, "Network is scaled for requant_width 18, the engine has 16"),
        ({"c_width": 12}, "Network needs c_width of 18, the engine has 12"),
        ({"planes": 1, "monitor": False}, "8-bit weights of 2 planes, the engine takes 1"),
    ],
)
def test_designs_that_do_not_fit(
    change: dict[str, object], problem: str, case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = replace(case.design.engine, **change)  # type: ignore[arg-type]
    device = DeviceModel(identity(engine))
    with PtyDevice(device.receive) as line:
        _refused(case, line.port, capsys, "the design does not fit the engine on ulx3s-85f", problem, "compile it for")


def test_a_device_without_records_says_so(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    with PtyDevice(DeviceModel(identity(case.design.engine, features=Feature.STATES)).receive) as device:
        _refused(case, device.port, capsys, "this build tells only h")


def test_a_device_that_is_reset_in_the_middle(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    model, seen = DeviceModel(identity(case.design.engine)), []

    def answer(content: bytes) -> bytes:
        seen.append(content)
        if len(seen) == 20:
            model.reset()
        return model.receive(content)

    with PtyDevice(answer) as device:
        _refused(case, device.port, capsys, "the device was reset in the middle of the work")
        assert model._engine.read(Register.SKIPPED) == 0
        assert case.run(device.port) == 0


def _devices(port: str, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert execute(["devices", port]) == 0
    return capsys.readouterr().out


def test_another_baud_is_found(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    model, bauds = DeviceModel(identity(case.design.engine)), []

    class Line(ModelTransport):
        """Answers at 1 Mbaud alone."""

        def __init__(self, port: str, baud: int):
            super().__init__(model, port)
            bauds.append(baud)

        def write(self, content: bytes) -> None:
            if bauds[-1] == 1_000_000:
                super().write(content)

    monkeypatch.setattr(accelerator, "SerialTransport", Line)
    monkeypatch.setattr(accelerator, "BAUDS", (3_000_000, 1_000_000))
    with Accelerator("port") as found:
        found.load(case.design)
    assert bauds == [3_000_000, 1_000_000]
