"""Bytes to a device and back: a serial port, real or pseudo-terminal."""

from __future__ import annotations

import contextlib
import errno
import time
from typing import Protocol

from lstmith.host.link.errors import LostError, PortError
from lstmith.spec.extras import require

#: Longest wait for the operating system to take bytes: a closed far end of a pseudo-terminal takes none.
WRITE_TIMEOUT = 5.0


class Transport(Protocol):
    """A way to a device."""

    @property
    def name(self) -> str:
        """For messages: the port."""

    def write(self, content: bytes) -> None:
        """Send all of it."""

    def read(self, timeout: float) -> bytes:
        """What has arrived, waiting at most ``timeout`` seconds for the first byte; empty if nothing has."""

    def close(self) -> None:
        """Give the port back; more than once does no harm."""


class SerialTransport:
    """A serial port.

    Parameters
    ----------
    port : str
        Device file or name, such as ``/dev/ttyUSB0``.
    baud : int
        Bits per second; a pseudo-terminal takes any.

    Raises
    ------
    PortError
        If the port is missing, busy, not permitted, or no serial port. (pyserial's own exception is an OSError.)
    UserError
        If the extra ``board`` is not installed.
    """

    def __init__(self, port: str, baud: int):
        require("board")
        import serial

        self.name = port
        try:
            # The lock keeps a second program from talking to the device in between.
            self._port = serial.Serial(port, baud, write_timeout=WRITE_TIMEOUT, exclusive=True)
        except (OSError, ValueError) as error:
            raise _refused(port, baud, error) from None
        with contextlib.suppress(Exception):
            # Else an FTDI bridge holds short answers back for 16 ms.
            self._port.set_low_latency_mode(True)

    def write(self, content: bytes) -> None:
        """Send all of it."""
        try:
            self._port.write(content)
        except OSError as error:
            raise self._lost(error) from None

    def read(self, timeout: float) -> bytes:
        """What has arrived, waiting at most ``timeout`` seconds for the first byte."""
        try:
            if not (waiting := self._port.in_waiting):
                if self._port.timeout != timeout:
                    self._port.timeout = timeout
                first = bytes(self._port.read(1))
                if not first:
                    return b""
                return first + bytes(self._port.read(self._port.in_waiting))
            return bytes(self._port.read(waiting))
        except (OSError, TypeError) as error:
            # pyserial raises TypeError if the port is closed while it reads.
            raise self._lost(error) from None

    def close(self) -> None:
        """Give the port back."""
        with contextlib.suppress(OSError):
            self._port.close()

    def _lost(self, error: Exception) -> LostError:
        reason = " ".join(str(error).split())
        return LostError(self.name, f"the port is gone ({reason})", "plug the board in again and repeat the command")


def _refused(port: str, baud: int, error: Exception) -> PortError:
    """Why a port cannot be opened, with its remedy."""
    from serial.tools import list_ports

    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        known = ", ".join(entry.device for entry in list_ports.comports()) or "none is there"
        return PortError(port, "there is no such port", f"use one of: {known}; see 'lstmith devices'")
    if code in (errno.EACCES, errno.EPERM):
        return PortError(port, "may not be opened", "run 'sudo usermod -aG dialout $USER' and log in again")
    if code in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK):
        return PortError(port, "is in use by another program", "end that program")
    if code == errno.EIO:
        return PortError(port, "has nobody at its other end", "start 'lstmith board-sim' again")
    no_terminal = "configure port" in str(error)  # pyserial gives no number with it
    if no_terminal or code in (errno.EISDIR, errno.EINVAL) or isinstance(error, ValueError):
        return PortError(port, "is no serial port", "see 'lstmith devices'")
    reason = " ".join(str(error).split())
    return PortError(port, f"cannot be opened at {baud} baud ({reason})", "see 'lstmith devices'")


class Patience:
    """A span of time that runs out."""

    def __init__(self, seconds: float):
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, not below zero."""
        return max(0.0, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether it has run out."""
        return self.left == 0.0
