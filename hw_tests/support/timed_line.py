"""A simulated device as a transport, along which time passes only while the driver waits for an answer."""

from __future__ import annotations

from lstmith.test_support.serial_bench import SerialBench


class TimedLine:
    """The driver in the device's own time: a host that computes in no time at all, at some distance.

    Parameters
    ----------
    bench : SerialBench
    clock_hz : float
        Of the device: what the driver's waits are in cycles.
    round_trip : float
        Seconds from the device's sending something to its getting the host's reaction, beside the bits themselves:
        the USB bridge and the operating system.

    Attributes
    ----------
    cycles : int
        The device's, since power-on.
    sent, received : int
        Bytes of the host.
    """

    def __init__(self, bench: SerialBench, clock_hz: float, round_trip: float = 0.0):
        self._bench, self._clock_hz = bench, clock_hz
        self._delay = round(round_trip * clock_hz)
        self.name = bench.name
        self.cycles = self.sent = self.received = 0

    def write(self, content: bytes) -> None:
        """Bytes on their way to the device."""
        self.sent += len(content)
        self._bench.queue(content, self._delay)

    def read(self, timeout: float) -> bytes:
        """What has arrived when a frame has ended, waiting at most ``timeout`` seconds of the device's time."""
        reaction = self._bench.listen(max(1, round(timeout * self._clock_hz)))
        self.cycles = reaction.cycles
        self.received += len(reaction.sent)
        return reaction.sent

    def close(self) -> None:
        """The simulation goes on."""
