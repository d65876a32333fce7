"""The linear systolic array."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import EngineConfig

from .lane import Lane
from .types import pair_layout, slot_layout


class SystolicArray(wiring.Component):
    """Lanes in a chain: slots enter lane 0 and move away from it, sums drain towards it.

    Parameters
    ----------
    config : EngineConfig
    weights : sequence of sequence of int
        Initial weight words per lane.

    Members
    -------
    i
        Slot for lane 0.
    drain
        Pairs of sums from lane 0: for a capture in the slot of cycle n, unit l's first pair is here
        in cycle ``n + latency + 2l``, its second one cycle later.
    """

    def __init__(self, config: EngineConfig, weights: Sequence[Sequence[int]] = ()):
        self._config, self._weights = config, weights
        super().__init__({"i": In(slot_layout(config)), "drain": Out(pair_layout(config))})

    @property
    def latency(self) -> int:
        """Cycles from a capturing slot at ``i`` to lane 0's pair at ``drain``."""
        return 6

    def elaborate(self, platform: object) -> Module:
        m = Module()
        lanes: list[Lane] = []
        for index in range(self._config.lanes):
            init = self._weights[index] if len(self._weights) else ()
            lane = Lane(self._config, index, init)
            m.submodules[f"lane_{index}"] = lane
            m.d.comb += lane.i.eq(self.i if index == 0 else lanes[-1].o)
            if lanes:
                m.d.comb += lanes[-1].drain_i.eq(lane.drain_o)
            lanes.append(lane)
        m.d.comb += self.drain.eq(lanes[0].drain_o)
        return m
