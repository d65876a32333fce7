"""Reload: another active count takes effect between two steps."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import descriptor_layout
from lstmith.rtl.prim.arith import delayed
from lstmith.spec.config import ACTIVE_COUNTS, EngineConfig, bits_for
from lstmith.spec.latency import RELOAD_FLUSH


class Reload(wiring.Component):
    """Fetches the records of a step's active count and, in mid-sequence, lists h anew for it.

    The engine drains first. Then every layer's active h is read and encoded as the host's would be
    when it loads a state; units that were dropped before begin at h = c = 0. The step that follows
    recomputes its sums. At a sequence's start only the record is fetched. See ``spec.latency.renew``.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    pending, start, wanted
        A step waits; it starts a sequence; index of its active count.
    quiet, begins, begins_layer
        Nothing is in flight; a pass begins.
    host_mask, host_loads, host_ends, host_layer
        The host begins to load a state at this active count; it ends to load a layer's, whose record is there.
    record, loaded
        Program store.
    hold, changed
        No pass may begin; the step that waits must recompute its sums.
    mask
        Index of the active count in force.
    select, layer
        Fetch the record of this layer.
    load_begin, load_end, read, load_valid, zero, clear, unit
        Strobes and place of a load: h is read, two cycles later listed (as zero); a cell is cleared.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "pending": In(1),
                "start": In(1),
                "wanted": In(bits_for(ACTIVE_COUNTS)),
                "quiet": In(1),
                "begins": In(1),
                "begins_layer": In(bits_for(config.layers)),
                "host_mask": In(bits_for(ACTIVE_COUNTS)),
                "host_loads": In(1),
                "host_ends": In(1),
                "host_layer": In(bits_for(config.layers)),
                "record": In(descriptor_layout()),
                "loaded": In(1),
                "hold": Out(1),
                "changed": Out(1),
                "mask": Out(bits_for(ACTIVE_COUNTS)),
                "select": Out(1),
                "layer": Out(bits_for(config.layers)),
                "load_begin": Out(1),
                "load_end": Out(1),
                "read": Out(1),
                "load_valid": Out(1),
                "zero": Out(1),
                "clear": Out(1),
                "unit": Out(config.unit_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, record = self._config, self.record
        # Units that each layer computed last.
        counts = Array(Signal(config.unit_bits, name=f"count_{layer}") for layer in range(config.layers))
        with m.If(self.begins):
            m.d.sync += counts[self.begins_layer].eq(record.units)
        needed, fresh, place = Signal(), Signal(), Signal(config.unit_bits)
        left = Signal(range(RELOAD_FLUSH + 1))
        m.d.comb += [
            needed.eq(self.pending & (self.start | (self.wanted != self.mask))),
            self.unit.eq(record.unit_base + place),
            self.clear.eq(self.read & (place > counts[self.layer])),
            self.load_valid.eq(delayed(m, self.read, 2, "read")),
            self.zero.eq(delayed(m, self.clear, 2, "clear")),
        ]
        with m.If(self.host_loads):
            m.d.sync += self.mask.eq(self.host_mask)
        with m.If(self.host_ends):
            m.d.sync += counts[self.host_layer].eq(record.units)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.hold.eq(needed)
                with m.If(needed & self.quiet):
                    m.d.sync += [self.mask.eq(self.wanted), self.layer.eq(0), fresh.eq(self.start)]
                    m.next = "SELECT"
            with m.State("SELECT"):
                m.d.comb += [self.hold.eq(1), self.select.eq(1)]
                m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += self.hold.eq(1)
                with m.If(self.loaded):
                    with m.If(fresh):
                        m.next = "READY"
                    with m.Else():
                        m.d.comb += self.load_begin.eq(1)
                        m.d.sync += place.eq(0)
                        m.next = "READ"
            with m.State("READ"):
                m.d.comb += [self.hold.eq(1), self.read.eq(1)]
                m.d.sync += [place.eq(place + 1), left.eq(RELOAD_FLUSH)]
                with m.If(place == record.units[: config.unit_bits]):
                    m.next = "FLUSH"
            with m.State("FLUSH"):
                m.d.comb += self.hold.eq(1)
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.comb += self.load_end.eq(1)
                    # The last layer's record is also the first one's, or that is fetched once more.
                    m.d.sync += [
                        self.layer.eq(Mux(record.last_layer, 0, self.layer + 1)),
                        fresh.eq(record.last_layer),
                        self.changed.eq(record.last_layer),
                    ]
                    m.next = "SELECT"
                    with m.If(record.last_layer & (self.layer == 0)):
                        m.next = "READY"
            with m.State("READY"):
                with m.If(self.begins):
                    m.d.sync += self.changed.eq(0)
                    m.next = "IDLE"
        return m
