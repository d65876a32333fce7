"""The cycle model's constants are the latencies that the parts publish."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Fragment
from amaranth.lib import data

from lstmith.golden import timing
from lstmith.golden.config import EngineConfig
from lstmith.rtl.activation import Activation
from lstmith.rtl.array import SystolicArray
from lstmith.rtl.cell import CellUnit
from lstmith.rtl.encoder import Encoder
from lstmith.rtl.feedback import Feedback
from lstmith.rtl.feeder import Feeder
from lstmith.rtl.gates import GatePipeline
from lstmith.rtl.lane import Lane
from lstmith.rtl.program import ProgramStore
from lstmith.rtl.requantise import Requantiser


def _elaborated(unit: Any) -> Any:
    """The unit, elaborated: a part that cannot be built has no latency, and Amaranth warns of unused ones."""
    Fragment.get(unit, None)
    return unit


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("peepholes", [False, True])
@pytest.mark.parametrize("ways", [1, 2])
def test_latencies(ways: int, peepholes: bool, layers: int) -> None:
    config = EngineConfig(lanes=2, precisions=(4, 8, 16), ways=ways, peepholes=peepholes, layers=layers, units=4)
    lane, array = _elaborated(Lane(config, 0)), _elaborated(SystolicArray(config))
    assert lane.latency == timing.LANE
    # A lane's slot register before, the drain register after.
    assert array.latency == lane.latency + 2
    assert _elaborated(Activation()).latency == timing.ACTIVATION
    assert _elaborated(Requantiser(config)).latency == timing.requantise(config)
    assert _elaborated(GatePipeline(config)).latency == timing.requantise(config) + timing.ACTIVATION
    assert _elaborated(CellUnit(config)).latency == timing.cell(config)
    assert _elaborated(Feeder(config, array.latency)).latency == timing.feeder(config)
    # An entry is stored in the cycle after it is known.
    assert _elaborated(Encoder(config, 4, data.StructLayout({"tag": 1}))).latency + 1 == timing.ENCODE
    assert _elaborated(ProgramStore(config)).fetch_latency == timing.fetch(config)
    assert _elaborated(Feedback(config)).kinds == timing.kinds(config)
