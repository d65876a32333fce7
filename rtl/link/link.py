"""The link: a serial port or SPI on one side, the engine's bus and streams on the other."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lstmith.rtl.bus import BusSignature
from lstmith.rtl.layouts import InputWord, event_layout, output_layout
from lstmith.rtl.link.admission import StepAdmission
from lstmith.rtl.link.answer import AnswerSender
from lstmith.rtl.link.collect import CompactCollector, StepCollector, held_steps
from lstmith.rtl.link.executor import Executor
from lstmith.rtl.link.pins import front_pins
from lstmith.rtl.link.receiver import FrameReceiver
from lstmith.rtl.link.ring import RING_WORD_BITS, ResultRing
from lstmith.rtl.link.spi import SpiPeripheral
from lstmith.rtl.link.uart import UartReceiver, UartTransmitter
from lstmith.spec.config import bits_for
from lstmith.spec.latency import MARK, input_ready
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import LINK_REGION, Feature, FlashStatus, LinkRegister, Mode
from lstmith.spec.registers import DATA_BITS, IDENTITY, REGION_SHIFT, WEIGHTS, Region, Register, address

#: Registers between a reset's cause and the engine.
RESET_CYCLES = 3
#: Regions that can be written without ``Feature.STATES``: the upper one's bits include the lower one's.
_NARROW = (Region.CONTROL, Region.ROWS)


class Link(wiring.Component):
    """Executes the commands of spec/link_map.py.

    With ``Feature.RECORDS`` a step begins when its whole input is there, or sure to come, and its results have room, so
    that its cycles are those it would take if input and output were never late. Without, the engine waits for its
    streams. Without ``Feature.STATES`` a large part of the engine is constant. A fixed engine has no bus: writes to it
    do nothing, and the tag stays.

    Parameters
    ----------
    identity : Identity
        The build: it decides clock, baud, window, ring and features, and what the engine's streams look like.
    tag : int
        Initial value of ``LinkRegister.TAG``, 32 bits.

    Members
    -------
    rx, tx, or spi_*
        See :func:`~lstmith.rtl.link.pins.front_pins`.
    ready : In(1)
        The link may begin; valid always.
    flash : In(FlashStatus)
        What became of the weights in the flash; valid with ``ready``.
    tick : In(1)
        Strobe of the watchdog: a frame that waits for the engine over two of them is given up.
    bus : Out(BusSignature)
        Bus of the engine; not of a fixed one.
    x : Out(stream of InputWord)
        Input stream of the engine.
    h : In(stream of output_layout)
        Results of the engine.
    event : In(event_layout)
        A layer's step has drained; valid with ``event_valid``.
    event_valid : In(1)
        There is an event, for one cycle of the engine.
    outcome_valid : In(1)
        It is known whether a step is computed, for one cycle of the engine.
    outcome_skipped : In(1)
        The step is skipped; valid with ``outcome_valid``.
    engine_busy : In(1)
        Something is in flight in the engine; valid always.
    step_inputs : In(array of range(inputs) by program)
        Elements of a step, less one; it changes only while the engine is idle.
    engine_reset : Out(1)
        Resets the engine, for one cycle.
    busy : Out(1)
        Something is being done; while it is low, nothing happens before a pin or ``ready`` changes.
    session : Out(1)
        There was a HELLO; valid always.
    fault : Out(1)
        A frame was given up since the last HELLO; valid always.

    Raises
    ------
    ValueError
        If the identity's baud does not fit its clock, or the engine what a result word can tell.
    """

    def __init__(self, identity: Identity, tag: int = 0):
        self._identity, self._tag = identity, tag
        config = identity.config
        super().__init__(
            {
                **front_pins(identity),
                "ready": In(1),
                "flash": In(len(FlashStatus)),
                "tick": In(1),
                **({} if config.fixed else {"bus": Out(BusSignature())}),
                "x": Out(stream.Signature(InputWord)),
                "h": In(stream.Signature(output_layout(config))),
                "event": In(event_layout(config)),
                "event_valid": In(1),
                "outcome_valid": In(1),
                "outcome_skipped": In(1),
                "engine_busy": In(1),
                "step_inputs": In(data.ArrayLayout(bits_for(config.inputs), config.programs)),
                "engine_reset": Out(1),
                "busy": Out(1),
                "session": Out(1),
                "fault": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        identity = self._identity
        m.submodules.receiver = receiver = FrameReceiver(identity=identity.pack(), buffers=identity.window)
        m.submodules.answer = answer = AnswerSender()
        executor, ring = Executor(buffers=identity.window), ResultRing(words=identity.ring_words)

        # A HELLO resets everything, and is then answered like any frame. The ring is held until what writes to it has
        # been reset too.
        hello, held, greet = Signal(), Signal(), Signal()
        m.submodules.executor = ResetInserter(hello)(executor)
        m.submodules.ring = ResetInserter(hello | held)(ring)
        m.d.sync += [hello.eq(receiver.hello), held.eq(hello)]
        # The reset reaches the engine after a cycle for each part of its way through the device; what the engine says
        # until then belongs to nobody. No request follows so soon.
        stalled, clears = Signal(), Signal()
        m.d.sync += stalled.eq(executor.stalled)
        resets = hello | stalled
        way = Signal(RESET_CYCLES)
        m.d.sync += [way.eq(Cat(resets, way[:-1])), clears.eq(resets | way.any())]
        m.d.comb += self.engine_reset.eq(way[-1])
        with m.If(hello):
            m.d.sync += [greet.eq(1), self.session.eq(1), self.fault.eq(0)]
        with m.Elif(executor.greeted):
            m.d.sync += greet.eq(0)
        with m.Elif(executor.stalled):
            m.d.sync += [self.session.eq(0), self.fault.eq(1)]

        m.d.comb += [
            receiver.release.eq(executor.release),
            receiver.r_addr.eq(executor.r_addr),
            executor.greet.eq(greet),
            executor.sequence.eq(receiver.sequence),
            executor.session.eq(self.session),
            executor.tick.eq(self.tick),
            answer.abort.eq(hello),
            answer.finish.eq(executor.finish),
            executor.finished.eq(answer.finished),
            executor.body_full.eq(answer.body_full),
            ring.seek.eq(executor.ring_seek),
            ring.seek_place.eq(executor.seek_place),
            ring.next.eq(executor.ring_next),
            executor.ring_valid.eq(ring.valid),
            executor.ring_ready.eq(ring.ready),
            executor.ring_data.eq(ring.data),
        ]
        # The receiver's memory answers late in the cycle. A frame's length is the last that is written of it.
        # Words may be freed later, and much hangs on whether the ring is full.
        m.d.sync += [
            executor.r_data.eq(receiver.r_data),
            executor.full.eq(receiver.full),
            ring.release.eq(executor.ring_release),
            ring.release_place.eq(executor.release_place),
        ]
        connect(m, executor.answer, answer.i)
        sends = self._elaborate_front(m, receiver, answer)
        full = self._elaborate_registers(m, executor, hello)
        works = self._elaborate_results(m, full, executor, ring, clears)
        works = greet | hello | receiver.full.any() | executor.active | works
        m.d.comb += self.busy.eq(works | answer.sending | sends)
        if identity.features & Feature.SPI:
            m.d.sync += self.spi_irq.eq(ring.held & ~works)
        return m

    def _elaborate_front(self, m: Module, receiver: FrameReceiver, answer: AnswerSender) -> Value:
        """Bytes in and out: all that depends on the front; returns whether one is on its way out."""
        identity = self._identity
        if identity.features & Feature.SPI:
            m.submodules.spi = spi = SpiPeripheral()
            m.d.comb += [
                spi.select.eq(self.spi_select),
                spi.sck.eq(self.spi_sck),
                spi.copi.eq(self.spi_copi),
                self.spi_cipo.eq(spi.cipo),
                self.spi_ready.eq(spi.waiting),
            ]
            # A byte waits a cycle on its way, since both sides decide much in the cycle in which it comes.
            m.d.sync += [receiver.data.eq(spi.data), receiver.valid.eq(spi.valid & self.ready)]
            connect(m, answer.o, spi.i)
            return spi.waiting
        m.submodules.uart_receiver = uart_receiver = UartReceiver(clock_hz=identity.clock_hz, baud=identity.baud)
        m.submodules.uart_transmitter = uart_transmitter = UartTransmitter(
            clock_hz=identity.clock_hz, baud=identity.baud
        )
        m.d.comb += [
            uart_receiver.pin.eq(self.rx),
            self.tx.eq(uart_transmitter.pin),
        ]
        # As above.
        m.d.sync += [
            receiver.data.eq(uart_receiver.data),
            receiver.valid.eq(uart_receiver.valid & self.ready),
            receiver.error.eq(uart_receiver.error),
        ]
        connect(m, answer.o, uart_transmitter.i)
        return uart_transmitter.busy

    @property
    def _records(self) -> bool:
        return bool(self._identity.features & Feature.RECORDS)

    def _elaborate_registers(self, m: Module, executor: Executor, hello: Signal) -> Signal:
        """Add the link's registers to the engine's; returns whether records are wanted."""
        bus, fixed = executor.bus, self._identity.config.fixed
        # The address stands still for cycles before a write, and before a read's word is taken.
        ours = Signal()
        m.d.sync += ours.eq(bus.addr[REGION_SHIFT:] == LINK_REGION)
        # A reset leaves the memories as they are, so the tag stays too: it tells what they hold.
        full, tag = Signal(), Signal(DATA_BITS, init=self._tag, reset_less=True)
        with m.If(ours & bus.w_en):
            with m.Switch(bus.addr[:REGION_SHIFT]):
                with m.Case(LinkRegister.MODE):
                    m.d.sync += full.eq(bus.w_data == Mode.FULL)
                if not fixed:
                    with m.Case(LinkRegister.TAG):
                        m.d.sync += tag.eq(bus.w_data)
        with m.If(hello):
            m.d.sync += full.eq(0)
        if not fixed:
            # Nothing is known of weights that came wrong out of the flash.
            with m.If(~self.ready):
                m.d.sync += tag.eq(Mux(self.flash & FlashStatus.VALID, self._tag, 0))
            m.d.comb += self.bus.w_data.eq(bus.w_data)
        known = Mux(bus.addr == address(Region.CONTROL, Register.IDENTITY), IDENTITY, 0)
        if fixed:
            m.d.comb += bus.r_data.eq(known)
        elif self._identity.features & Feature.STATES:
            m.d.comb += [
                self.bus.addr.eq(bus.addr),
                self.bus.w_en.eq(bus.w_en & ~ours),
                self.bus.r_en.eq(bus.r_en),
                bus.r_data.eq(self.bus.r_data),
            ]
        else:
            # What the engine can see to be constant, synthesis leaves out.
            reach = WEIGHTS | max(_NARROW) << REGION_SHIFT | ((1 << REGION_SHIFT) - 1)
            within = (bus.addr >= WEIGHTS) | (bus.addr[REGION_SHIFT:].matches(*_NARROW))
            m.d.comb += [
                self.bus.addr.eq(bus.addr & reach),
                self.bus.w_en.eq(bus.w_en & within),
                bus.r_data.eq(known),
            ]
        with m.If(ours):
            m.d.comb += bus.r_data.eq(Mux(bus.addr[0] == LinkRegister.TAG % 2, tag, self.flash))
        return full if self._records else Signal()

    def _elaborate_results(
        self, m: Module, full: Signal, executor: Executor, ring: ResultRing, clears: Signal
    ) -> Value:
        """Collect what the engine says and put it into the ring; returns whether something may still come."""
        config, x = self._identity.config, executor.x
        result = output_layout(config)
        if not self._records:
            compact = CompactCollector(
                result=result, layers=config.layers, outcome_latency=max(MARK, input_ready(config))
            )
            m.submodules.compact = ResetInserter(clears)(compact)
            m.d.comb += [
                self.x.payload.eq(x.payload),
                self.x.valid.eq(x.valid & compact.room),
                x.ready.eq(self.x.ready & compact.room),
                compact.outcome_valid.eq(self.outcome_valid),
                compact.outcome_skipped.eq(self.outcome_skipped),
            ]
            # Here as below: the engine is busy, or a step waits, long before the next frame's head has come.
            m.d.sync += executor.occupied.eq(self.engine_busy)
            connect(m, flipped(self.h), compact.h)
            return (self.engine_busy | self.h.valid | self._elaborate_words(m, compact.o, ring, clears)) & ~ring.full
        # A verdict is one more result.
        results = config.units + config.verdicts
        steps = held_steps(results)
        # Where descriptors are fetched when a sequence begins, a step's cycles would depend on when that is.
        admission = StepAdmission(
            inputs=config.inputs, steps=steps, programs=config.programs, eager=not config.fetches_first
        )
        collector = StepCollector(
            result=result,
            event=event_layout(config),
            layers=config.layers,
            units=results,
            steps=steps,
            inputs=config.inputs,
        )
        m.submodules.admission = ResetInserter(clears)(admission)
        m.submodules.collector = ResetInserter(clears)(collector)
        connect(m, x, admission.i)
        connect(m, admission.x, flipped(self.x))
        # The engine's memory of results answers late in the cycle, and the collector's may lie far away.
        # So may what chooses between records and results, which changes long before the next step.
        m.d.sync += [
            collector.h.payload.eq(self.h.payload),
            collector.h.valid.eq(self.h.valid),
            collector.full.eq(full),
            executor.occupied.eq(self.engine_busy | admission.occupied),
        ]
        word = self._elaborate_words(m, collector.o, ring, clears)
        m.d.comb += [
            self.h.ready.eq(1),
            admission.i_quiet.eq(executor.quiet),
            admission.i_left.eq(executor.x_left),
            admission.step_inputs.eq(self.step_inputs),
            admission.engine_busy.eq(self.engine_busy),
            admission.outcome_valid.eq(self.outcome_valid),
            admission.done.eq(collector.done),
            collector.fed.eq(admission.fed),
            collector.before.eq(admission.before),
            collector.idle.eq(admission.idle),
            collector.quiet.eq(admission.quiet),
            collector.outcome_valid.eq(self.outcome_valid),
            collector.outcome_skipped.eq(self.outcome_skipped),
            collector.event_valid.eq(self.event_valid),
            collector.event.eq(self.event),
        ]
        left = (admission.pending != 0) | collector.o.valid | word
        return self.engine_busy | admission.active | (left & ~ring.full)

    @staticmethod
    def _elaborate_words(m: Module, source: wiring.PureInterface, ring: ResultRing, clears: Signal) -> Signal:
        """Let words wait in a register before the ring, as both sides decide much; returns whether one is there."""
        word, waits, ready = Signal(RING_WORD_BITS, reset_less=True), Signal(), Signal(init=1)
        first_half = waits & ~ring.full & ~ring.i.ready
        m.d.comb += [ring.i.payload.eq(word), ring.i.valid.eq(waits), source.ready.eq(ready)]
        # The ring takes a word whole if it takes its first half, so it is known a cycle before.
        m.d.sync += ready.eq(~Mux(ready, source.valid, waits) | first_half)
        with m.If(ready):
            m.d.sync += [word.eq(source.payload), waits.eq(source.valid)]
        with m.If(clears):
            m.d.sync += [waits.eq(0), ready.eq(1)]
        return waits
