"""Drives streams of a component at random, in Amaranth's own simulator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from amaranth.lib import wiring
from amaranth.sim import Simulator


class Sender:
    """Offers payloads, and holds one until it is taken.

    Parameters
    ----------
    stream : interface
        The component's input.
    payloads : sequence
        What is sent.
    chance : float
        Of an offer in a cycle.
    """

    def __init__(self, stream: Any, payloads: Sequence[Any], chance: float):
        self._stream, self._left, self._chance = stream, list(payloads), chance
        self._offers = False

    def drive(self, ctx: Any, rng: np.random.Generator) -> None:
        """Before a clock edge: what is offered."""
        if not self._offers and self._left and rng.random() < self._chance:
            self._offers = True
            ctx.set(self._stream.payload, self._left[0])
        ctx.set(self._stream.valid, self._offers)

    def look(self, ctx: Any) -> None:
        """At a clock edge: whether it is taken."""
        if self._offers and ctx.get(self._stream.ready):
            self._left.pop(0)
            self._offers = False

    @property
    def done(self) -> bool:
        """Everything was taken."""
        return not self._left


class Receiver:
    """Takes payloads, and notes when; what waits must hold still.

    Parameters
    ----------
    stream : interface
        The component's output.
    chance : float
        Of taking in a cycle.
    means : callable
        What a payload means, without what is undefined of it.
    """

    def __init__(self, stream: Any, chance: float, means: Callable[[Any], Any] = lambda payload: payload):
        self._stream, self._chance, self._means = stream, chance, means
        self._held: Any = None
        self.taken: list[Any] = []
        self.cycles: list[int] = []

    def drive(self, ctx: Any, rng: np.random.Generator) -> None:
        """Before a clock edge."""
        ctx.set(self._stream.ready, rng.random() < self._chance)

    def look(self, ctx: Any, cycle: int) -> None:
        """At a clock edge."""
        valid, ready = ctx.get(self._stream.valid), ctx.get(self._stream.ready)
        now = self._means(ctx.get(self._stream.payload)) if valid else None
        assert self._held is None or now == self._held, "what waited has changed"
        self._held = now if valid and not ready else None
        if valid and ready:
            self.taken.append(now)
            self.cycles.append(cycle)


def simulate(top: wiring.Component, bench: Callable[[Any], Any], watch: Callable[[Any], Any] | None = None) -> None:
    """Run a test bench to its end, and beside it another one that only looks."""
    simulation = Simulator(top)
    simulation.add_clock(1e-6)
    simulation.add_testbench(bench)
    if watch is not None:
        simulation.add_testbench(watch, background=True)
    simulation.run()
