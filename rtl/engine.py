"""The engine: every part wired together."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from lstmith.golden import timing
from lstmith.golden.config import PEEP_BITS, EngineConfig
from lstmith.golden.image import Image

from .arith import delayed
from .array import SystolicArray
from .bus import BusSignature
from .cell import CellUnit
from .control import Control
from .feedback import Feedback, pass_layout
from .feeder import READ, Feeder
from .gates import GatePipeline
from .input import InputStage
from .issue import Issue
from .program import ProgramStore
from .ram import Ram
from .sequencer import Sequencer
from .state import UnitState
from .types import InputWord, event_layout, output_layout


class Engine(wiring.Component):
    """An LSTM inference core.

    Parameters
    ----------
    config : EngineConfig
    image : Image or None
        Initial memory contents; all of it can also be written through the bus.

    Members
    -------
    x
        Input stream: one element per transfer, ``inputs`` elements per step.
    h
        Results of the last layer's units in order (of all layers if so set).
    bus
        Register bus, for use while ``busy`` is low.
    event, event_valid
        For one cycle when a layer's step has drained.
    busy
        Something is in flight.
    """

    def __init__(self, config: EngineConfig, image: Image | None = None):
        self._config, self._image = config, image
        super().__init__(
            {
                "x": In(stream.Signature(InputWord)),
                "h": Out(stream.Signature(output_layout(config))),
                "bus": In(BusSignature()),
                "event": Out(event_layout(config)),
                "event_valid": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, image = self._config, self._image
        m.submodules.control = control = Control(config, image)
        m.submodules.program = program = ProgramStore(config, image.records if image else ())
        m.submodules.input = inputs = InputStage(config)
        m.submodules.feedback = feedback = Feedback(config)
        m.submodules.sequencer = sequencer = Sequencer(config, feedback.kinds)
        m.submodules.issue = issue = Issue(config)
        m.submodules.array = array = SystolicArray(config, image.weights.tolist() if image else ())
        m.submodules.feeder = feeder = Feeder(config, array.latency)
        m.submodules.gates = gates = GatePipeline(config, _row_init(image))
        m.submodules.cell = cell = CellUnit(config)
        m.submodules.cells = cells = UnitState(config, config.c_width)
        m.submodules.hidden = hidden = UnitState(config, 16)
        _check_latencies(config, array, feeder, gates, cell)

        # Input and lists.
        connect(m, flipped(self.x), inputs.x)
        connect(m, flipped(self.bus), control.bus)
        m.d.comb += [
            inputs.inputs.eq(control.inputs),
            inputs.grid.eq(control.grid),
            inputs.release.eq(sequencer.release),
            inputs.r_addr.eq(sequencer.x_addr),
            feedback.r_addr.eq(sequencer.h_addr),
            sequencer.record.eq(program.record),
            sequencer.layer.eq(program.layer),
            sequencer.loaded.eq(program.loaded),
            sequencer.full.eq(inputs.full),
            sequencer.step.eq(inputs.step),
            sequencer.counts.eq(feedback.counts),
            sequencer.done.eq(feedback.done),
            sequencer.own_counts.eq(feedback.own_counts),
            sequencer.drained.eq(feedback.drained),
            sequencer.emit_all.eq(control.emit_all),
            program.advance.eq(sequencer.advance),
            program.w_addr.eq(control.index),
            program.w_data.eq(control.data),
            program.w_en.eq(control.program_write),
            program.select.eq(control.load_begin | control.load_end),
            program.layer_select.eq(Mux(control.load_begin, control.load_layer, 0)),
        ]

        # Array.
        m.d.comb += [
            issue.fire.eq(sequencer.fire),
            issue.fire_valid.eq(sequencer.fire_valid),
            issue.x_entry.eq(inputs.entry),
            issue.h_entry.eq(feedback.entry),
            issue.load_address.eq(control.weight_address),
            issue.load_lane.eq(control.weight_lane),
            issue.load_data.eq(control.data),
            issue.load_valid.eq(control.weight_write),
            array.i.eq(issue.slot),
            feeder.fold.eq(issue.fold),
            feeder.fold_valid.eq(issue.fold_valid),
            feeder.drain.eq(array.drain),
        ]

        # The pass that drains; the host borrows its place to load a layer's state.
        draining = Signal(pass_layout(config))
        load_waits = Signal()
        load_ready = load_waits & program.loaded & ~program.select
        with m.If(sequencer.begin_drain):
            m.d.sync += draining.eq(sequencer.drain)
        with m.If(control.load_begin):
            m.d.sync += load_waits.eq(1)
        with m.Elif(load_ready):
            m.d.sync += [
                load_waits.eq(0),
                draining.record.eq(program.record),
                draining.layer.eq(program.layer),
            ]
        m.d.comb += [
            feedback.pass_.eq(draining),
            feedback.load_begin.eq(load_ready),
            feedback.load_end.eq(control.load_end),
            feedback.load_valid.eq(control.hidden_write),
            feedback.load_parity.eq(sequencer.parity),
            feedback.load_h.eq(control.data[:16].as_signed()),
        ]

        # Cell unit.
        m.d.comb += [
            feeder.unit_base.eq(draining.record.unit_base),
            gates.rows.eq(feeder.rows),
            gates.rows_valid.eq(feeder.rows_valid),
            gates.sums.eq(feeder.sums),
            gates.clear.eq(draining.clear),
            gates.row_unit.eq(control.row_unit),
            gates.row_gate.eq(control.row_gate),
            gates.row_data.eq(control.row_data),
            gates.row_write.eq(control.row_write),
            cell.rows.eq(gates.o_rows),
            cell.rows_valid.eq(gates.o_valid),
            cell.gates.eq(gates.gates),
            cell.c_frac.eq(draining.record.c_frac),
            cell.c_old.eq(Mux(draining.start, 0, cells.value)),
            cells.r_unit.eq(gates.next_unit),
            cells.w_unit.eq(cell.c_unit),
            cells.w_value.eq(cell.c_new),
            cells.w_valid.eq(cell.c_valid),
            hidden.w_unit.eq(cell.h_unit),
            hidden.w_value.eq(cell.h),
            hidden.w_valid.eq(cell.h_valid),
            feedback.h.eq(cell.h),
            feedback.h_unit.eq(cell.h_unit),
            feedback.h_last.eq(cell.h_last),
            feedback.h_valid.eq(cell.h_valid),
        ]
        if config.peepholes:
            self._elaborate_peepholes(m, control, feeder, gates, cell, draining)
        for state in (cells, hidden):
            m.d.comb += [state.bus_unit.eq(control.index), state.bus_value.eq(control.data.as_signed())]
        m.d.comb += [
            cells.bus_read.eq(control.cell_read),
            cells.bus_write.eq(control.cell_write),
            control.cell_value.eq(cells.value),
            hidden.bus_read.eq(control.hidden_read),
            hidden.bus_write.eq(control.hidden_write),
            control.hidden_value.eq(hidden.value),
        ]

        # Results: the sequencer reserves their places, so the queue is never full.
        result = output_layout(config)
        m.submodules.queue = queue = SyncFIFOBuffered(width=result.size, depth=config.out_depth)
        written = Signal(result)
        m.d.comb += [
            written.h.eq(cell.h),
            written.c.eq(cell.h_c),
            written.layer.eq(draining.layer),
            written.last.eq(cell.h_last),
            queue.w_data.eq(written),
            queue.w_en.eq(cell.h_valid & (draining.record.last_layer | control.emit_all)),
            self.h.payload.eq(queue.r_data),
            self.h.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.h.ready),
            sequencer.popped.eq(self.h.valid & self.h.ready),
            self.event.layer.eq(draining.layer),
            self.event.columns.eq(draining.columns),
            self.event.restart.eq(draining.clear),
            self.event_valid.eq(feedback.drained),
            control.idle.eq(sequencer.idle),
            control.word_valid.eq(issue.word_valid),
            self.busy.eq(~sequencer.idle),
        ]
        return m

    def _elaborate_peepholes(
        self,
        m: Module,
        control: Control,
        feeder: Feeder,
        gates: GatePipeline,
        cell: CellUnit,
        draining: Signal,
    ) -> None:
        """Peephole weights, and a copy of the cell state for the input and forget gates."""
        config = self._config
        banks = []
        for index, name in enumerate("ifo"):
            init = self._image.peep[:, index].tolist() if self._image else ()
            m.submodules[f"peep_{name}"] = bank = Ram(signed(PEEP_BITS), config.units, init)
            m.d.comb += [
                bank.w_addr.eq(control.peep_unit),
                bank.w_data.eq(control.peep_data),
                bank.w_en.eq(control.peep_write[index]),
                bank.r_addr.eq(cell.peep_unit if name == "o" else feeder.rows.unit),
            ]
            banks.append(bank)
        m.submodules.cells_early = early = UnitState(config, config.c_width)
        gate = delayed(m, feeder.rows.gate, READ, "gate")
        m.d.comb += [
            early.r_unit.eq(feeder.rows.unit),
            early.w_unit.eq(cell.c_unit),
            early.w_value.eq(cell.c_new),
            early.w_valid.eq(cell.c_valid),
            early.bus_unit.eq(control.index),
            early.bus_write.eq(control.cell_write),
            early.bus_value.eq(control.data.as_signed()),
            gates.c.eq(Mux(draining.start, 0, early.value)),
            gates.peep_shift.eq(draining.record.peep_shift),
            cell.peep_shift.eq(draining.record.peep_shift),
            cell.peep_o.eq(banks[2].r_data),
            cell.z13.eq(gates.z13),
        ]
        for way in range(config.ways):
            with m.If(gate == 0 if way == 0 else 0):
                m.d.comb += gates.peep[way].eq(banks[0].r_data)
            with m.If(gate == 1 - way if config.ways == 1 or way == 1 else 0):
                m.d.comb += gates.peep[way].eq(banks[1].r_data)


def _row_init(image: Image | None) -> list[list[dict[str, int]]]:
    """Row parameters by unit and gate."""
    if image is None:
        return []
    fields = ("mantissa", "shift", "bias")
    units = zip(*(getattr(image, name).tolist() for name in fields), strict=True)
    return [[dict(zip(fields, row, strict=True)) for row in zip(*unit, strict=True)] for unit in units]


def _check_latencies(
    config: EngineConfig, array: SystolicArray, feeder: Feeder, gates: GatePipeline, cell: CellUnit
) -> None:
    """The cycle model's constants are the parts' own."""
    pairs = {
        "array": (timing.FIRE_TO_LANE - 3 + timing.LANE + 1, array.latency),
        "feeder": (timing.feeder(config), feeder.latency),
        "gates": (timing.requantise(config) + timing.ACTIVATION, gates.latency),
        "cell": (timing.cell(config), cell.latency),
    }
    for name, (model, part) in pairs.items():
        if model != part:
            raise ValueError(f"Cycle model counts {model} cycles for the {name}, the part has {part!r}")
