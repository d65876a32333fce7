"""State loader: reads and writes cell state and h outside a pass, for the host or for another active count."""

from __future__ import annotations

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.cell.state_memory import state_bits
from lstmith.rtl.layouts import descriptor_layout
from lstmith.rtl.prim import parameters as check
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec.config import ACTIVE_COUNTS, H_FRAC, bits_for
from lstmith.spec.latency import RELOAD_FLUSH
from lstmith.spec.registers import DATA_BITS


class StateLoader(wiring.Component):
    """Passes the host's accesses on, and switches between active counts by itself.

    The host loads a layer's h between ``host_begin`` and ``host_end``; the load begins when the layer's descriptor has
    been fetched. It writes cell state whenever it likes.

    With several active counts the loader fetches the descriptors of a step's count before the step begins. In
    mid-sequence the engine drains first. Then every layer's active h is read and encoded as it is when the host loads a
    state; units that were inactive before begin at h = c = 0; and the step that follows recomputes its sums. At a
    sequence's start only the descriptor is fetched. ``spec.latency.renew`` says how many cycles a switch takes. The
    host must not access states meanwhile.

    Parameters
    ----------
    layers : int
        Most layers of a network.
    units : int
        Units of all layers together.
    c_width : int
        Signed width of a cell state.
    sequences : int
        Sequences that may be in flight at once, 1 or 2.
    active_counts : int
        Active counts, 1 to ``ACTIVE_COUNTS``.

    Members
    -------
    host_begin : In(1)
        The host begins to load the h of a layer, for one cycle.
    host_layer : In(range(layers))
        That layer; valid with ``host_begin``.
    host_mask : In(range(MASKS))
        Index of the active count that it is loaded at; valid with ``host_begin``.
    host_sequence : In(1)
        The sequence that it is loaded for; valid with ``host_begin``.
    host_end : In(1)
        The host has written all h of the layer, for one cycle.
    host_place : In(state_bits)
        Place in the state memories that the host reads or writes; valid with the following strobes.
    host_value : In(signed(DATA_BITS))
        Value that the host writes; valid with the strobes of writes.
    host_cell_write : In(1)
        The host writes a cell state, for one cycle.
    host_hidden_write : In(1)
        The host writes an h, which is also listed, for one cycle.
    host_hidden_read : In(1)
        The host reads an h, for one cycle.
    pending : In(1)
        A step waits to begin; valid always.
    start : In(1)
        The waiting step starts a sequence; valid with ``pending``.
    wanted : In(range(MASKS))
        Index of the waiting step's active count; valid with ``pending``.
    quiet : In(1)
        Nothing is in flight; valid always.
    begins : In(1)
        A pass begins, for one cycle.
    begins_layer : In(range(layers))
        The layer of that pass; valid with ``begins``.
    descriptor : In(descriptor_layout)
        The descriptor that the program store holds; valid with ``loaded`` and ``begins``.
    loaded : In(1)
        The program store has fetched the descriptor it was asked for; valid always.
    loaded_layer : In(range(layers))
        The layer of ``descriptor``; valid with ``host_end``.
    hidden : In(signed(H_FRAC + 1))
        The h at the place of ``RAM_LATENCY`` cycles ago, Q1.15.
    hold : Out(1)
        No pass may begin; valid always.
    changed : Out(1)
        The step that begins next must recompute its sums; valid always.
    mask : Out(range(MASKS))
        Index of the active count in force; valid always.
    select : Out(1)
        Asks the program store for a descriptor, for one cycle.
    layer_select : Out(range(layers))
        The layer of that descriptor; valid with ``select``.
    mask_select : Out(range(MASKS))
        Index of the active count of that descriptor; valid with ``select``.
    load_begin : Out(1)
        A layer's h is listed anew from the next cycle on, for one cycle; its descriptor is in ``descriptor``.
    load_end : Out(1)
        All h of the layer have been listed, for one cycle.
    load_valid : Out(1)
        The next h of the layer, in the order of units, for one cycle.
    load_sequence : Out(1)
        The sequence that is loaded; valid from ``load_begin`` to ``load_end``.
    load_h : Out(signed(H_FRAC + 1))
        That h, Q1.15; valid with ``load_valid``.
    place : Out(state_bits)
        Place in the state memories; valid with the following strobes.
    cell_value : Out(signed(c_width))
        Cell state to write; valid with ``cell_write``.
    cell_write : Out(1)
        Writes a cell state, for one cycle.
    hidden_write : Out(1)
        Writes ``load_h``, for one cycle.
    hidden_read : Out(1)
        Reads an h, for one cycle.

    Raises
    ------
    TypeError
        If a parameter is no integer.
    ValueError
        If a parameter is out of range.
    """

    def __init__(self, *, layers: int, units: int, c_width: int, sequences: int = 1, active_counts: int = 1):
        self._layers = check.integer("State loader layers", layers, 1)
        self._units = check.integer("State loader units", units, 1)
        self._sequences = check.integer("State loader sequences", sequences, 1, 2)
        self._masks = check.integer("State loader masks", active_counts, 1, ACTIVE_COUNTS)
        if active_counts > 1 and sequences > 1:
            raise ValueError(f"State loader sequences must be 1 with several active counts, not {sequences!r}")
        check.integer("State loader c_width", c_width, 1, DATA_BITS)
        layer, mask, h = bits_for(layers), bits_for(ACTIVE_COUNTS), signed(H_FRAC + 1)
        place = state_bits(units=units, sequences=sequences)
        super().__init__(
            {
                "host_begin": In(1),
                "host_layer": In(layer),
                "host_mask": In(mask),
                "host_sequence": In(1),
                "host_end": In(1),
                "host_place": In(place),
                "host_value": In(signed(DATA_BITS)),
                "host_cell_write": In(1),
                "host_hidden_write": In(1),
                "host_hidden_read": In(1),
                "pending": In(1),
                "start": In(1),
                "wanted": In(mask),
                "quiet": In(1),
                "begins": In(1),
                "begins_layer": In(layer),
                "descriptor": In(descriptor_layout()),
                "loaded": In(1),
                "loaded_layer": In(layer),
                "hidden": In(h),
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
                "load_h": Out(h),
                "place": Out(place),
                "cell_value": Out(signed(c_width)),
                "cell_write": Out(1),
                "hidden_write": Out(1),
                "hidden_read": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # The host's load begins when the layer's descriptor has been fetched.
        waits, host_ready, host_mask = Signal(), Signal(), Signal.like(self.host_mask)
        m.d.comb += host_ready.eq(waits & self.loaded & ~self.select)
        with m.If(self.host_begin):
            m.d.sync += [waits.eq(1), host_mask.eq(self.host_mask)]
            if self._sequences > 1:
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
            self.load_h.eq(self.host_value[: len(self.load_h)].as_signed()),
            self.place.eq(self.host_place),
            self.cell_value.eq(self.host_value),
            self.cell_write.eq(self.host_cell_write),
            self.hidden_write.eq(self.host_hidden_write),
            self.hidden_read.eq(self.host_hidden_read),
        ]
        if self._masks > 1:
            self._elaborate_switch(m)
        return m

    def _elaborate_switch(self, m: Module) -> None:
        """Another active count: what it does to the states overrides the host's accesses, of which there are none."""
        descriptor, unit = self.descriptor, Signal(bits_for(self._units))
        # Units that each layer computed last.
        counts = Array(Signal(len(unit), name=f"count_{layer}") for layer in range(self._layers))
        with m.If(self.begins):
            m.d.sync += counts[self.begins_layer].eq(descriptor.units)
        with m.If(self.host_begin):
            m.d.sync += self.mask.eq(self.host_mask)
        with m.If(self.host_end):
            m.d.sync += counts[self.loaded_layer].eq(descriptor.units)
        needed, reads, clears, layer = Signal(), Signal(), Signal(), Signal.like(self.layer_select)
        m.d.comb += [
            needed.eq(self.pending & (self.start | (self.wanted != self.mask))),
            clears.eq(reads & (unit > counts[layer])),
        ]
        with m.If(reads):
            m.d.comb += [
                self.place.eq(descriptor.unit_base + unit),
                self.hidden_read.eq(1),
                self.cell_value.eq(0),
                self.cell_write.eq(clears),
            ]
        # An h is listed when it has been read; that of a unit that was inactive counts as zero.
        zero = delayed(m, clears, RAM_LATENCY, "clear")
        with m.If(delayed(m, reads, RAM_LATENCY, "read")):
            m.d.comb += [self.load_valid.eq(1), self.load_h.eq(Mux(zero, 0, self.hidden))]
        self._elaborate_states(m, needed, reads, unit, layer)

    def _elaborate_states(self, m: Module, needed: Signal, reads: Signal, unit: Signal, layer: Signal) -> None:
        """Fetch a layer's descriptor, read and list its h, and go on to the next layer."""
        descriptor, left, fresh = self.descriptor, Signal(range(RELOAD_FLUSH + 1)), Signal()
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.hold.eq(needed)
                with m.If(needed & self.quiet):
                    m.d.sync += [self.mask.eq(self.wanted), layer.eq(0), fresh.eq(self.start)]
                    m.next = "SELECT"
            with m.State("SELECT"):
                m.d.comb += [
                    self.hold.eq(1),
                    self.select.eq(1),
                    self.layer_select.eq(layer),
                    self.mask_select.eq(self.mask),
                ]
                m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += self.hold.eq(1)
                with m.If(self.loaded):
                    with m.If(fresh):
                        m.next = "READY"
                    with m.Else():
                        m.d.comb += self.load_begin.eq(1)
                        m.d.sync += unit.eq(0)
                        m.next = "READ"
            with m.State("READ"):
                m.d.comb += [self.hold.eq(1), reads.eq(1)]
                m.d.sync += [unit.eq(unit + 1), left.eq(RELOAD_FLUSH)]
                with m.If(unit == descriptor.units[: len(unit)]):
                    m.next = "FLUSH"
            with m.State("FLUSH"):
                m.d.comb += self.hold.eq(1)
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.comb += self.load_end.eq(1)
                    # The last layer's descriptor is also the first one's, or that is fetched once more.
                    m.d.sync += [
                        layer.eq(Mux(descriptor.last_layer, 0, layer + 1)),
                        fresh.eq(descriptor.last_layer),
                        self.changed.eq(descriptor.last_layer),
                    ]
                    m.next = "SELECT"
                    with m.If(descriptor.last_layer & (layer == 0)):
                        m.next = "READY"
            with m.State("READY"):
                with m.If(self.begins):
                    m.d.sync += self.changed.eq(0)
                    m.next = "IDLE"
