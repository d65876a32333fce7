"""The engine: every part wired together."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from lstmith.rtl.array.array import SystolicArray
from lstmith.rtl.bus import BusSignature
from lstmith.rtl.cell.predictor import Predictor, predictor_weights
from lstmith.rtl.cell.state_loader import StateLoader
from lstmith.rtl.control import Control
from lstmith.rtl.drain_path import DrainPath
from lstmith.rtl.fields import set_final
from lstmith.rtl.fixed_settings import FixedSettings
from lstmith.rtl.layouts import InputWord, event_layout, of_sequence, output_layout, read_fields, set_sequence
from lstmith.rtl.lists.feedback import Feedback
from lstmith.rtl.lists.input_stage import InputStage
from lstmith.rtl.program_store import ProgramStore
from lstmith.rtl.sequencer.sequencer import Sequencer
from lstmith.rtl.sequencer.slot_issuer import SlotIssuer
from lstmith.rtl.verdict import VerdictStage
from lstmith.spec.codes import VERDICT_BITS, Verdict
from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.quantised import PREDICTOR_BITS


class Engine(wiring.Component):
    """An LSTM inference core.

    Parameters
    ----------
    config : EngineConfig
    image : MemoryImage or None
        Initial memory contents; all of it can also be written through the bus. A fixed engine needs one, which stays.

    Members
    -------
    x : In(stream of InputWord)
        One element per transfer, ``inputs`` elements per step.
    x_last : Out(1)
        The element on ``x`` is the last of its step; while ``x`` is valid.
    refused : Out(1)
        With several programs: for one cycle, a sequence names one that is not there. Each of its elements is a skipped
        step.
    h : Out(stream of output_layout(config))
        Results of the last layer's units in order (of all layers if so set).
    bus : In(BusSignature)
        Register bus; memories are reached while ``busy`` is low. Not in a fixed engine.
    event : Out(event_layout(config))
        What is known of a layer's step; while ``event_valid``.
    event_valid : Out(1)
        For one cycle when a layer's step has drained.
    outcome_valid : Out(1)
        For one cycle per step, in order: it is known whether the step is computed.
    outcome_skipped : Out(1)
        It is skipped; while ``outcome_valid``.
    busy : Out(1)
        Something is in flight.
    step_inputs : Out(array of range(inputs) by program)
        Elements of a step, less one; it changes between steps only.
    verdict : Out(VERDICT_BITS)
        With verdicts: the last one, see :class:`~lstmith.rtl.verdict.VerdictStage`.

    Raises
    ------
    ValueError
        If a fixed engine is given no image.
    """

    def __init__(self, config: EngineConfig, image: MemoryImage | None = None):
        if config.fixed and image is None:
            raise ValueError("Engine image must be given for a fixed engine, which nothing can write")
        self._config, self._image = config, image
        super().__init__(
            {
                "x": In(stream.Signature(InputWord)),
                "x_last": Out(1),
                **({"refused": Out(1)} if config.programs > 1 else {}),
                "h": Out(stream.Signature(output_layout(config))),
                **({} if config.fixed else {"bus": In(BusSignature())}),
                "event": Out(event_layout(config)),
                "event_valid": Out(1),
                "outcome_valid": Out(1),
                "outcome_skipped": Out(1),
                "busy": Out(1),
                "step_inputs": Out(data.ArrayLayout(bits_for(config.inputs), config.programs)),
                **({"verdict": Out(VERDICT_BITS)} if config.verdicts else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, image = self._config, self._image
        m.submodules.program = program = ProgramStore(
            layers=config.layers,
            active_counts=config.active_counts,
            programs=config.programs,
            descriptors=image.descriptors if image else None,
            fixed=config.fixed,
            verdicts=config.verdicts,
        )
        m.submodules.input = inputs = InputStage(config)
        m.submodules.feedback = feedback = Feedback(config)
        m.submodules.sequencer = sequencer = Sequencer(config)
        m.submodules.issuer = issuer = SlotIssuer(config)
        m.submodules.array = array = SystolicArray(config, image.weights.tolist() if image else ())
        m.submodules.drain = drain = DrainPath(config, array_latency=array.latency, image=image)

        # Steps to list entries, and these to slots of the array.
        connect(m, flipped(self.x), inputs.x)
        connect(m, inputs.steps, sequencer.steps)
        connect(m, feedback.lists, sequencer.lists)
        connect(m, program.next, sequencer.program)
        connect(m, sequencer.fetch, issuer.fetch)
        connect(m, issuer.x_list, inputs.read)
        connect(m, issuer.h_list, feedback.read)
        connect(m, drain.result, feedback.result)
        m.d.comb += [
            self.x_last.eq(inputs.x_last),
            *([self.refused.eq(inputs.refused)] if config.programs > 1 else []),
            inputs.release.eq(issuer.release),
            array.i.eq(issuer.slot),
            drain.drain.eq(array.drain),
            drain.fold.eq(issuer.fold),
            drain.fold_valid.eq(issuer.fold_valid),
            drain.passes.eq(sequencer.passes),
            feedback.passes.eq(sequencer.passes),
            feedback.list_halves.eq(sequencer.list_halves),
        ]

        if config.monitor:
            connect(m, inputs.deferral, drain.input_deferral)
            connect(m, feedback.deferral, drain.feedback_deferral)
        emit_all: Value
        if config.fixed:
            assert image is not None
            m.submodules.settings = fixed = FixedSettings(config, image)
            connect(m, fixed.settings, inputs.settings)
            m.d.comb += self.step_inputs[0].eq(fixed.settings.inputs)
            # Nobody could ask for the last layer's alone.
            emit_all = Const(1)
        else:
            m.submodules.control = control = Control(config, image)
            emit_all = control.emit_all
            self._elaborate_host(m, control, program, inputs, feedback, sequencer, issuer, drain)
            if config.skip:
                self._elaborate_predictor(m, control, inputs, sequencer, issuer)
        m.d.comb += sequencer.emit_all.eq(emit_all)

        # What leaves.
        drained = of_sequence(sequencer.passes, feedback.lists.sequence[: config.sequence_bits])
        leaving: Any = self.h
        busy = ~sequencer.idle
        if config.verdicts:
            m.submodules.verdicts = stage = VerdictStage(config)
            connect(m, stage.o, flipped(self.h))
            m.d.comb += self.verdict.eq(stage.verdict)
            leaving, busy = stage.i, ~sequencer.idle | stage.busy
        m.d.comb += [
            issuer.popped.eq(leaving.valid & leaving.ready),
            *(self.event[name].eq(drained[name]) for name in ("layer", "mask", *read_fields(config))),
            self.event.restart.eq(drained.clear),
            *set_sequence(self.event, feedback.lists.sequence),
            *set_final(self.event, drained.descriptor.last_layer),
            self.event_valid.eq(feedback.lists.drained),
            self.outcome_valid.eq(inputs.outcome_valid),
            self.outcome_skipped.eq(inputs.outcome_skipped),
            self.busy.eq(busy),
        ]
        self._elaborate_results(m, drain.result, sequencer.passes, emit_all, leaving)
        return m

    def _elaborate_host(
        self,
        m: Module,
        control: Control,
        program: ProgramStore,
        inputs: InputStage,
        feedback: Feedback,
        sequencer: Sequencer,
        issuer: SlotIssuer,
        drain: DrainPath,
    ) -> None:
        """What the host writes and reads."""
        config = self._config
        m.submodules.state_loader = loader = StateLoader(
            layers=config.layers,
            units=config.units,
            c_width=config.c_width,
            sequences=config.sequences,
            active_counts=config.active_counts,
            programs=config.programs,
        )
        connect(m, flipped(self.bus), control.bus)
        connect(m, control.settings, inputs.settings)
        connect(m, control.program, program.write)
        connect(m, control.weights, issuer.load)
        connect(m, control.rows, drain.rows)
        connect(m, control.peepholes, drain.peepholes)
        connect(m, control.states, loader.host)
        connect(m, sequencer.reload, loader.reload)
        connect(m, loader.select, program.select)
        connect(m, loader.load, sequencer.load, feedback.load)
        connect(m, loader.state, drain.state)
        m.d.comb += [
            self.step_inputs.eq(control.step_inputs),
            # The fields of verdicts come last, and are cut off.
            loader.descriptor.eq(program.next.descriptor),
            loader.layer.eq(program.next.layer),
            loader.loaded.eq(program.next.loaded),
            control.idle.eq(sequencer.idle),
            control.word_valid.eq(issuer.word_valid),
            control.word_width.eq(issuer.word_width),
            control.skipped.eq(inputs.outcome_valid & inputs.outcome_skipped),
            control.restarts.eq(self.event_valid & self.event.restart),
        ]

    def _elaborate_results(
        self,
        m: Module,
        result: wiring.PureInterface,
        passes: data.View[data.ArrayLayout],
        emit_all: Value,
        leaving: Any,
    ) -> None:
        """The output queue: the throttle reserves its places, so that it is never full."""
        config = self._config
        sequence = result.place[config.unit_bits :]
        left = of_sequence(passes, sequence)
        written = Signal(leaving.payload.shape())
        told = written.result if config.verdicts else written
        m.submodules.queue = queue = SyncFIFOBuffered(width=written.shape().size, depth=config.out_depth)
        m.d.comb += [
            told.h.eq(result.h),
            told.c.eq(result.c),
            told.layer.eq(left.layer),
            told.last.eq(result.last),
            *([told.final.eq(left.descriptor.last_layer)] if config.layers > 1 else []),
            *set_sequence(told, sequence),
            *set_final(told, left.descriptor.last_layer),
            queue.w_data.eq(written),
            queue.w_en.eq(result.valid & (left.descriptor.last_layer | emit_all)),
            leaving.payload.eq(queue.r_data),
            leaving.valid.eq(queue.r_rdy),
            queue.r_en.eq(leaving.ready),
        ]
        if config.verdicts:
            m.d.comb += [
                written.verdict.eq(left.descriptor.verdict),
                written.above.eq(result.h > left.descriptor.threshold.as_signed()),
                written.silent.eq((left.descriptor.verdict != Verdict.NONE) & ~emit_all),
            ]

    def _elaborate_predictor(
        self, m: Module, control: Control, inputs: InputStage, sequencer: Sequencer, issuer: SlotIssuer
    ) -> None:
        """The skip predictor looks at the first layer's first fold on its way to the array."""
        config = self._config
        m.submodules.predictor = predictor = Predictor(
            inputs=config.x_columns,
            units=config.units,
            operand_width=config.operand_width,
            family=config.family,
            pipelined=config.pipelined,
            init=predictor_weights(config, self._image),
        )
        m.d.comb += [
            predictor.threshold.eq(control.threshold),
            predictor.entry.eq(issuer.row_entry),
            predictor.valid.eq(issuer.row_valid),
            predictor.captured.eq(issuer.fold_valid & issuer.fold.first & (sequencer.passes[0].layer == 0)),
            predictor.w_addr.eq(control.index),
            predictor.w_data.eq(control.data[:PREDICTOR_BITS].as_signed()),
            predictor.w_en.eq(control.predictor_write),
            inputs.predicted.eq(predictor.predicted),
            inputs.decision.eq(predictor.decision),
        ]
