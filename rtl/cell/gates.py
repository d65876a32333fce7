"""Gate pipeline: kept sums, requantisation and activation of every row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.cell.activation import Activation
from lstmith.rtl.cell.requantise import Z13_BITS, Requantiser
from lstmith.rtl.cell.squash import SquashUnit, gate_bits
from lstmith.rtl.layouts import RowParameters, RowScale, of_sequence, rows_layout, sequence_of
from lstmith.rtl.prim.arith import delayed, delayed_long
from lstmith.rtl.prim.ram import BLOCK, RAM_LATENCY, Ram
from lstmith.spec.codes import Gate, Kind, Squash
from lstmith.spec.config import ACTIVE_COUNTS, PEEP_BITS, PROGRAMS, EngineConfig, bits_for
from lstmith.spec.layer_descriptor import FIELDS


class GatePipeline(wiring.Component):
    """Row sums to gate values, ``rows_per_cycle`` rows per cycle; without delta no sums are kept.

    Way w serves gates w, w + ways, ...; each way has its own banks of sums and row parameters. Parameters are read when
    they are needed, since a row's place waits in fewer registers than its parameters would.

    Parameters
    ----------
    config : EngineConfig
        The gate pipeline reads what :class:`.requantise.Requantiser` does, and ``rows_per_cycle``, ``units``,
        ``sequences``, ``active_counts``, ``programs`` and ``delta``.
    row_init : sequence of sequence of dict
        Initial row parameters, as :class:`.requantise.RowParameters`, by unit and gate.

    Members
    -------
    rows : In(rows_layout)
        Rows whose sums come ``RAM_LATENCY`` cycles later; valid with ``rows_valid``.
    rows_valid : In(1)
        There are rows; valid always.
    sums : In(signed(acc_width)), one per way
        Sums of this step's columns, ``RAM_LATENCY`` cycles after ``rows``.
    clear : In(sequences)
        A bit per sequence: its kept sums count as zero; beside ``sums``.
    mask : In(range(MASKS))
        Index of the active count, which chooses the row parameters; valid from ``rows`` to ``gates``.
    program : In(range(PROGRAMS))
        The program, likewise.
    row_mask : In(range(MASKS))
        Index of the active count of row parameters to write; valid with ``row_write``.
    row_program : In(range(PROGRAMS))
        Their program; valid with ``row_write``.
    row_unit : In(range(units))
        Their unit; valid with ``row_write``.
    row_gate : In(Gate)
        Their gate; valid with ``row_write``.
    row_data : In(RowParameters)
        Those parameters; valid with ``row_write``.
    row_write : In(1)
        Writes a row's parameters at the end of this cycle.
    o_rows : Out(rows_layout)
        Rows whose gates leave, ``latency`` cycles after ``sums``; valid with ``o_valid``.
    o_valid : Out(1)
        Rows leave; valid always.
    next_place : Out(state_bits)
        Place in the state memories of the rows that leave ``place_lead`` cycles later.
    gates : Out(signed(gate_bits)), one per way
        Gate values, Q1.15; beside ``o_rows``. Of other kinds than the LSTM those of gates i and g are the
        pre-activations, Q5.12.
    z13 : Out(signed(Z13_BITS))
        The last way's pre-activation with 13 fraction bits, ``z13_lead`` cycles before its gate.
    kind : In(FIELDS["kind"]), one per sequence
        Kind of the layer that drains, valid from ``sums`` to ``gates``; in an engine with other kinds than the LSTM.
    peep : In(signed(PEEP_BITS)), one per way that serves gates i or f
        Peephole weights, beside ``sums``. With peepholes only, as the following ports.
    c : In(signed(c_width))
        Cell state of the rows' unit, beside ``sums``.
    peep_shift : In(FIELDS["peep_shift"])
        Right shift of their product, beside ``sums``.
    """

    def __init__(self, config: EngineConfig, row_init: Sequence[Sequence[dict[str, Any]]] = ()):
        self._config = config
        rows = rows_layout(config)
        members = {
            "rows": In(rows),
            "rows_valid": In(1),
            "sums": In(data.ArrayLayout(signed(config.acc_width), config.rows_per_cycle)),
            "clear": In(config.sequences),
            "mask": In(bits_for(ACTIVE_COUNTS)),
            "program": In(bits_for(PROGRAMS)),
            "row_mask": In(bits_for(ACTIVE_COUNTS)),
            "row_program": In(bits_for(PROGRAMS)),
            "row_unit": In(config.unit_bits),
            "row_gate": In(bits_for(len(Gate))),
            "row_data": In(RowParameters),
            "row_write": In(1),
            "o_rows": Out(rows),
            "o_valid": Out(1),
            "next_place": Out(config.state_bits),
            "gates": Out(data.ArrayLayout(signed(gate_bits(config)), config.rows_per_cycle)),
            "z13": Out(signed(Z13_BITS)),
        }
        if config.mixed:
            members |= {"kind": In(data.ArrayLayout(FIELDS["kind"], config.sequences))}
        if config.peepholes:
            members |= {
                "peep": In(data.ArrayLayout(signed(PEEP_BITS), min(config.rows_per_cycle, Gate.CELL))),
                "c": In(signed(config.c_width)),
                "peep_shift": In(FIELDS["peep_shift"]),
            }
        super().__init__(members)
        ways = config.rows_per_cycle
        self._rows = [[row for unit in row_init for row in unit[way::ways]] for way in range(ways)]
        # Rows that are never written have few shifts.
        found = [sorted({row["shift"] for row in rows}) if config.fixed else [] for rows in self._rows]
        self._requantisers = [Requantiser(config, shifts) for shifts in found]
        self._shifts = found
        self._activations = [
            # Gates i and g may go through.
            SquashUnit(family=config.family, multiplies=config.spare_multipliers)
            if config.mixed and way % 2 == Gate.INPUT
            else Activation(family=config.family, multiplies=config.spare_multipliers)
            for way in range(config.rows_per_cycle)
        ]

    @property
    def latency(self) -> int:
        """Cycles from ``sums`` to ``gates``."""
        return self._requantisers[0].latency + self._activations[0].latency

    @property
    def place_lead(self) -> int:
        """Cycles from ``next_place`` to its rows: the cell state is read by the time of the unit's last gates."""
        return 2 if self._config.rows_per_cycle == 4 else 1

    @property
    def z13_lead(self) -> int:
        """Cycles from ``z13`` to its gate in ``gates``: the limit of z, and the activation."""
        return 1 + self._activations[0].latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        way_bits = config.rows_per_cycle.bit_length() - 1  # bits of the gate that select the way
        depth = len(Gate) // config.rows_per_cycle << config.unit_bits
        sets = 1 << config.active_bits + config.program_bits  # of row parameters

        def of_rows(place: Value, mask: Value, program: Value) -> Value:
            """Where row parameters are."""
            return Cat(place, mask[: config.active_bits], program[: config.program_bits])

        row = Cat(self.rows.gate[way_bits:], self.rows.unit)
        written = Cat(self.row_gate[way_bits:], self.row_unit)
        place = Cat(row, sequence_of(self.rows))
        cleared = self.clear.bit_select(delayed(m, sequence_of(self.rows), RAM_LATENCY, "sequence"), 1)
        scale_delay = self._requantisers[0].scale_delay
        places = [place]
        for cycle in range(max(RAM_LATENCY + 1, scale_delay)):
            places.append(delayed(m, places[-1], 1, f"place_{cycle}"))
        updated_valid = delayed(m, self.rows_valid, RAM_LATENCY + 1, "updated_valid")
        rows = delayed_long(
            m,
            self.rows.as_value(),
            RAM_LATENCY + self._requantisers[0].latency,
            "rows_z",
            config.family,
        )
        rows_view = Signal(rows_layout(config))
        m.d.comb += rows_view.eq(rows)

        for way, (requantiser, activation) in enumerate(zip(self._requantisers, self._activations, strict=True)):
            if config.delta:
                m.submodules[f"kept_{way}"] = kept = Ram(
                    signed(config.acc_width), depth << config.sequence_bits, attrs=BLOCK if config.few_lanes else None
                )
                m.d.comb += [
                    kept.r_addr.eq(place),
                    kept.w_addr.eq(places[RAM_LATENCY + 1]),
                    kept.w_data.eq(requantiser.updated),
                    kept.w_en.eq(updated_valid),
                    requantiser.total.eq(Mux(cleared, 0, kept.r_data)),
                ]
            init = {name: [row[name] for row in self._rows[way]] for name in ("shift", "scale")}
            if self._shifts[way]:
                init["shift"] = [self._shifts[way].index(shift) for shift in init["shift"]]
            parts = {"shift": len(requantiser.shift), "scale": RowScale}
            # Scales fit a block memory's word; yosys would take lookup tables for few units.
            blocks = ("scale", "shift") if config.few_lanes else ("scale",)
            parameters = {
                name: Ram(shape, sets * depth, init[name], BLOCK if name in blocks else None)
                for name, shape in parts.items()
            }
            for name, memory in parameters.items():
                m.submodules[f"{name}_{way}"] = memory
            m.submodules[f"requantiser_{way}"] = requantiser
            m.submodules[f"activation_{way}"] = activation
            m.d.comb += [
                parameters["shift"].r_addr.eq(of_rows(places[1][: len(row)], self.mask, self.program)),
                parameters["scale"].r_addr.eq(of_rows(places[scale_delay][: len(row)], self.mask, self.program)),
                requantiser.added.eq(self.sums[way]),
                requantiser.shift.eq(parameters["shift"].r_data),
                requantiser.scale.eq(parameters["scale"].r_data),
                activation.z.eq(requantiser.z),
                self.gates[way].eq(activation.y),
            ]
            is_cell = (rows_view.gate == Gate.CELL - way) & (way == Gate.CELL % config.rows_per_cycle)
            if isinstance(activation, SquashUnit):
                through = of_sequence(self.kind, sequence_of(rows_view)) != Kind.LSTM
                through &= is_cell | ((rows_view.gate == Gate.INPUT) & (way == Gate.INPUT))
                m.d.comb += activation.squash.eq(Mux(through, Squash.LINEAR, Mux(is_cell, Squash.TANH, Squash.SIGMOID)))
            else:
                m.d.comb += activation.is_tanh.eq(is_cell)
            for name, memory in parameters.items():
                m.d.comb += [
                    memory.w_addr.eq(of_rows(written, self.row_mask, self.row_program)),
                    memory.w_data.eq(self.row_data[name]),
                    memory.w_en.eq(self.row_write & (self.row_gate[:way_bits] == way)),
                ]
            if config.peepholes:
                m.d.comb += [
                    requantiser.peep.eq(self.peep[way] if way < Gate.CELL else 0),
                    requantiser.c.eq(self.c),
                    requantiser.peep_shift.eq(self.peep_shift),
                ]
        m.d.comb += [
            self.z13.eq(self._requantisers[-1].z13),
            self.o_valid.eq(delayed(m, self.rows_valid, RAM_LATENCY + self.latency, "valid_gate")),
        ]
        rows_next = [Signal(rows_layout(config), name=f"rows_{lead}_ahead") for lead in range(1, self.place_lead + 1)]
        for lead, ahead in enumerate(rows_next, 1):
            m.d.comb += ahead.eq(delayed(m, rows, self._activations[0].latency - lead, f"rows_gate_{lead}"))
        m.d.comb += self.next_place.eq(Cat(rows_next[-1].unit, sequence_of(rows_next[-1])))
        m.d.comb += self.o_rows.eq(delayed(m, rows_next[0].as_value(), 1, "o_rows"))
        return m
