"""Descriptors and states: what stands while it is read, and that a change of the active count ends."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assert, Assume, Cover, Module, Signal

from hw_tests.formal.properties import Around, Fault, proves
from lstmith.rtl import program_store
from lstmith.rtl.cell import state_loader

#: Cycles of a change of one layer of two units, from any state of the counters.
LONGEST = 34


class LoaderBench(Around):
    """A change of the active count of a network of one layer; the host accesses nothing meanwhile."""

    def __init__(self) -> None:
        super().__init__(state_loader.StateLoader(layers=1, units=2, c_width=8, active_counts=2))

    def ask(self, m: Module, unit: Any) -> None:
        host = unit.host
        quiet = (host.begin, host.end, host.cell_read, host.cell_write, host.hidden_read, host.hidden_write)
        m.d.comb += [Assume(~signal) for signal in quiet]
        self.touches = unit.load.valid | unit.load.end | unit.state.hidden_read | unit.state.cell_write


@proves(
    "states change under hold",
    says="A change of the active count touches states only while it holds the next step back.",
    fault=Fault(
        state_loader,
        'm.State("FLUSH"):\n                m.d.comb += self.reload.hold.eq(1)',
        'm.State("FLUSH"):\n                m.d.comb += self.reload.hold.eq(0)',
    ),
    depth=14,
    cover=14,
)
class CoveredBench(LoaderBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        m.d.comb += [Assert(~self.touches | unit.reload.hold), Cover(unit.load.valid)]


@proves(
    "change of the active count ends",
    says="A change of the active count lets the next step begin after a bounded number of cycles.",
    fault=Fault(state_loader, "left.eq(left - 1)", "left.eq(left)"),
    depth=LONGEST + 6,
    cover=24,
)
class EndsBench(LoaderBench):
    def ask(self, m: Module, unit: Any) -> None:
        super().ask(m, unit)
        held = Signal(range(LONGEST + 2))
        with m.If(~unit.reload.hold):
            m.d.sync += held.eq(0)
        with m.Elif(held != LONGEST):
            m.d.sync += held.eq(held + 1)
        m.d.comb += [
            Assume(unit.loaded & unit.reload.quiet & unit.descriptor.last_layer & (unit.descriptor.units == 1)),
            Assert(held < LONGEST),
            Cover((held > 12) & ~unit.reload.hold),
        ]


@proves(
    "loaded descriptor stands",
    says="A descriptor that is loaded does not change until another one is asked for or written.",
    fault=Fault(program_store, "loaded.eq(~(fetching | waiting_valid | arrived_valid))", "loaded.eq(~fetching)"),
    depth=4,
    cover=24,
)
class DescriptorBench(Around):
    def __init__(self) -> None:
        super().__init__(program_store.ProgramStore(layers=2, active_counts=1))

    def ask(self, m: Module, unit: Any) -> None:
        value = unit.next.descriptor.as_value()
        loaded, before = Signal(), Signal.like(value)
        m.d.sync += [loaded.eq(unit.next.loaded), before.eq(value)]
        m.d.comb += [Assert(~loaded | (value == before)), Cover(unit.next.loaded & (unit.next.layer == 1))]
