"""Self-test: the core plays a short recording and checks its own results."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import crc, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lstmith.golden.config import EngineConfig, bits_for
from lstmith.golden.image import Image

from .bus import BusSignature
from .engine import Engine
from .ram import Ram

#: Bytes of h and c that enter the digest per result.
RESULT_BYTES = 6


@dataclass(frozen=True)
class Recording:
    """A sequence and what a correct core makes of it.

    Parameters
    ----------
    x : int16 [T, I]
        Input stream, from a sequence start.
    results : int
        Results of the last layer to wait for.
    digest : int
        :func:`digest` of them.
    """

    x: npt.NDArray[np.int16]
    results: int
    digest: int


def digest(h: npt.NDArray[np.int16], c: npt.NDArray[np.int32]) -> int:
    """CRC-32 of results in the order of the output stream: 16 bits of h, then 32 of c, low byte first.

    Parameters
    ----------
    h : int16 [T, H]
    c : int32 [T, H]
    """
    words = np.empty(h.shape, dtype=np.dtype([("h", "<i2"), ("c", "<i4")]))
    words["h"], words["c"] = h, c
    return zlib.crc32(words.tobytes())


class SelfTest(wiring.Component):
    """The engine between a recording in memory and a CRC over its results.

    Parameters
    ----------
    config : EngineConfig
    image : Image
        Initial contents of the core's memories; weights in single-port RAM come through the bus.
    recording : Recording

    Members
    -------
    start
        Begins a run unless one is going on.
    bus
        The core's bus, for use while ``busy`` is low.
    busy
        A run is going on.
    passed, failed
        What the last run showed; both are low before its end.
    digest
        CRC-32 of the results so far.
    """

    def __init__(self, config: EngineConfig, image: Image, recording: Recording):
        if recording.results < 1:
            raise TypeError(f"Number of results must be a positive integer, not {recording.results!r}")
        self._config, self._image, self._recording = config, image, recording
        super().__init__(
            {
                "start": In(1),
                "bus": In(BusSignature()),
                "busy": Out(1),
                "passed": Out(1),
                "failed": Out(1),
                "digest": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        recording = self._recording
        m.submodules.engine = engine = Engine(self._config, self._image)
        m.submodules.crc = check = crc.catalog.CRC32_ISO_HDLC(data_width=8).create()
        connect(m, flipped(self.bus), engine.bus)
        m.d.comb += self.digest.eq(check.crc)

        begin, running = Signal(), Signal()
        m.d.comb += [begin.eq(self.start & ~running), self.busy.eq(running), check.start.eq(begin)]
        self._elaborate_input(m, engine, begin)

        # Each result byte by byte: two of h, four of c.
        turn, left = Signal(range(RESULT_BYTES)), Signal(range(recording.results + 1))
        last_turn = turn == RESULT_BYTES - 1
        cell, result = Signal(signed(32)), Signal(8 * RESULT_BYTES)
        taken, done = Signal(), Signal()
        m.d.comb += [
            cell.eq(engine.h.payload.c),
            result.eq(Cat(engine.h.payload.h, cell)),
            taken.eq(engine.h.valid & running),
            engine.h.ready.eq(last_turn),
            done.eq(running & (left == 0) & ~check.valid),
        ]
        # A register of its own: the queue's memory answers late.
        m.d.sync += [check.data.eq(result.word_select(turn, 8)), check.valid.eq(taken)]
        with m.If(taken):
            m.d.sync += [turn.eq(Mux(last_turn, 0, turn + 1)), left.eq(left - last_turn)]
        with m.If(begin):
            m.d.sync += [
                running.eq(1),
                turn.eq(0),
                left.eq(recording.results),
                self.passed.eq(0),
                self.failed.eq(0),
            ]
        # The core also has to come to rest before the next run or a write.
        with m.Elif(done & ~engine.busy):
            good = check.crc == recording.digest
            m.d.sync += [running.eq(0), self.passed.eq(good), self.failed.eq(~good)]
        return m

    def _elaborate_input(self, m: Module, engine: Engine, begin: Signal) -> None:
        """Send the recording once."""
        values = self._recording.x.reshape(-1).tolist()
        m.submodules.recording = memory = Ram(signed(16), len(values), values)
        sent, index = Signal(init=1), Signal(bits_for(len(values)))
        age, moves = Signal(range(memory.latency + 1)), Signal()
        m.d.comb += [
            engine.x.payload.value.eq(memory.r_data),
            engine.x.payload.start.eq(index == 0),
            engine.x.valid.eq((age == memory.latency) & ~sent),
            moves.eq(engine.x.valid & engine.x.ready),
            memory.r_addr.eq(index),
        ]
        with m.If(begin):
            m.d.sync += [sent.eq(0), index.eq(0), age.eq(0)]
        with m.Elif(moves):
            m.d.sync += [index.eq(index + 1), sent.eq(index == len(values) - 1), age.eq(0)]
        with m.Elif(age != memory.latency):
            m.d.sync += age.eq(age + 1)
