"""What is plugged in, what answers, and what is wrong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from lstmith.boards.catalogue import BOARDS
from lstmith.host.link.errors import LinkError, NoAnswerError
from lstmith.host.link.session import Session
from lstmith.host.link.transport import SerialTransport
from lstmith.spec.link_identity import Identity

#: How often to ask; a real device answers in milliseconds, a busy virtual one in a second.
TRIES = 2


@dataclass(frozen=True)
class Found:
    """A serial port.

    Attributes
    ----------
    port : str
    bridge : str
        What the operating system calls it.
    answer : str
        Who answers, or what is wrong.
    identity : Identity or None
        Of a device of ours.
    """

    port: str
    bridge: str
    answer: str
    identity: Identity | None = None


def discover(more: Sequence[str] = ()) -> list[Found]:
    """All serial ports of USB bridges, and ``more``, asked one after the other."""
    entries = {entry.device: entry for entry in list_ports.comports()}
    found = []
    for port, entry in sorted(entries.items()):
        if port in more:
            continue
        bridge = " ".join(part for part in (entry.manufacturer, entry.product) if part) or entry.description
        if entry.vid is None:
            # Asking would send bytes to who knows what.
            found.append(Found(port, bridge, "not asked: no USB bridge; name it to ask"))
        else:
            found.append(ask(port, bridge, _hint(entry)))
    return found + [ask(port, "") for port in more]


def ask(port: str, bridge: str, hint: str = "") -> Found:
    """Say HELLO at a port, at every baud that a board has."""
    problem = ""
    for baud in sorted({board.baud for board in BOARDS}, reverse=True):
        try:
            session = Session(SerialTransport(port, baud))
        except LinkError as error:
            return Found(port, bridge, f"{error.problem}: {error.fix}")
        try:
            identity = session.greet(TRIES)
            return Found(port, bridge, _described(identity), identity)
        except NoAnswerError as error:
            problem = f"{error.problem}: {error.fix}"
        except LinkError as error:
            return Found(port, bridge, f"{error.problem}: {error.fix}")
        finally:
            session.close()
    return Found(port, bridge, f"{problem}{hint}")


def _described(identity: Identity) -> str:
    config = identity.config
    bits = "/".join(str(precision) for precision in config.precisions)
    return (
        f"{identity.board}, {identity.clock_hz / 1e6:g} MHz, build {identity.commit.hex()[:12]}, "
        f"{config.lanes} lanes of {bits} bit, up to {config.units} units"
    )


def _hint(entry: ListPortInfo) -> str:
    """Whether the bridge could be programmed: that goes past the serial port, through the USB device itself."""
    device = getattr(entry, "usb_device_path", None)  # on Linux
    node = _usb_node(Path(device)) if device else None
    if node is None or os.access(node, os.W_OK):
        return ""
    return f"; {node} may not be written, so 'lstmith program' cannot: it prints the udev rule"


def _usb_node(device: Path) -> Path | None:
    """Device file of a USB device in sysfs."""
    try:
        bus, number = (int((device / name).read_text()) for name in ("busnum", "devnum"))
    except (OSError, ValueError):
        return None
    return Path(f"/dev/bus/usb/{bus:03}/{number:03}")
