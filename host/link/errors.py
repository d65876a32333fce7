"""What may go wrong between the host and a device: every message says what to do."""

from __future__ import annotations

from lstmith.spec.errors import UserError


class LinkError(UserError):
    """The link failed; the device is idle, or was told to be."""


class PortError(LinkError):
    """The serial port cannot be opened."""


class NoAnswerError(LinkError):
    """Nothing, or nothing sensible, answers at the port."""


class WrongDeviceError(LinkError):
    """What answers is not ours, or of another version or build."""


class LostError(LinkError):
    """The device stopped answering, or forgot the session, in the middle of work: what was not returned is lost."""


class RefusedError(LinkError):
    """The device refused a command, or something it was given does not fit."""
