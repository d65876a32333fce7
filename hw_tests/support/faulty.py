"""A wire to a device model on which things go wrong, to prove the driver on."""

from __future__ import annotations

import numpy as np

from lstmith.host.link.errors import LostError
from lstmith.test_support.model import DeviceModel, ModelTransport


class FaultyLine(ModelTransport):
    """A wire that loses, flips and repeats bytes in both directions.

    Parameters
    ----------
    device : DeviceModel
    rng : Generator
    chance : float
        Of a fault per write of the host, and per burst of answers.
    reset_after, cut_after : int
        Writes of the host after which the device is reset, or the port is gone; 0 for never.

    Attributes
    ----------
    writes : int
        Of the host, so far.
    """

    def __init__(
        self,
        device: DeviceModel,
        rng: np.random.Generator,
        *,
        chance: float = 0.0,
        reset_after: int = 0,
        cut_after: int = 0,
    ):
        super().__init__(device)
        self._rng, self._chance = rng, chance
        self._reset_after, self._cut_after = reset_after, cut_after
        self.writes = 0

    def write(self, content: bytes) -> None:
        """Bytes to the device, or what becomes of them."""
        self.writes += 1
        if self.writes == self._reset_after:
            self.device.reset()
            self._received.clear()
        if self._cut_after and self.writes >= self._cut_after:
            raise LostError(self.name, "the port is gone (made to)", "plug the board in again")
        super().write(self._harmed(content))

    def read(self, timeout: float) -> bytes:
        """Bytes from the device, likewise."""
        return self._harmed(super().read(timeout))

    def _harmed(self, content: bytes) -> bytes:
        if not content or self._rng.random() >= self._chance:
            return content
        begin, end = np.sort(self._rng.integers(0, len(content) + 1, 2))
        kind = self._rng.integers(5)
        if kind == 0:
            return content[:begin] + content[end:]
        if kind == 1:
            return content[:begin]
        if kind == 2:
            return content + content
        if kind == 3:
            return content[:begin] + self._rng.bytes(int(self._rng.integers(1, 300))) + content[begin:]
        damaged = bytearray(content)
        damaged[begin % len(content)] ^= 1 << int(self._rng.integers(8))
        return bytes(damaged)
