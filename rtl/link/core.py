"""The engine behind a serial port or SPI."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from lstmith.rtl.bus import BusSignature
from lstmith.rtl.engine import Engine
from lstmith.rtl.link.link import Link
from lstmith.rtl.link.pins import forward_pins, front_pins
from lstmith.spec.codes import VERDICT_BITS
from lstmith.spec.link_identity import Identity
from lstmith.spec.link_map import FlashStatus
from lstmith.spec.memory_image import MemoryImage


class LinkedCore(wiring.Component):
    """An engine that a host talks to as spec/link_map.py describes.

    Parameters
    ----------
    identity : Identity
        See :class:`~lstmith.rtl.link.link.Link`; its configuration is the engine's.
    image : MemoryImage or None
        Initial memory contents.
    tag : int
        Initial value of ``LinkRegister.TAG``.

    Members
    -------
    rx, tx, or spi_*
        See :func:`~lstmith.rtl.link.pins.front_pins`.
    ready : In(1)
        The link may begin; until then ``preload`` writes the engine's memories.
    preload : In(BusSignature)
        Bus of whoever loads weights; valid while ``ready`` is low. It cannot read. Not of a fixed engine.
    flash : In(FlashStatus)
        What became of the weights in the flash; valid with ``ready``.
    tick : In(1)
        Strobe of the watchdog, see :class:`~lstmith.rtl.link.link.Link`.
    busy : Out(1)
        Something is being done; while it is low, nothing happens before a pin or ``ready`` changes.
    session : Out(1)
        There was a HELLO; valid always.
    fault : Out(1)
        A frame was given up since the last HELLO; valid always.
    verdict : Out(VERDICT_BITS)
        Of an engine with verdicts: the last one, 0 after a reset of the engine; valid always.
    """

    def __init__(self, identity: Identity, image: MemoryImage | None = None, tag: int = 0):
        self._identity, self._image, self._tag = identity, image, tag
        super().__init__(
            {
                **front_pins(identity),
                "ready": In(1),
                **({} if identity.config.fixed else {"preload": In(BusSignature())}),
                "flash": In(len(FlashStatus)),
                "tick": In(1),
                "busy": Out(1),
                "session": Out(1),
                "fault": Out(1),
                **({"verdict": Out(VERDICT_BITS)} if identity.config.verdicts else {}),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.link = link = Link(self._identity, self._tag)
        engine = Engine(self._identity.config, self._image)
        m.submodules.engine = ResetInserter(link.engine_reset)(engine)
        connect(m, link.x, engine.x)
        connect(m, engine.h, link.h)
        forward_pins(m, self._identity, link, self)
        m.d.comb += [
            link.step_inputs.eq(engine.step_inputs),
            link.ready.eq(self.ready),
            link.flash.eq(self.flash),
            link.tick.eq(self.tick),
            self.busy.eq(link.busy),
            self.session.eq(link.session),
            self.fault.eq(link.fault),
            link.event.eq(engine.event),
            link.event_valid.eq(engine.event_valid),
            link.outcome_valid.eq(engine.outcome_valid),
            link.outcome_skipped.eq(engine.outcome_skipped),
        ]
        # The executor and the engine's registers need not lie side by side: what passes between them waits a cycle.
        m.d.sync += link.engine_busy.eq(engine.busy)
        if not self._identity.config.fixed:
            m.d.sync += [
                engine.bus.addr.eq(Mux(self.ready, link.bus.addr, self.preload.addr)),
                engine.bus.w_data.eq(Mux(self.ready, link.bus.w_data, self.preload.w_data)),
                engine.bus.w_en.eq(Mux(self.ready, link.bus.w_en, self.preload.w_en)),
                engine.bus.r_en.eq(link.bus.r_en),
                link.bus.r_data.eq(engine.bus.r_data),
            ]
        if self._identity.config.verdicts:
            m.d.comb += self.verdict.eq(engine.verdict)
        return m
