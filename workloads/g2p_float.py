"""A float engine that heeds hints, as a core does whose policy skips marked steps."""

from __future__ import annotations

import numpy as np

from lstmith.workloads.float_runner import FloatRunner, FloatSession
from lstmith.workloads.workload import Bools, Float32, State


class SkippingRunner(FloatRunner):
    """Steps marked by a hint hold h and c."""

    def session(self, network: str, sequences: int, state: State | None = None) -> SkippingSession:
        """See `Runner.session`."""
        return SkippingSession(self._networks[network], sequences, state)


class SkippingSession(FloatSession):
    """Sequences in step; those marked wait."""

    def step(self, x: Float32, hint: Bools | None = None) -> Float32:
        """See `Session.step`."""
        before = self.state()
        h = super().step(x)
        if hint is None:
            return h
        held = hint[:, None]
        self._state = [
            (np.where(held, h_old, h_new), np.where(held, c_old, c_new))
            for (h_old, c_old), (h_new, c_new) in zip(before, self._state, strict=True)
        ]
        return self._state[-1][0].astype(np.float32)
