"""The engine: every part wired together."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from lstmith.rtl.array.array import SystolicArray
from lstmith.rtl.bus import BusSignature
from lstmith.rtl.cell.cell import CellUnit
from lstmith.rtl.cell.feeder import Feeder
from lstmith.rtl.cell.gates import GatePipeline
from lstmith.rtl.cell.loader import Loader
from lstmith.rtl.cell.monitor import Monitor
from lstmith.rtl.cell.predictor import Predictor, predictor_weights
from lstmith.rtl.cell.state import UnitState
from lstmith.rtl.control import Control
from lstmith.rtl.layouts import (
    InputWord,
    event_layout,
    of_sequence,
    output_layout,
    pass_layout,
    pass_record,
    sequence_of,
    set_sequence,
)
from lstmith.rtl.lists.feedback import Feedback
from lstmith.rtl.lists.input_stage import InputStage
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import RAM_LATENCY, Ram
from lstmith.rtl.program_store import ProgramStore
from lstmith.rtl.sequencer.sequencer import Sequencer
from lstmith.rtl.sequencer.slot_issuer import SlotIssuer
from lstmith.spec import latency as timing
from lstmith.spec.config import PEEP_BITS, EngineConfig
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.quantised import PREDICTOR_BITS


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
    outcome_valid, outcome_skipped
        For one cycle per step, in order: whether it is computed or skipped.
    busy
        Something is in flight.
    run
        Clock enable, for an engine inside an ``EnableInserter``: of cells that this does not reach.
    """

    def __init__(self, config: EngineConfig, image: MemoryImage | None = None):
        self._config, self._image = config, image
        super().__init__(
            {
                "x": In(stream.Signature(InputWord)),
                "h": Out(stream.Signature(output_layout(config))),
                "bus": In(BusSignature()),
                "event": Out(event_layout(config)),
                "event_valid": Out(1),
                "outcome_valid": Out(1),
                "outcome_skipped": Out(1),
                "busy": Out(1),
                "run": In(1, init=1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, image = self._config, self._image
        m.submodules.control = control = Control(config, image)
        m.submodules.program = program = ProgramStore(config, image.descriptors if image else None)
        m.submodules.input = inputs = InputStage(config)
        m.submodules.feedback = feedback = Feedback(config)
        m.submodules.sequencer = sequencer = Sequencer(config, feedback.kinds)
        m.submodules.issuer = issuer = SlotIssuer(config)
        m.submodules.array = array = SystolicArray(config, image.weights.tolist() if image else ())
        m.submodules.feeder = feeder = Feeder(config, array.latency)
        m.submodules.gates = gates = GatePipeline(config, _row_init(config, image))
        m.submodules.cell = cell = CellUnit(config)
        m.submodules.loader = loader = Loader(config)
        m.submodules.cells = cells = UnitState(config, config.c_width)
        m.submodules.hidden = hidden = UnitState(config, 16)
        _check_latencies(config, array, feeder, gates, cell)

        # Input and lists.
        connect(m, flipped(self.x), inputs.x)
        connect(m, flipped(self.bus), control.bus)
        m.d.comb += [
            inputs.inputs.eq(control.inputs),
            inputs.grid.eq(control.grid),
            inputs.skip.eq(control.skip),
            inputs.release.eq(sequencer.release | issuer.release),
            inputs.r_addr.eq(sequencer.x_addr),
            inputs.r_list.eq(sequencer.list),
            feedback.r_addr.eq(sequencer.h_addr),
            feedback.r_kind.eq(sequencer.h_kind),
            feedback.r_list.eq(sequencer.list),
            sequencer.record.eq(program.record),
            sequencer.layer.eq(program.layer),
            sequencer.loaded.eq(program.loaded),
            sequencer.full.eq(inputs.full),
            sequencer.step.eq(inputs.step),
            sequencer.lengths.eq(feedback.lengths),
            sequencer.done.eq(feedback.done),
            sequencer.own_lengths.eq(feedback.own_lengths),
            sequencer.drained.eq(feedback.drained),
            sequencer.emit_all.eq(control.emit_all),
            program.advance.eq(sequencer.advance),
            program.w_addr.eq(control.index),
            program.w_data.eq(control.data),
            program.w_en.eq(control.program_write),
        ]

        # Array.
        m.d.comb += [
            issuer.fetch.eq(sequencer.fetch),
            issuer.fetch_valid.eq(sequencer.fetch_valid),
            issuer.popped.eq(self.h.valid & self.h.ready),
            sequencer.fired.eq(issuer.fired),
            issuer.x_entry.eq(inputs.entry),
            issuer.h_entry.eq(feedback.entry),
            issuer.load_address.eq(control.weight_address),
            issuer.load_lane.eq(control.weight_lane),
            issuer.load_data.eq(control.data),
            issuer.load_valid.eq(control.weight_write),
            array.i.eq(issuer.slot),
            *(part.run.eq(self.run) for part in (array, gates, cell)),
            feeder.fold.eq(issuer.fold),
            feeder.fold_valid.eq(issuer.fold_valid),
            feeder.drain.eq(array.drain),
        ]

        # Per sequence the pass that drains; whoever loads a layer's state borrows its place.
        passes = feedback.passes
        levels = Signal(data.ArrayLayout(2, config.sequences))  # highest of the folds'
        for index in range(config.sequences):
            draining, level, kept = passes[index], levels[index], Signal(pass_layout(config), name=f"kept_{index}")
            begun, fetched, loaded = (
                sequence[: config.sequence_bits] == index
                for sequence in (sequence_of(sequencer.drain), sequence_of(sequencer.fetch), loader.load_sequence)
            )
            with m.If(sequencer.begin_drain & begun):
                m.d.sync += [kept.eq(sequencer.drain), level.eq(sequencer.fetch.precision)]
            with m.Elif(sequencer.fetch_valid & sequencer.fetch.last & fetched & (sequencer.fetch.precision > level)):
                m.d.sync += level.eq(sequencer.fetch.precision)
            with m.If(loader.load_begin & loaded):
                m.d.sync += [kept.record.eq(program.record), kept.layer.eq(program.layer)]
            m.d.comb += [
                draining.eq(kept),
                draining.record.eq(pass_record(config, program.record, kept)),
                feeder.unit_base[index].eq(draining.record.unit_base),
                gates.clear[index].eq(draining.clear),
                cell.c_frac[index].eq(draining.record.c_frac),
            ]
        m.d.comb += [
            loader.host_begin.eq(control.load_begin),
            loader.host_layer.eq(control.load_layer),
            loader.host_mask.eq(control.load_mask),
            loader.host_sequence.eq(control.load_sequence),
            loader.host_end.eq(control.load_end),
            loader.host_place.eq(control.index),
            loader.host_value.eq(control.data.as_signed()),
            loader.host_cell_write.eq(control.cell_write),
            loader.host_hidden_write.eq(control.hidden_write),
            loader.host_hidden_read.eq(control.hidden_read),
            loader.pending.eq(inputs.full.bit_select(sequencer.x_buffer, 1)),
            loader.start.eq(sequencer.coming.start),
            loader.wanted.eq(sequencer.coming.mask),
            loader.quiet.eq(sequencer.quiet),
            loader.begins.eq(sequencer.begins),
            loader.begins_layer.eq(program.layer),
            loader.record.eq(program.record),
            loader.loaded.eq(program.loaded),
            loader.loaded_layer.eq(program.layer),
            loader.hidden.eq(hidden.value),
            sequencer.hold.eq(loader.hold),
            sequencer.changed.eq(loader.changed),
            sequencer.mask.eq(loader.mask),
            program.select.eq(loader.select),
            program.layer_select.eq(loader.layer_select),
            program.mask_select.eq(loader.mask_select),
            feedback.load_begin.eq(loader.load_begin),
            feedback.load_end.eq(loader.load_end),
            feedback.load_valid.eq(loader.load_valid),
            feedback.load_sequence.eq(loader.load_sequence),
            feedback.load_half.eq(sequencer.list_halves.bit_select(loader.load_sequence[: config.sequence_bits], 1)),
            feedback.load_h.eq(loader.load_h),
        ]

        # Cell unit.
        m.d.comb += [
            gates.rows.eq(feeder.rows),
            gates.rows_valid.eq(feeder.rows_valid),
            gates.sums.eq(feeder.sums),
            gates.mask.eq(passes[0].mask),  # several active counts, one sequence
            gates.row_mask.eq(control.row_mask),
            gates.row_unit.eq(control.row_unit),
            gates.row_gate.eq(control.row_gate),
            gates.row_data.eq(control.row_data),
            gates.row_write.eq(control.row_write),
            cell.rows.eq(gates.o_rows),
            cell.rows_valid.eq(gates.o_valid),
            cell.gates.eq(gates.gates),
            cell.c_old.eq(Mux(of_sequence(passes, sequence_of(gates.o_rows)).start, 0, cells.value)),
            cells.r_place.eq(gates.next_place),
            cells.w_place.eq(cell.c_place),
            cells.w_value.eq(cell.c_new),
            cells.w_valid.eq(cell.c_valid),
            hidden.w_place.eq(cell.h_place),
            hidden.w_value.eq(cell.h),
            hidden.w_valid.eq(cell.h_valid),
            feedback.h.eq(cell.h),
            feedback.h_place.eq(cell.h_place),
            feedback.h_last.eq(cell.h_last),
            feedback.h_valid.eq(cell.h_valid),
        ]
        if config.monitor:
            m.submodules.monitor = monitor = Monitor(config)
            m.d.comb += [
                monitor.pass_.eq(passes[0]),
                monitor.c_new.eq(cell.c_new),
                monitor.c_before.eq(cell.c_before),
                monitor.c_last.eq(cell.c_last),
                monitor.c_valid.eq(cell.c_valid),
                monitor.r_layer.eq(sequencer.level_layer),
                monitor.r_bank.eq(sequencer.level_bank),
                monitor.r_fold.eq(sequencer.level_fold),
                sequencer.level.eq(monitor.level),
                sequencer.wishes.eq(monitor.wishes),
            ]
        if config.skip:
            m.submodules.predictor = predictor = Predictor(config, predictor_weights(config, image))
            m.d.comb += [
                predictor.run.eq(self.run),
                predictor.threshold.eq(control.threshold),
                predictor.entry.eq(issuer.row_entry),
                predictor.valid.eq(issuer.row_valid),
                predictor.captured.eq(issuer.fold_valid & issuer.fold.first & (passes[0].layer == 0)),
                predictor.w_addr.eq(control.index),
                predictor.w_data.eq(control.data[:PREDICTOR_BITS].as_signed()),
                predictor.w_en.eq(control.predictor_write),
                inputs.predicted.eq(predictor.predicted),
                inputs.verdict.eq(predictor.verdict),
            ]
        if config.peepholes:
            self._elaborate_peepholes(m, control, loader, feeder, gates, cell, passes)
        m.d.comb += [
            cells.bus_place.eq(loader.place),
            cells.bus_value.eq(loader.cell_value),
            cells.bus_read.eq(control.cell_read),
            cells.bus_write.eq(loader.cell_write),
            control.cell_value.eq(cells.value),
            hidden.bus_place.eq(loader.place),
            hidden.bus_value.eq(loader.load_h),
            hidden.bus_read.eq(loader.hidden_read),
            hidden.bus_write.eq(loader.hidden_write),
            control.hidden_value.eq(hidden.value),
        ]

        # Results: the sequencer reserves their places, so the queue is never full.
        result = output_layout(config)
        sequence = cell.h_place[config.unit_bits :]
        ended = feedback.drained_sequence[: config.sequence_bits]
        left, drained = of_sequence(passes, sequence), of_sequence(passes, ended)
        m.submodules.queue = queue = SyncFIFOBuffered(width=result.size, depth=config.out_depth)
        written = Signal(result)
        m.d.comb += [
            written.h.eq(cell.h),
            written.c.eq(cell.h_c),
            written.layer.eq(left.layer),
            written.last.eq(cell.h_last),
            *set_sequence(written, sequence),
            queue.w_data.eq(written),
            queue.w_en.eq(cell.h_valid & (left.record.last_layer | control.emit_all)),
            self.h.payload.eq(queue.r_data),
            self.h.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.h.ready),
            sequencer.popped.eq(self.h.valid & self.h.ready),
            self.event.layer.eq(drained.layer),
            self.event.columns.eq(drained.columns),
            self.event.low.eq(drained.low),
            self.event.level.eq(of_sequence(levels, ended)),
            self.event.mask.eq(drained.mask),
            self.event.restart.eq(drained.clear),
            *set_sequence(self.event, feedback.drained_sequence),
            self.outcome_valid.eq(inputs.outcome_valid),
            self.outcome_skipped.eq(inputs.outcome_skipped),
            self.event_valid.eq(feedback.drained),
            control.idle.eq(sequencer.idle),
            control.word_valid.eq(issuer.word_valid),
            control.word_precision.eq(issuer.word_precision),
            control.skipped.eq(inputs.outcome_valid & inputs.outcome_skipped),
            control.restarts.eq(self.event_valid & self.event.restart),
            self.busy.eq(~sequencer.idle),
        ]
        return m

    def _elaborate_peepholes(
        self,
        m: Module,
        control: Control,
        loader: Loader,
        feeder: Feeder,
        gates: GatePipeline,
        cell: CellUnit,
        passes: data.View[data.ArrayLayout],
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
        gate = delayed(m, feeder.rows.gate, RAM_LATENCY, "gate")
        draining = of_sequence(passes, delayed(m, sequence_of(feeder.rows), RAM_LATENCY, "sequence"))
        m.d.comb += [
            early.r_place.eq(Cat(feeder.rows.unit, sequence_of(feeder.rows))),
            early.w_place.eq(cell.c_place),
            early.w_value.eq(cell.c_new),
            early.w_valid.eq(cell.c_valid),
            early.bus_place.eq(loader.place),
            early.bus_write.eq(loader.cell_write),
            early.bus_value.eq(loader.cell_value),
            gates.c.eq(Mux(draining.start, 0, early.value)),
            gates.peep_shift.eq(draining.record.peep_shift),
            *(cell.peep_shift[index].eq(passes[index].record.peep_shift) for index in range(config.sequences)),
            cell.peep_o.eq(banks[2].r_data),
            cell.z13.eq(gates.z13),
        ]
        for way in range(config.rows_per_cycle):
            with m.If(gate == 0 if way == 0 else 0):
                m.d.comb += gates.peep[way].eq(banks[0].r_data)
            with m.If(gate == 1 - way if config.rows_per_cycle == 1 or way == 1 else 0):
                m.d.comb += gates.peep[way].eq(banks[1].r_data)


def _row_init(config: EngineConfig, image: MemoryImage | None) -> list[list[dict[str, Any]]]:
    """Row parameters by unit and gate, at each active count a power of two of units further on."""
    if image is None:
        return []
    found: list[list[dict[str, Any]]] = []
    for mask, bias in enumerate(image.bias):
        found += [[_row(0, 0, 0)] * 4] * ((mask << config.unit_bits) - len(found))
        for unit in zip(image.mantissa.tolist(), image.shift.tolist(), bias.tolist(), strict=True):
            found.append([_row(*row) for row in zip(*unit, strict=True)])
    return found


def _row(mantissa: int, shift: int, bias: int) -> dict[str, Any]:
    return {"shift": shift, "scale": {"mantissa": mantissa, "bias": bias}}


def _check_latencies(
    config: EngineConfig, array: SystolicArray, feeder: Feeder, gates: GatePipeline, cell: CellUnit
) -> None:
    """The cycle model's constants are the parts' own."""
    pairs = {
        "array": (1 + timing.lane(config) + timing.drain(config), array.latency),
        "feeder": (timing.feeder(config), feeder.latency),
        "gates": (timing.requantise(config) + timing.ACTIVATION, gates.latency),
        "cell": (timing.cell(config), cell.latency),
    }
    for name, (model, part) in pairs.items():
        if model != part:
            raise ValueError(f"Cycle model counts {model} cycles for the {name}, the part has {part!r}")
