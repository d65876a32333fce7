"""onnxruntime, imported in this one place, so that nothing uses it before its telemetry is off."""

from __future__ import annotations

import onnxruntime as ort

ort.disable_telemetry_events()

__all__ = ["ort"]
