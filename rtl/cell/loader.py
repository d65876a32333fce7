"""Loader: who reads and writes cell state and h outside a pass, the host or a change of the active count."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.cell.reload import Reload
from lstmith.rtl.layouts import descriptor_layout
from lstmith.spec.config import ACTIVE_COUNTS, EngineConfig, bits_for


class Loader(wiring.Component):
    """Merges the host's accesses with those of :class:`Reload`, which happen while the host may not access.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    host_begin, host_layer, host_mask, host_sequence, host_end
        The host begins or ends to load a layer's h, at an active count.
    host_place, host_value, host_cell_write, host_hidden_write, host_hidden_read
        The host's access to the state memories.
    pending, start, wanted, quiet, begins, begins_layer
        See :class:`Reload`.
    record, loaded, loaded_layer
        Program store.
    hidden
        h that was read, two cycles after ``hidden_read``.
    hold, changed, mask
        See :class:`Reload`.
    select, layer_select, mask_select
        To the program store.
    load_begin, load_end, load_valid, load_sequence, load_h
        To the feedback.
    place, cell_value, cell_write, hidden_write, hidden_read
        To the state memories.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        layer, mask = bits_for(config.layers), bits_for(ACTIVE_COUNTS)
        super().__init__(
            {
                "host_begin": In(1),
                "host_layer": In(layer),
                "host_mask": In(mask),
                "host_sequence": In(1),
                "host_end": In(1),
                "host_place": In(config.state_bits),
                "host_value": In(signed(32)),
                "host_cell_write": In(1),
                "host_hidden_write": In(1),
                "host_hidden_read": In(1),
                "pending": In(1),
                "start": In(1),
                "wanted": In(mask),
                "quiet": In(1),
                "begins": In(1),
                "begins_layer": In(layer),
                "record": In(descriptor_layout()),
                "loaded": In(1),
                "loaded_layer": In(layer),
                "hidden": In(signed(16)),
                "hold": Out(1),
                "changed": Out(1),
                "mask": Out(mask),
                "select": Out(1),
                "layer_select": Out(layer),
                "mask_select": Out(mask),
                "load_begin": Out(1),
                "load_end": Out(1),
                "load_valid": Out(1),
                "load_sequence": Out(1),
                "load_h": Out(signed(16)),
                "place": Out(config.state_bits),
                "cell_value": Out(signed(config.c_width)),
                "cell_write": Out(1),
                "hidden_write": Out(1),
                "hidden_read": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The host's load begins when the layer's record has been fetched.
        waits, host_ready, host_mask = Signal(), Signal(), Signal.like(self.host_mask)
        m.d.comb += host_ready.eq(waits & self.loaded & ~self.select)
        with m.If(self.host_begin):
            m.d.sync += [waits.eq(1), host_mask.eq(self.host_mask)]
            if self._config.sequences > 1:
                m.d.sync += self.load_sequence.eq(self.host_sequence)
        with m.Elif(host_ready):
            m.d.sync += waits.eq(0)
        m.d.comb += [
            self.select.eq(self.host_begin | self.host_end),
            self.layer_select.eq(Mux(self.host_begin, self.host_layer, 0)),
            self.mask_select.eq(Mux(self.host_begin, self.host_mask, host_mask)),
            self.load_begin.eq(host_ready),
            self.load_end.eq(self.host_end),
            self.load_valid.eq(self.host_hidden_write),
            self.load_h.eq(self.host_value[:16].as_signed()),
            self.place.eq(self.host_place),
            self.cell_value.eq(self.host_value),
            self.cell_write.eq(self.host_cell_write),
            self.hidden_write.eq(self.host_hidden_write),
            self.hidden_read.eq(self.host_hidden_read),
        ]
        if self._config.active_counts > 1:
            self._elaborate_reload(m)
        return m

    def _elaborate_reload(self, m: Module) -> None:
        m.submodules.reload = reload = Reload(self._config)
        m.d.comb += [
            reload.pending.eq(self.pending),
            reload.start.eq(self.start),
            reload.wanted.eq(self.wanted),
            reload.quiet.eq(self.quiet),
            reload.begins.eq(self.begins),
            reload.begins_layer.eq(self.begins_layer),
            reload.host_mask.eq(self.host_mask),
            reload.host_loads.eq(self.host_begin),
            reload.host_ends.eq(self.host_end),
            reload.host_layer.eq(self.loaded_layer),
            reload.record.eq(self.record),
            reload.loaded.eq(self.loaded),
            self.hold.eq(reload.hold),
            self.changed.eq(reload.changed),
            self.mask.eq(reload.mask),
        ]
        # The last value is listed two cycles after it is read.
        with m.If(reload.select):
            m.d.comb += [self.select.eq(1), self.layer_select.eq(reload.layer), self.mask_select.eq(reload.mask)]
        with m.If(reload.load_begin):
            m.d.comb += self.load_begin.eq(1)
        with m.If(reload.load_end):
            m.d.comb += self.load_end.eq(1)
        with m.If(reload.load_valid):
            m.d.comb += [self.load_valid.eq(1), self.load_h.eq(Mux(reload.zero, 0, self.hidden))]
        with m.If(reload.read):
            m.d.comb += [
                self.place.eq(reload.unit),
                self.hidden_read.eq(1),
                self.cell_value.eq(0),
                self.cell_write.eq(reload.clear),
            ]
