"""The name under which :class:`lstmith.host.accelerator.Accelerator` was first documented, for programs that use it."""

from __future__ import annotations

from lstmith.host.accelerator import Accelerator as Overlay

__all__ = ["Overlay"]
