"""Whole sequences, and steps one by one, through a device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from lstmith.host.jobs import CoreJob, CoreTrace
from lstmith.host.link.device import Device, request_values
from lstmith.host.link.results import HiddenReader, RecordReader
from lstmith.spec.codes import VERDICT_BITS, Verdict
from lstmith.spec.link_map import RECORDS, Kind, Mode, StreamFlag
from lstmith.spec.quantised import IntArray, QuantNetwork

#: Steps whose input the engine has taken before the first of them is surely computed.
IN_ENGINE = 2


def run_job(
    device: Device, network: QuantNetwork, job: CoreJob, progress: Callable[[int], None] | None = None
) -> CoreTrace:
    """One sequence with records of everything.

    Parameters
    ----------
    device : Device
        With records and the network's weights.
    network : QuantNetwork
    job : CoreJob
        Without stalls and resets.
    progress : callable or None
        Called with the number of steps whose results have come.

    Raises
    ------
    LinkError
        If the device is lost on the way: then the whole sequence is.
    """
    device.write_slowly(job.writes)
    device.set_mode(Mode.FULL)
    reader, begun = RecordReader(network), device.ring.taken
    active_indices = job.active_indices or [0] * len(job.x)
    sizes = [RecordReader.step_words(network, active_index) for active_index in active_indices]
    ends = np.cumsum([begun, *sizes])
    # Results of all steps on their way but one must fit the ring: those of one more have room before it.
    room = 1 + device.identity.ring_words // RecordReader.step_words(network)
    seen = missing = 0
    skipped_words = RECORDS[Kind.INPUT].words + RECORDS[Kind.OUTCOME].words
    device.expect_results()

    def words(steps: int) -> int:
        """In the ring after some steps, as far as it is known which are skipped."""
        nonlocal seen, missing
        while seen < reader.complete:
            missing += (sizes[seen] - skipped_words) * reader.skipped(seen)
            seen += 1
        return int(ends[max(0, steps)]) - missing

    def wait_for(done: int, sent: int) -> None:
        while reader.complete < done:
            device.still_expecting()
            device.await_results(words(sent - IN_ENGINE), words(sent))
            device.read_results(reader)

    for t, values in enumerate(job.x):
        wait_for(t + 1 - room, t)
        flags = StreamFlag(0)
        if t == 0:
            flags = StreamFlag.START if job.start else StreamFlag(0)
            flags |= StreamFlag.RESTART if job.restart else StreamFlag(0)
        marked = bool(job.marks and job.marks[t])
        device.send_step(
            None if marked else values,
            flags,
            job.program or active_indices[t],
            sure=words(t - IN_ENGINE),
            grid=network.stream_grid,
        )
        device.read_results(reader)
        if progress is not None:
            progress(reader.complete)
    wait_for(len(job.x), len(job.x))
    device.settle()
    return reader.core_trace()


class HiddenStream:
    """Steps in, h of the last layer out, or its verdict, as fast as the link carries them.

    Parameters
    ----------
    device : Device
        Idle; its registers are set.
    network : QuantNetwork
    idle : int64 [H], or [1] of a verdict
        What a skipped first step repeats.
    ahead : int
        Most steps to send before results are waited for; 1 waits for each.
    every : int
        h of every so many steps is asked for: of the last one of each group.
    """

    def __init__(self, device: Device, network: QuantNetwork, idle: IntArray, ahead: int = 1, every: int = 1):
        self._device, self._network, self._layer = device, network, network.layers[-1]
        self._grid, self._judges = network.stream_grid, self._layer.verdict is not Verdict.NONE
        device.set_mode(Mode.COMPACT)
        # As for records; of the words of so many steps that follow each other, one brings h.
        self._units = self._results(0)
        self._ahead = min(ahead, 1 + every * (device.identity.ring_words // (every + self._units)))
        # Of steps whose results have not come: the h that they bring if they are computed, and whether it is asked for.
        self._due: deque[tuple[int, bool]] = deque()
        self._every, self._number = every, 0
        self._quiet = StreamFlag(0)
        self._values = np.empty(0, dtype=np.int16)  # of the last steps, that have not been sent
        self._flags, self._mask = StreamFlag(0), 0
        # Values sent, and words that the ring gets besides those that a computed step brings for its input.
        self._sent, self._besides = 0, device.ring.taken
        self._held = idle
        self._found: deque[IntArray] = deque()

    def run(
        self,
        steps: Iterable[npt.NDArray[np.int16] | None],
        flags: StreamFlag,
        active_index: int = 0,
        program: int = 0,
    ) -> Iterator[IntArray]:
        """h of every step that is asked for, int64 [H], or its verdict, [1], in order.

        Parameters
        ----------
        steps : iterable of int16 [I] or None
            None is a marked step. It is asked for a step only when there is room for it.
        flags : StreamFlag
            Of the first step: START, RESTART, or none to go on.
        active_index : int
            Index of the active count.
        program : int
            Which program runs.
        """
        self._flags, self._mask, self._units = flags, program or active_index, self._results(active_index)
        for values in steps:
            self._send(values)
            while len(self._due) >= self._ahead:
                self._wait()
            yield from self._take()
        while self._due:
            self._wait()
            yield from self._take()
        self._device.settle()

    def _results(self, active_index: int) -> int:
        """Words that a step brings."""
        if self._device.identity.config.fixed:
            # It sends every layer's h, and nothing can tell it to send less.
            return self._judges + sum(layer.units for layer in self._network.layers)
        return 1 if self._judges else self._layer.active(active_index)

    def _send(self, values: npt.NDArray[np.int16] | None) -> None:
        """A step alone is sent at once; of several, values share requests."""
        if not self._due:
            self._device.expect_results()
        self._number += 1
        asked = self._number % self._every == 0
        quiet = StreamFlag(0) if asked else StreamFlag.QUIET
        if values is None or quiet != self._quiet:
            # Steps that begin in the same request are all quiet, or none is.
            self._flush(0)
        self._quiet = quiet
        units = self._units if values is not None and asked else 0
        self._due.append((units, asked))
        if values is None:
            self._device.send(None, self._flags | quiet, self._mask, sure=self._words(IN_ENGINE))
            self._flags = StreamFlag(0)
            self._besides += 1
        else:
            self._besides -= self._units - units
            self._values = np.concatenate([self._values, values])
            self._flush(0 if self._ahead == 1 else request_values(self._grid))
        self._read()

    def _flush(self, rest: int) -> None:
        """Send what has gathered, but for less than ``rest`` values."""
        while len(self._values) >= max(1, rest):
            most = request_values(self._grid)
            part, self._values = self._values[:most], self._values[most:]
            self._device.send(part, self._flags | self._quiet, self._mask, sure=self._words(IN_ENGINE), grid=self._grid)
            self._sent, self._flags = self._sent + len(part), StreamFlag(0)

    def _words(self, in_engine: int) -> int:
        """In the ring when all but so many of the steps that were sent are computed, as far as it is known."""
        return self._besides + max(0, self._sent // self._network.inputs - in_engine) * (1 + self._units)

    def _wait(self) -> None:
        if len(self._values) > (len(self._due) - 1) * self._network.inputs:
            # The device has nothing more to compute.
            self._flush(0)
        self._device.still_expecting()
        self._device.await_results(self._words(IN_ENGINE), self._words(0))
        self._read()

    def _read(self) -> None:
        while self._due and (h := HiddenReader.read(self._device.ring, self._units)) is not None:
            units, asked = self._due.popleft()
            self._besides += len(h) - units
            if len(h) and self._judges:
                self._held = h[-1:] & ((1 << VERDICT_BITS) - 1)
            elif len(h):
                h = h[-self._layer.units :]
                idle = np.zeros(self._layer.units, dtype=np.int64) if self._layer.idle_h is None else self._layer.idle_h
                others = self._held if self._layer.skims else idle
                self._held = np.concatenate([h, others[self._units :]])
            if asked:
                self._found.append(self._held)

    def _take(self) -> Iterator[IntArray]:
        while self._found:
            yield self._found.popleft()
