"""The cycle model's constants are the latencies that the parts publish."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from amaranth.hdl import Fragment
from amaranth.lib import data

from lstmith.rtl.array.array import SystolicArray
from lstmith.rtl.array.lane import Lane
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.cell.activation import Activation
from lstmith.rtl.cell.cell import CellUnit
from lstmith.rtl.cell.drain_reader import DrainReader
from lstmith.rtl.cell.gates import GatePipeline
from lstmith.rtl.cell.monitor import Monitor
from lstmith.rtl.cell.predictor import Predictor
from lstmith.rtl.cell.requantise import Requantiser
from lstmith.rtl.control import Control
from lstmith.rtl.drain_path import DrainPath
from lstmith.rtl.lists.encoder import Encoder
from lstmith.rtl.lists.feedback import Feedback
from lstmith.rtl.lists.input_stage import InputStage
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.rtl.program_store import ProgramStore
from lstmith.rtl.sequencer.list_reader import ListReader
from lstmith.rtl.sequencer.recompute_decision import RecomputeDecision
from lstmith.rtl.sequencer.slot_issuer import SlotIssuer
from lstmith.rtl.sequencer.throttle import IssueThrottle
from lstmith.spec import latency as timing
from lstmith.spec.config import EngineConfig
from lstmith.spec.registers import READ_LATENCY


def _elaborated(unit: Any) -> Any:
    """The unit, elaborated: a part that cannot be built has no latency, and Amaranth warns of unused ones."""
    Fragment.get(unit, None)
    return unit


@pytest.mark.parametrize("peepholes", [False, True])
@pytest.mark.parametrize(("rows_per_cycle", "layers"), [(1, 1), (1, 2), (2, 1), (2, 2), (4, 1)])
def test_latencies(rows_per_cycle: int, peepholes: bool, layers: int) -> None:
    config = EngineConfig(
        lanes=2, precisions=(4, 8, 16), rows_per_cycle=rows_per_cycle, peepholes=peepholes, layers=layers, units=4
    )
    lane, array = (
        _elaborated(Lane(index=0, lanes=config.lanes, depth=config.weight_depth, mac=MacParameters.of(config))),
        _elaborated(SystolicArray(config)),
    )
    assert (lane.latency, lane.drain_latency) == (timing.lane(config), timing.drain(config))
    # A lane's slot register comes before.
    assert array.latency == 1 + timing.lane(config) + lane.drain_latency
    # Lanes of the other kind are quicker; the array makes up for it.
    assert _elaborated(SystolicArray(replace(config, mac="digit"))).latency == array.latency
    assert _elaborated(Activation()).latency == timing.ACTIVATION
    assert _elaborated(Requantiser(config)).latency == timing.requantise(config)
    gates, cell = _elaborated(GatePipeline(config)), _elaborated(CellUnit(config))
    assert gates.latency == timing.requantise(config) + timing.ACTIVATION
    assert cell.latency == timing.cell(config)
    assert cell.z13_lead == gates.z13_lead
    assert _elaborated(DrainReader(config, array_latency=array.latency)).latency == timing.drain_reader(config)
    # An entry is stored in the cycle after it is known.
    assert _elaborated(Encoder(config, 4, data.StructLayout({"tag": 1}))).latency + 1 == timing.encode(config)
    assert _elaborated(InputStage(config)).latency == timing.input_ready(config)
    assert _elaborated(InputStage(config)).mark_latency == timing.MARK
    # All kinds of lists in turn.
    assert _elaborated(Feedback(config)).latency == timing.encode(config) - 1 + timing.kinds(config) - 1
    # The last h is read, encoded and listed before the list is complete.
    assert RAM_LATENCY + timing.encode(config) + 1 <= timing.RELOAD_FLUSH
    reader = _elaborated(ListReader(columns=4))
    assert (reader.open_latency, reader.look_latency) == (timing.OPEN, timing.LOOK)
    throttle = _elaborated(
        IssueThrottle(lanes=2, unit_cycles=config.unit_cycles, slot_lanes=config.slot_lanes, out_depth=config.out_depth)
    )
    assert throttle.places_latency == timing.PLACES_SEEN
    assert _elaborated(Control(config)).read_latency == READ_LATENCY
    drain = _elaborated(DrainPath(config, array_latency=array.latency))
    to_result = timing.drain_reader(config) + timing.requantise(config) + timing.ACTIVATION + timing.cell(config)
    assert drain.latency == to_result + config.unit_cycles - 1
    assert _elaborated(ProgramStore(layers=layers, active_counts=config.active_counts)).fetch_latency == timing.fetch(
        config
    )


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("active_counts", [1, 4])
def test_latencies_with_everything(active_counts: int, layers: int) -> None:
    sizes: dict[str, Any] = {"lanes": 2, "precisions": (4, 8, 16), "layers": layers, "units": 8}
    config = EngineConfig(**sizes, planes=2, monitor=True, skip=True, active_counts=active_counts)
    array = _elaborated(SystolicArray(config))
    assert array.latency == 1 + timing.lane(config) + timing.drain(config)
    assert _elaborated(DrainReader(config, array_latency=array.latency)).latency == timing.drain_reader(config)
    assert _elaborated(GatePipeline(config)).latency == timing.requantise(config) + timing.ACTIVATION
    cell = _elaborated(CellUnit(config))
    assert cell.latency == timing.cell(config)
    for skips in (False, True):
        encoder = _elaborated(Encoder(config, 4, data.StructLayout({"tag": 1}), skips=skips))
        assert encoder.latency + 1 == timing.encode(config)
    issuer = _elaborated(SlotIssuer(config))
    # An offer that is taken is an entry in the next cycle, and a slot enters its lane a cycle after it is issued. With
    # two planes an entry fires when it leaves the queue, with one when it is fetched.
    assert timing.queue(config) == 1 + issuer.queue_latency
    assert timing.queue(config) + timing.fire_to_lane(config) == 1 + issuer.latency + 1
    single = EngineConfig(**sizes, active_counts=active_counts)
    assert (timing.queue(single), timing.fire_to_lane(single)) == (0, 1 + _elaborated(SlotIssuer(single)).latency + 1)
    # What was known late of the pass before is stored first.
    assert timing.settle(config) == _elaborated(RecomputeDecision(columns=8, contexts=layers)).latency + 1
    program = _elaborated(ProgramStore(layers=layers, active_counts=config.active_counts))
    # Fetched anew for another active count, even where there is one layer.
    assert program.fetch_latency == (timing.renew(config, ()) - 2 if active_counts > 1 or layers > 1 else 0)
    if active_counts == 1:
        assert program.fetch_latency == timing.fetch(config)
    # What reads a decision comes later than the drain that ends the pass it judges.
    monitor = _elaborated(Monitor(config))
    assert monitor.latency < timing.cell(config) - cell.cell_latency + timing.encode(config)
    predictor = Predictor(
        inputs=config.inputs,
        units=config.units,
        operand_width=config.operand_width,
        family=config.family,
        pipelined=config.pipelined,
    )
    assert _elaborated(predictor).latency == timing.PREDICT
    _elaborated(InputStage(config))


@pytest.mark.parametrize("rows_per_cycle", [1, 2])
def test_nothing_is_compared_without_delta(rows_per_cycle: int) -> None:
    config = EngineConfig(lanes=2, precisions=(8,), rows_per_cycle=rows_per_cycle, delta=False)
    encoder = _elaborated(Encoder(config, 4, data.StructLayout({"tag": 1})))
    assert encoder.latency + 1 == timing.encode(config) == 4


def test_skipped_steps_take_longer_to_list() -> None:
    plain, skip = (EngineConfig(lanes=2, precisions=(8,), skip=skip) for skip in (False, True))
    assert timing.input_ready(plain) == timing.encode(plain)
    # The distance settles, then it is compared.
    assert timing.input_ready(skip) == timing.encode(skip) + 2
    # References are stored four cycles after their value; with banks it is known by then which ones hold.
    assert timing.input_gap(plain) == timing.encode(plain) - 2
    assert timing.input_gap(skip) == timing.input_ready(skip) - 1
