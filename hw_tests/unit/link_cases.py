"""Designs, devices and lines with faults for the tests of the host's side of the link."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import threading
import tty
from collections.abc import Callable

import numpy as np

from hw_tests.cocotb.random_networks import random_engine
from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.design_files import FORMAT
from lstmith.compiler.program_image import check_fit
from lstmith.compiler.quantise.quantise import quantise
from lstmith.compiler.sizing.size import limits_for, size_engine
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.host.link.codec import Frame, Receiver
from lstmith.spec.config import EngineConfig
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import ANSWER, CRC_BYTES, FRAME_BYTES, REQUEST_HEAD, Command, Feature
from lstmith.spec.quantised import QuantNetwork
from lstmith.test_support.model import DeviceModel

#: Waits of the driver in tests: a device in memory answers at once.
PATIENCE = 1e-3
ALL = Feature.RECORDS | Feature.STATES


def small_design(rng: np.random.Generator, units: int = 6, inputs: int = 5, lanes: int = 3) -> Design:
    """A network of two planes and an engine through the compiler."""
    source = random_network(rng, units, inputs)
    calibration = random_calibration(rng, source)
    network = quantise(source, calibration, precision=[8], limits=limits_for(None, planes=2)).network
    engine, _ = size_engine(network, None, lanes=lanes)
    return Design(engine, network, source)


def random_designs(rng: np.random.Generator) -> list[Design]:
    """Networks for one engine, with everything that engines can do."""
    config, networks = fitting_engine(rng, most=14)
    return [Design(config, network, _source(network)) for network in networks]


def fitting_engine(rng: np.random.Generator, most: int = 40) -> tuple[EngineConfig, list[QuantNetwork]]:
    """A random engine whose networks really fit it."""
    while True:
        config, networks = random_engine(rng, most)
        with contextlib.suppress(ValueError):
            for network in networks:
                check_fit(network, config)
            return config, networks


def _source(network: QuantNetwork) -> FloatNetwork:
    """Float layers of the same shapes; their values do not matter here."""
    return FloatNetwork(
        tuple(
            FloatLayer(
                str(index),
                np.zeros((4 * layer.units, layer.inputs)),
                np.zeros((4 * layer.units, layer.units)),
                np.zeros(4 * layer.units),
            )
            for index, layer in enumerate(network.layers)
        )
    )


def identity(config: EngineConfig, *, ring_words: int = 256, features: Feature = ALL, **changes: object) -> Identity:
    """What a device with such an engine says of itself."""
    given = {
        "window": 2,
        "ring_words": ring_words,
        "features": features,
        "clock_hz": 60_000_000,
        "baud": 3_000_000,
        "commit": bytes(range(8)),
        "board": "ulx3s-85f",
        "design_format": FORMAT,
        "config": config,
    }
    return Identity(**{**given, **changes})  # type: ignore[arg-type]


def sequences(rng: np.random.Generator, inputs: int, *, count: int = 2, steps: int = 6) -> Sequences:
    """Float sequences of different lengths, with hints."""
    lengths = rng.integers(1, steps + 1, count)
    valid = np.arange(steps) < lengths[:, None]
    x = rng.normal(0, 1, (count, steps, inputs)).astype(np.float32) * valid[..., None]
    return Sequences(x, lengths, False, None, "x.npz", (rng.random((count, steps)) < 0.3) & valid)


class PtyDevice:
    """Something that answers at a real serial device: a pseudo-terminal.

    Parameters
    ----------
    answer : callable
        Bytes that arrive to bytes to send.
    """

    def __init__(self, answer: Callable[[bytes], bytes]):
        self._answer = answer
        self._far, self._near = pty.openpty()
        # Nobody may read any more: then bytes are lost, as on a wire.
        os.set_blocking(self._far, False)
        tty.setraw(self._near)
        self.port = os.ttyname(self._near)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> PtyDevice:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        os.close(self._far)
        os.close(self._near)

    def _serve(self) -> None:
        while not self._ended.is_set():
            if select.select([self._far], [], [], 0.01)[0]:
                with contextlib.suppress(BlockingIOError):
                    os.write(self._far, self._answer(os.read(self._far, 4096)))


Change = Callable[[Frame], Frame]


def changed(design: Design, change: Change) -> Callable[[bytes], bytes]:
    """A healthy device whose answers are changed on their way, with a right checksum."""
    model, receiver = DeviceModel(identity(design.engine)), Receiver()

    def answer(content: bytes) -> bytes:
        return b"".join(change(frame).encode() for frame in receiver.feed(model.receive(content)))

    return answer


def with_body(frame: Frame, body: bytes) -> Frame:
    """The frame with another body."""
    return Frame(frame.seq, frame.command, body)


def nonsense(rng: np.random.Generator, share: float) -> Change:
    """So many of the answers, but that to HELLO, are cut, lengthened, flipped in a bit, or anything at all."""

    def change(frame: Frame) -> Frame:
        if frame.command == Command.HELLO | ANSWER or rng.random() > share:
            return frame
        body = bytearray(frame.body)
        kind = rng.integers(4)
        if kind == 0:
            return with_body(frame, bytes(body[: rng.integers(len(body) + 1)]))
        if kind == 1:
            longer = bytes(body) + rng.bytes(int(rng.integers(1, 8)))
            return with_body(frame, longer[: FRAME_BYTES - REQUEST_HEAD - CRC_BYTES])
        if kind == 2 and body:
            body[rng.integers(len(body))] ^= 1 << rng.integers(8)
            return with_body(frame, bytes(body))
        return Frame(int(rng.integers(256)), int(rng.integers(256)), rng.bytes(int(rng.integers(20))))

    return change
