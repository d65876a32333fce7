"""Every register and region through a wrapper, idle and running: done and answered as the register map says."""

from __future__ import annotations
