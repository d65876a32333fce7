"""State loader: cell state and h outside a pass, for the host, for another active count and for another program."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.host_interfaces import HostStatesSignature, StateAccessSignature
from lstmith.rtl.interfaces import DescriptorSelectSignature, ReloadSignature, StateLoadSignature
from lstmith.rtl.layouts import descriptor_layout
from lstmith.rtl.prim import parameters as check
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec.config import ACTIVE_COUNTS, PROGRAMS, bits_for, index_bits
from lstmith.spec.latency import RELOAD_FLUSH
from lstmith.spec.registers import DATA_BITS


class StateLoader(wiring.Component):
    """Passes the host's accesses on, and switches between active counts and programs by itself.

    The host loads a layer's h between ``host.begin`` and ``host.end``; the load begins when the layer's descriptor has
    been fetched. It writes cell state whenever it likes.

    With several active counts or programs the loader fetches the descriptors of a step's count and program before
    the step begins. In mid-sequence, and where a program begins in states that are there, the engine drains first.
    Then every layer's active h is read and encoded as it is when the host loads a state; units that were inactive
    before begin at h = c = 0; and the step that follows recomputes its sums. At a sequence's start only the
    descriptor is fetched, as where a program skims: a step of fewer units goes on with the sums that they have, and
    a step of all units finds the others as they were. The first step of a sequence computes all units, whatever it
    asks for: nothing may be left of an earlier sequence, and no unit may be missing in the lists.
    ``spec.latency.renew`` says how many cycles a switch takes. The host must not access states meanwhile.

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
    programs : int
        Programs, 1 to ``PROGRAMS``.

    Members
    -------
    host : In(HostStatesSignature)
        Accesses by the host.
    reload : In(ReloadSignature)
        What pass control knows of the step that waits.
    descriptor : In(descriptor_layout(counts=active_counts > 1))
        The descriptor that the program store holds; valid with ``loaded``.
    layer : In(range(layers))
        Its layer.
    loaded : In(1)
        The program store has fetched the descriptor it was asked for; valid always.
    select : Out(DescriptorSelectSignature)
        Asks the program store for a descriptor.
    load : Out(StateLoadSignature)
        A layer's h, listed anew; its descriptor is in ``descriptor`` from ``load.begin`` on.
    state : Out(StateAccessSignature)
        The state memories.

    Raises
    ------
    TypeError
        If a parameter is no integer.
    ValueError
        If a parameter is out of range.
    """

    def __init__(
        self,
        *,
        layers: int,
        units: int,
        c_width: int,
        sequences: int = 1,
        active_counts: int = 1,
        programs: int = 1,
    ):
        self._layers = check.integer("State loader layers", layers, 1)
        self._units = check.integer("State loader units", units, 1)
        self._sequences = check.integer("State loader sequences", sequences, 1, 2)
        self._active_counts = check.integer("State loader active_counts", active_counts, 1, ACTIVE_COUNTS)
        self._programs = check.integer("State loader programs", programs, 1, PROGRAMS)
        if active_counts * programs > 1 and sequences > 1:
            raise ValueError(f"State loader sequences must be 1 with several counts or programs, not {sequences!r}")
        check.integer("State loader c_width", c_width, 1, DATA_BITS)
        sizes = {"units": units, "sequences": sequences, "c_width": c_width}
        super().__init__(
            {
                "host": In(HostStatesSignature(layers=layers, **sizes)),
                "reload": In(ReloadSignature(counts=active_counts > 1)),
                "descriptor": In(descriptor_layout(counts=active_counts > 1)),
                "layer": In(bits_for(layers)),
                "loaded": In(1),
                "select": Out(DescriptorSelectSignature(layers=layers)),
                "load": Out(StateLoadSignature()),
                "state": Out(StateAccessSignature(**sizes)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        host, load, state, select = self.host, self.load, self.state, self.select
        # The host's load begins when the layer's descriptor has been fetched.
        waits, host_ready = Signal(), Signal()
        host_mask, host_program = Signal.like(host.mask), Signal.like(host.program)
        m.d.comb += host_ready.eq(waits & self.loaded & ~select.valid)
        with m.If(host.begin):
            m.d.sync += [waits.eq(1), host_mask.eq(host.mask), host_program.eq(host.program)]
            if self._sequences > 1:
                m.d.sync += load.sequence.eq(host.sequence)
        with m.Elif(host_ready):
            m.d.sync += waits.eq(0)
        m.d.comb += [
            select.valid.eq(host.begin | host.end),
            select.layer.eq(Mux(host.begin, host.layer, 0)),
            select.mask.eq(Mux(host.begin, host.mask, host_mask)),
            select.program.eq(Mux(host.begin, host.program, host_program)),
            load.begin.eq(host_ready),
            load.end.eq(host.end),
            load.valid.eq(host.hidden_write),
            load.h.eq(host.value[: len(load.h)].as_signed()),
            state.place.eq(host.place),
            state.cell_read.eq(host.cell_read),
            state.cell_write.eq(host.cell_write),
            state.cell_value.eq(host.value),
            state.hidden_read.eq(host.hidden_read),
            state.hidden_write.eq(host.hidden_write),
            state.hidden_value.eq(load.h),
            host.cell.eq(state.cell),
            host.hidden.eq(state.hidden),
        ]
        if self._active_counts * self._programs > 1:
            self._elaborate_switch(m)
        return m

    def _elaborate_switch(self, m: Module) -> None:
        """Another active count or program: what it does to the states overrides the host's accesses: there are none."""
        descriptor, unit = self.descriptor, Signal(bits_for(self._units))
        needed, reads, clears, layer = Signal(), Signal(), Signal(), Signal.like(self.select.layer)
        if self._active_counts > 1:
            # Units that each layer computed last.
            counts = Array(Signal(len(unit), name=f"count_{layer}") for layer in range(self._layers))
            with m.If(self.reload.begins | self.host.end):
                m.d.sync += counts[self.layer].eq(descriptor.units)
            m.d.comb += clears.eq(reads & (unit > counts[layer]) & ~descriptor.skims)
        program = Signal(max(1, index_bits(self._programs)))  # in force
        others = (self.reload.wanted != self.reload.mask) | (self.reload.program[: len(program)] != program)
        with m.If(self.host.begin):
            m.d.sync += [self.reload.mask.eq(self.host.mask), program.eq(self.host.program)]
        # A network that skims and is told that states were loaded, when none were, has a list of few units.
        short: Value = Const(0)
        if self._active_counts > 1:
            short = descriptor.skims & self.reload.restart & (self.reload.mask != 0)
        m.d.comb += needed.eq(self.reload.pending & (self.reload.start | others | short))
        with m.If(reads):
            m.d.comb += [
                self.state.place.eq(descriptor.unit_base + unit),
                self.state.hidden_read.eq(1),
                self.state.cell_value.eq(0),
                self.state.cell_write.eq(clears),
            ]
        # An h is listed when it has been read; that of a unit that was inactive counts as zero.
        zero = delayed(m, clears, RAM_LATENCY, "clear")
        with m.If(delayed(m, reads, RAM_LATENCY, "read")):
            m.d.comb += [self.load.valid.eq(1), self.load.h.eq(Mux(zero, 0, self.state.hidden))]
        self._elaborate_states(m, needed, short, reads, unit, layer, program)

    def _elaborate_states(
        self, m: Module, needed: Signal, short: Value, reads: Signal, unit: Signal, layer: Signal, program: Signal
    ) -> None:
        """Fetch a layer's descriptor, read and list its h, and go on to the next layer."""
        descriptor, left, fresh = self.descriptor, Signal(range(RELOAD_FLUSH + 1)), Signal()
        # Whether a step leaves units as they are; whether it is a first one, and must not.
        skims: Value = Const(0)
        whole: Value = Const(0)
        if self._active_counts > 1:
            skims = descriptor.skims & (self.reload.wanted != 0)
            whole = descriptor.skims & (self.reload.start | self.reload.restart)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.reload.hold.eq(needed)
                with m.If(needed & self.reload.quiet):
                    m.d.sync += [self.reload.mask.eq(self.reload.wanted), layer.eq(0), program.eq(self.reload.program)]
                    m.d.sync += fresh.eq(self.reload.start | (skims & ~short))
                    m.next = "SELECT"
            with m.State("SELECT"):
                m.d.comb += [
                    self.reload.hold.eq(1),
                    self.select.valid.eq(1),
                    self.select.layer.eq(layer),
                    self.select.mask.eq(self.reload.mask),
                    self.select.program.eq(program),
                ]
                m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += self.reload.hold.eq(1)
                with m.If(self.loaded):
                    with m.If(whole & (self.reload.mask != 0)):
                        m.d.sync += self.reload.mask.eq(0)
                        m.next = "SELECT"
                    with m.Elif(fresh):
                        m.next = "READY"
                    with m.Else():
                        m.d.comb += self.load.begin.eq(1)
                        m.d.sync += unit.eq(0)
                        m.next = "READ"
            with m.State("READ"):
                m.d.comb += [self.reload.hold.eq(1), reads.eq(1)]
                m.d.sync += [unit.eq(unit + 1), left.eq(RELOAD_FLUSH)]
                with m.If(unit == descriptor.units[: len(unit)]):
                    m.next = "FLUSH"
            with m.State("FLUSH"):
                m.d.comb += self.reload.hold.eq(1)
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.d.comb += self.load.end.eq(1)
                    # The last layer's descriptor is also the first one's, or that is fetched once more.
                    m.d.sync += [
                        layer.eq(Mux(descriptor.last_layer, 0, layer + 1)),
                        fresh.eq(descriptor.last_layer),
                        self.reload.changed.eq(descriptor.last_layer),
                    ]
                    m.next = "SELECT"
                    with m.If(descriptor.last_layer & (layer == 0)):
                        m.next = "READY"
            with m.State("READY"):
                with m.If(self.reload.begins):
                    m.d.sync += self.reload.changed.eq(0)
                    m.next = "IDLE"
