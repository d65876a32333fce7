"""State loader: the host's accesses, and another active count between two steps, with the program store beside it."""

from __future__ import annotations

import itertools

import numpy as np
from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw_tests.checks import Check, Sheet, Table, assert_equal, run_here, wrap
from lstmith.rtl.cell.state_loader import StateLoader
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.rtl.program_store import ProgramStore
from lstmith.spec import latency as timing
from lstmith.spec import layer_descriptor
from lstmith.spec.config import ACTIVE_COUNTS, EngineConfig, bits_for


def _hidden(unit: object) -> object:
    """Stands for the h that the engine keeps of a unit."""
    return 3 * unit + 1  # type: ignore[operator]


def _loader(config: EngineConfig) -> StateLoader:
    return StateLoader(
        layers=config.layers, units=config.units, c_width=config.c_width, active_counts=config.active_counts
    )


class Renewal(wiring.Component):
    """A state loader with its program store; passes begin as in the sequencer, a step's layers one after the other.

    Members
    -------
    pending, start, restart, wanted, quiet
        The step that waits, and whether the engine is empty.
    host_*
        The host's loads.
    begins, layer, mask, changed
        A pass begins: whose, at which count, and whether its sums must be recomputed.
    units, record_layer
        Of the descriptor that is fetched.
    """

    def __init__(self, config: EngineConfig, descriptors: dict[int, list[int]]):
        self._config, self._descriptors = config, descriptors
        layer, mask = bits_for(config.layers), bits_for(ACTIVE_COUNTS)
        host = {name: In(1) for name in ("host_begin", "host_end", "host_hidden_write", "host_cell_write")}
        super().__init__(
            {
                "pending": In(1),
                "start": In(1),
                "restart": In(1),
                "wanted": In(mask),
                "quiet": In(1),
                **host,
                "host_layer": In(layer),
                "host_mask": In(mask),
                "host_place": In(config.unit_bits),
                "host_value": In(signed(32)),
                "begins": Out(1),
                "layer": Out(layer),
                "mask": Out(mask),
                "changed": Out(1),
                "hold": Out(1),
                "units": Out(16),
                "load_begin": Out(1),
                "load_end": Out(1),
                "load_valid": Out(1),
                "load_h": Out(signed(16)),
                "place": Out(config.unit_bits),
                "cell_write": Out(1),
                "cell_value": Out(signed(config.c_width)),
                "hidden_write": Out(1),
                "hidden_read": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.loader = loader = _loader(self._config)
        m.submodules.program = program = ProgramStore(
            layers=self._config.layers, active_counts=self._config.active_counts, descriptors=self._descriptors
        )
        in_step = Signal()
        wiring.connect(m, loader.select, program.select)
        m.d.comb += [
            self.begins.eq(
                program.next.loaded & Mux(program.next.layer == 0, self.pending & ~loader.reload.hold, in_step)
            ),
            program.next.advance.eq(self.begins),
            loader.reload.begins.eq(self.begins),
            loader.descriptor.eq(program.next.descriptor),
            loader.layer.eq(program.next.layer),
            loader.loaded.eq(program.next.loaded),
            # The state memory answers later.
            loader.state.hidden.eq(_hidden(delayed(m, loader.state.place, RAM_LATENCY, "unit"))),
            self.layer.eq(program.next.layer),
            self.units.eq(program.next.descriptor.units),
        ]
        for name in ("pending", "start", "restart", "wanted", "quiet"):
            m.d.comb += getattr(loader.reload, name).eq(getattr(self, name))
        for name in ("begin", "end", "layer", "mask", "place", "value", "hidden_write", "cell_write"):
            m.d.comb += getattr(loader.host, name).eq(getattr(self, f"host_{name}"))
        for name in ("mask", "changed", "hold"):
            m.d.comb += getattr(self, name).eq(getattr(loader.reload, name))
        for name in ("begin", "end", "valid", "h"):
            m.d.comb += getattr(self, f"load_{name}").eq(getattr(loader.load, name))
        for name in ("place", "cell_write", "cell_value", "hidden_write", "hidden_read"):
            m.d.comb += getattr(self, name).eq(getattr(loader.state, name))
        with m.If(self.begins):
            m.d.sync += in_step.eq(~program.next.descriptor.last_layer)
        return m


class _Course:
    """What is put in and what must come out of it, cycle by cycle."""

    def __init__(self, config: EngineConfig, counts: np.ndarray, *, skims: bool):
        self.config, self.counts, self.skims = config, counts, skims
        self.sheet = Sheet(12000)
        self.base = np.cumsum([0, *counts[:-1, 0]])
        # From selecting a descriptor to its being loaded.
        self.fetch = int(timing.renew(config, ())) - 2
        self.begins: list[tuple[int, int, int, bool]] = []  # cycle, layer, mask, changed
        self.reads: list[tuple[int, int]] = []  # cycle, unit
        self.listed: list[tuple[int, int]] = []  # cycle, h
        self.cleared: list[tuple[int, int]] = []  # cycle, unit
        self.loads: list[int] = []
        self.ends: list[int] = []
        self.last = [1] * config.layers  # units that each layer computed, or the host loaded, last
        self.mask = 0
        self.loaded = False  # the host did, and no step has begun since

    def host_load(self, rng: np.random.Generator, cycle: int, mask: int) -> int:
        """The host loads every layer's h at an active count; returns when it is done."""
        for layer, base in enumerate(self.base.tolist()):
            for name, value in (("begin", 1), ("layer", layer), ("mask", mask)):
                self.sheet.put(f"host_{name}", cycle, value)
            self.loads.append(cycle + self.fetch)
            cycle += self.fetch + 2
            for unit in range(base, base + int(self.counts[layer, mask])):
                value = int(rng.integers(-32768, 32768))
                for name, content in (("hidden_write", 1), ("place", unit), ("value", value)):
                    self.sheet.put(f"host_{name}", cycle, content)
                self.listed.append((cycle, value))
                cycle += int(rng.integers(1, 4))
            self.sheet.put("host_end", cycle + 10, 1)
            self.ends.append(cycle + 10)
            # After the load layer 0's descriptor is fetched at the same count.
            cycle += 11 + self.fetch
        self.mask, self.last, self.loaded = mask, self.counts[:, mask].tolist(), True
        return cycle

    def step(self, rng: np.random.Generator, cycle: int, mask: int, *, start: bool, restart: bool = False) -> int:
        """A step waits from ``cycle`` on, the engine is empty a little later; returns when its passes have begun.

        ``restart`` tells that states were loaded, though they were not.
        """
        quiet = cycle + int(rng.choice([0, 1, 30]))
        layers, at, changed, asked = self.config.layers, quiet, False, mask
        # Then all units have to be listed anew, as where a step asks for all of them.
        unlisted = self.skims and restart and not start and self.mask > 0
        restart = (self.loaded or restart) and not start
        if unlisted and mask:
            at += int(timing.renew(self.config, ())) - 1
            mask = 0
        if self.skims and (start or (restart and not unlisted)) and mask:
            # It computes all units, whatever it asks for, which is known from its own descriptor.
            begins = quiet + 2 * int(timing.renew(self.config, ())) - 1
            asked, mask = mask, 0
        elif start:
            begins = quiet + int(timing.renew(self.config, ()))
        elif mask == self.mask and not unlisted:
            # Nothing to do, so nothing to wait for.
            begins = cycle
        elif self.skims and mask:
            # The units that are left as they are stay listed.
            begins = quiet + int(timing.renew(self.config, ()))
        else:
            changed = True
            active = self.counts[:, mask]
            begins = at + int(timing.renew(self.config, active.tolist()))
            for layer, units in enumerate(active.tolist()):
                load = at + 1 + self.fetch
                self.loads.append(load)
                for place in range(units):
                    unit, read = int(self.base[layer]) + place, load + 1 + place
                    fresh = place >= self.last[layer] and not self.skims
                    self.reads.append((read, unit))
                    self.listed.append((read + RAM_LATENCY, 0 if fresh else int(_hidden(unit))))  # type: ignore[call-overload]
                    if fresh:
                        self.cleared.append((read, unit))
                at = load + units + 1 + timing.RELOAD_FLUSH
                self.ends.append(at)
        self.mask, self.loaded = mask, False
        self.sheet.put("quiet", slice(quiet, begins), 1)
        self.sheet.put("pending", slice(cycle, begins + 1), 1)
        self.sheet.put("start", slice(cycle, begins + 1), int(start))
        self.sheet.put("restart", slice(cycle, begins + 1), int(restart))
        self.sheet.put("wanted", slice(cycle, begins + 1), asked)
        for layer in range(layers):
            self.begins.append((begins, layer, mask, changed and layer == 0))
            begins += self.fetch if layers > 1 else 1
        self.last = self.counts[:, mask].tolist()
        return begins

    def verify(self, outputs: Table) -> None:
        at, layer, mask, changed = np.array(self.begins).T
        assert_equal("cycles of passes", np.flatnonzero(outputs["begins"]), at)
        assert_equal("layers", outputs["layer"][at], layer)
        assert_equal("counts in force", outputs["mask"][at], mask)
        assert_equal("descriptors", outputs["units"][at], self.counts[layer, mask] - 1)
        first = layer == 0
        assert_equal("changes", outputs["changed"][at[first]], changed[first])
        assert_equal("load_begin", np.flatnonzero(outputs["load_begin"]), self.loads)
        assert_equal("load_end", np.flatnonzero(outputs["load_end"]), self.ends)
        for strobe, port, events in (
            ("load_valid", "load_h", self.listed),
            ("hidden_read", "place", self.reads),
            ("cell_write", "place", self.cleared),
        ):
            cycles, values = np.array(events, dtype=np.int64).reshape(-1, 2).T
            assert_equal(f"cycles of {strobe}", np.flatnonzero(outputs[strobe]), cycles)
            assert_equal(f"{port} at {strobe}", outputs[port][cycles], values)
        assert not outputs["cell_value"][outputs["cell_write"] == 1].any()


def _renewal_check(rng: np.random.Generator, layers: int, *, skims: bool = False) -> Check:
    """Starts, steps at the count in force, growing and shrinking counts, and loads by the host between them."""
    active_counts = 2 if skims else 4
    config = EngineConfig(lanes=2, precisions=(8,), layers=layers, units=64, active_counts=active_counts)
    # By layer and index, descending.
    counts = np.sort(rng.choice(np.arange(1, 10), (layers, active_counts), replace=True), axis=1)[:, ::-1]
    counts = counts + np.arange(active_counts)[::-1]
    course = _Course(config, counts, skims=skims)
    descriptors = {}
    for mask, layer in itertools.product(range(active_counts), range(layers)):
        values = dict.fromkeys(layer_descriptor.FIELDS, 0) | {"unit_base": int(course.base[layer])}
        values |= {"units": int(counts[layer, mask]) - 1, "last_layer": int(layer == layers - 1), "skims": int(skims)}
        descriptors[mask << config.layer_bits | layer] = layer_descriptor.pack(values)
    cycle = 40
    for step in itertools.count():
        if cycle > course.sheet.cycles - 700:
            break
        mask = int(rng.integers(active_counts))
        if step and rng.random() < 0.15:
            # A network that skims has all units' states loaded.
            cycle = course.host_load(rng, cycle, 0 if skims else int(rng.integers(active_counts)))
        mask = course.mask if rng.random() < 0.3 else mask
        start, restart = step == 0 or rng.random() < 0.2, skims and rng.random() < 0.3
        cycle = course.step(rng, cycle, mask, start=start, restart=restart) + int(rng.choice([20, 50]))
    assert any(changed for *_, changed in course.begins)
    assert bool(course.cleared) is not skims
    return Check(Renewal(config, descriptors), course.sheet.table, course.verify)


def _host_check(rng: np.random.Generator) -> Check:
    """Without active counts: the host's accesses at random, of layers whose descriptors come late."""
    config, cycles = EngineConfig(lanes=1, precisions=(8,), layers=3, units=8, c_width=20), 1200
    table = {name: (rng.random(cycles) < 0.1).astype(np.int64) for name in ("host.begin", "host.end")}
    table["host.end"] &= 1 - table["host.begin"]
    names = "host.cell_read", "host.cell_write", "host.hidden_write", "host.hidden_read", "loaded"
    table |= {name: (rng.random(cycles) < 0.5).astype(np.int64) for name in names}
    table |= {"host.layer": rng.integers(0, 3, cycles), "host.place": rng.integers(0, 8, cycles)}
    table["host.value"] = rng.integers(-(1 << 31), 1 << 31, cycles)
    waits, ready = False, []
    for cycle in range(cycles):
        selects = table["host.begin"][cycle] or table["host.end"][cycle]
        ready.append(int(waits and bool(table["loaded"][cycle]) and not selects))
        waits = bool(table["host.begin"][cycle]) or (waits and not ready[-1])
    same = {"load.end": "host.end", "load.valid": "host.hidden_write", "state.place": "host.place"}
    same |= {f"state.{name}": f"host.{name}" for name in ("cell_write", "hidden_write", "hidden_read", "cell_read")}

    def verify(outputs: Table) -> None:
        for name, source in same.items():
            assert_equal(name, outputs[name][:cycles], table[source])
        assert_equal("load_begin", outputs["load.begin"][:cycles], ready)
        assert_equal("select", outputs["select.valid"][:cycles], table["host.begin"] | table["host.end"])
        assert_equal("layer_select", outputs["select.layer"][:cycles], table["host.layer"] * table["host.begin"])
        assert_equal("load_h", outputs["load.h"][:cycles], wrap(table["host.value"], 16))
        assert_equal("cell_value", outputs["state.cell_value"][:cycles], wrap(table["host.value"], config.c_width))

    return Check(_loader(config), table, verify)


def _named_check(rng: np.random.Generator) -> Check:
    """Programs, counts and layers that the host names: while it begins its own, then those that it began with last."""
    cycles, programs = 1200, 5
    unit = StateLoader(layers=3, units=8, c_width=20, programs=programs)
    table = {name: (rng.random(cycles) < 0.1).astype(np.int64) for name in ("host.begin", "host.end")}
    table["host.end"] &= 1 - table["host.begin"]
    sizes = {"layer": 3, "mask": 8, "program": programs}
    table |= {f"host.{name}": rng.integers(0, size, cycles) for name, size in sizes.items()}
    begins = table["host.begin"] == 1
    last = np.maximum.accumulate(np.where(begins, np.arange(cycles), -1))

    def verify(outputs: Table) -> None:
        for name in ("mask", "program"):
            named = np.where(last < 0, 0, table[f"host.{name}"][last])
            assert_equal(f"select.{name}", outputs[f"select.{name}"][:cycles], named)
        # What is in force for the next step is what the host loaded states for.
        in_force = np.where(last < 0, 0, table["host.mask"][last])
        assert_equal("reload.mask", outputs["reload.mask"][1 : cycles + 1], in_force)

    return Check(unit, table, verify)


def _sequence_check(rng: np.random.Generator) -> Check:
    """Of two sequences, the host's states are those of the one that it named when it began."""
    cycles = 400
    unit = StateLoader(layers=1, units=8, c_width=20, sequences=2)
    begins, sequence = rng.random(cycles) < 0.1, rng.integers(0, 2, cycles)
    last = np.maximum.accumulate(np.where(begins, np.arange(cycles), -1))
    want = np.where(last < 0, 0, sequence[last])

    def verify(outputs: Table) -> None:
        assert_equal("load.sequence", outputs["load.sequence"][1 : cycles + 1], want)

    return Check(unit, {"host.begin": begins.astype(np.int64), "host.sequence": sequence}, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """The host alone, with programs and with sequences; then several active counts, of one layer and of a stack."""
    alone = {"host": _host_check(rng), "named": _named_check(rng), "sequences": _sequence_check(rng)}
    skims = {f"skims_{layers}": _renewal_check(rng, layers, skims=True) for layers in (1, 2)}
    return alone | {f"layers_{layers}": _renewal_check(rng, layers) for layers in (1, 3)} | skims


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
