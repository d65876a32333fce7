"""Drain path: row sums that leave the array to the new state of every unit."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.hdl import Cat, Module, Mux, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from lstmith.rtl.cell.activation import GATE_BITS
from lstmith.rtl.cell.cell import CellUnit
from lstmith.rtl.cell.drain_reader import DrainReader
from lstmith.rtl.cell.gates import GatePipeline
from lstmith.rtl.cell.monitor import Monitor
from lstmith.rtl.cell.state_memory import StateMemory
from lstmith.rtl.fields import program_of
from lstmith.rtl.host_interfaces import PeepholeWriteSignature, RowWriteSignature, StateAccessSignature
from lstmith.rtl.interfaces import DeferralSignature, ResultSignature
from lstmith.rtl.layouts import drain_layout, fold_layout, of_sequence, pass_layout, sequence_of
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import BLOCK, RAM_LATENCY, Ram
from lstmith.spec.codes import Gate
from lstmith.spec.config import PEEP_BITS, EngineConfig
from lstmith.spec.memory_image import MemoryImage


class DrainPath(wiring.Component):
    """Drain reader, gate pipeline and cell unit in a row, the memories of the state, and the monitor that looks on.

    Nothing here waits: a fold's first unit has its ``result`` ``latency`` cycles after its sums are at ``drain``, the
    next ones follow ``unit_cycles`` apart.

    Parameters
    ----------
    config : EngineConfig
    array_latency : int
        From a capturing slot, which comes with ``fold``, to its pair at ``drain``.
    image : MemoryImage or None
        Initial row parameters and peephole weights.

    Members
    -------
    fold : In(fold_layout(config))
        Whose sums leave the array; while ``fold_valid``.
    fold_valid : In(1)
        Beside the capturing slot.
    drain : In(drain_layout)
        Sums from lane 0.
    passes : In(array of pass_layout(config) by sequence)
        The pass that drains.
    result : Out(ResultSignature)
        Every unit's new state.
    state : In(StateAccessSignature)
        Access to the state outside a pass.
    rows : In(RowWriteSignature)
        Row parameters.
    peepholes : In(PeepholeWriteSignature)
        With peepholes: their weights.
    input_deferral : In(DeferralSignature)
        With a monitor: what it says of the input's low plane.
    feedback_deferral : In(DeferralSignature)
        With a monitor: what it says of the low plane of h.
    """

    def __init__(self, config: EngineConfig, *, array_latency: int, image: MemoryImage | None = None):
        self._config, self._image = config, image
        deferral = DeferralSignature(config)
        super().__init__(
            {
                "fold": In(fold_layout(config)),
                "fold_valid": In(1),
                "drain": In(drain_layout(acc_width=config.acc_width, rows=config.drain_rows)),
                "passes": In(data.ArrayLayout(pass_layout(config), config.sequences)),
                "result": Out(ResultSignature(config)),
                "state": In(
                    StateAccessSignature(units=config.units, sequences=config.sequences, c_width=config.c_width)
                ),
                "rows": In(RowWriteSignature(config)),
                "peepholes": In(PeepholeWriteSignature(config)),
                **({"input_deferral": In(deferral), "feedback_deferral": In(deferral)} if config.monitor else {}),
            }
        )
        self._drain_reader = DrainReader(config, array_latency=array_latency)
        self._gates = GatePipeline(config, _row_init(config, image))
        self._cell = CellUnit(config)

    @property
    def latency(self) -> int:
        """Cycles from a fold's first pair at ``drain`` to its first unit's ``result``."""
        to_last_gates = self._config.unit_cycles - 1
        return self._drain_reader.latency + self._gates.latency + to_last_gates + self._cell.latency

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config, passes, state = self._config, self.passes, self.state
        m.submodules.drain_reader = reader = self._drain_reader
        m.submodules.gates = gates = self._gates
        m.submodules.cell = cell = self._cell
        m.submodules.cells = cells = self._state_memory(config.c_width)
        for index in range(config.sequences):
            m.d.comb += [
                reader.unit_base[index].eq(passes[index].descriptor.unit_base),
                gates.clear[index].eq(passes[index].clear),
                cell.c_frac[index].eq(passes[index].descriptor.c_frac),
            ]
            if config.mixed:
                m.d.comb += [
                    gates.kind[index].eq(passes[index].descriptor.kind),
                    cell.kind[index].eq(passes[index].descriptor.kind),
                    cell.squash[index].eq(passes[index].descriptor.squash),
                ]
        m.d.comb += [
            reader.fold.eq(self.fold),
            reader.fold_valid.eq(self.fold_valid),
            reader.drain.eq(self.drain),
            gates.rows.eq(reader.rows),
            gates.rows_valid.eq(reader.rows_valid),
            gates.sums.eq(reader.sums),
            gates.mask.eq(passes[0].mask),  # several active counts or programs, one sequence
            gates.program.eq(program_of(passes[0])),
            gates.row_mask.eq(self.rows.mask),
            gates.row_program.eq(self.rows.program),
            gates.row_unit.eq(self.rows.unit),
            gates.row_gate.eq(self.rows.gate),
            gates.row_data.eq(self.rows.data),
            gates.row_write.eq(self.rows.valid),
            cell.rows.eq(gates.o_rows),
            cell.rows_valid.eq(gates.o_valid),
            cell.gates.eq(gates.gates),
            cell.c_old.eq(Mux(of_sequence(passes, sequence_of(gates.o_rows)).start, 0, cells.value)),
            cells.r_place.eq(gates.next_place),
            cells.bus_read.eq(state.cell_read),
            state.cell.eq(cells.value),
            self.result.valid.eq(cell.h_valid),
            self.result.h.eq(cell.h),
            self.result.c.eq(cell.h_c),
            self.result.place.eq(cell.h_place),
            self.result.last.eq(cell.h_last),
        ]
        self._write_cells(m, cells)
        if not config.fixed:
            # h for the host, and for who lists it anew.
            m.submodules.hidden = hidden = self._state_memory(GATE_BITS)
            m.d.comb += [
                hidden.w_place.eq(cell.h_place),
                hidden.w_value.eq(cell.h),
                hidden.w_valid.eq(cell.h_valid),
                hidden.bus_place.eq(state.place),
                hidden.bus_value.eq(state.hidden_value),
                hidden.bus_read.eq(state.hidden_read),
                hidden.bus_write.eq(state.hidden_write),
                state.hidden.eq(hidden.value),
            ]
        if config.monitor:
            self._elaborate_monitor(m)
        if config.peepholes:
            self._elaborate_peepholes(m)
        return m

    def _state_memory(self, width: int) -> StateMemory:
        config = self._config
        return StateMemory(units=config.units, sequences=config.sequences, width=width, block=config.few_lanes)

    def _write_cells(self, m: Module, cells: StateMemory) -> None:
        """A memory of cell states takes every new one, and those from outside."""
        cell, state = self._cell, self.state
        m.d.comb += [
            cells.w_place.eq(cell.c_place),
            cells.w_value.eq(cell.c_new),
            cells.w_valid.eq(cell.c_valid),
            cells.bus_place.eq(state.place),
            cells.bus_value.eq(state.cell_value),
            cells.bus_write.eq(state.cell_write),
        ]

    def _elaborate_monitor(self, m: Module) -> None:
        m.submodules.monitor = monitor = Monitor(self._config)
        cell = self._cell
        m.d.comb += [
            monitor.pass_.eq(self.passes[0]),
            monitor.c_new.eq(cell.c_new),
            monitor.c_before.eq(cell.c_before),
            monitor.c_last.eq(cell.c_last),
            monitor.c_valid.eq(cell.c_valid),
        ]
        connect(m, flipped(self.input_deferral), monitor.input_deferral)
        connect(m, flipped(self.feedback_deferral), monitor.feedback_deferral)

    def _elaborate_peepholes(self, m: Module) -> None:
        """Peephole weights, and a copy of the cell state for the input and forget gates."""
        config, passes, reader, gates, cell = self._config, self.passes, self._drain_reader, self._gates, self._cell
        banks, attrs = [], BLOCK if config.few_lanes else None
        for index, gate in enumerate((Gate.INPUT, Gate.FORGET, Gate.OUTPUT)):
            init = _peep_init(config, self._image, index)
            depth = config.units if config.programs == 1 else config.programs << config.unit_bits
            m.submodules[f"peep_{gate.name.lower()}"] = bank = Ram(signed(PEEP_BITS), depth, init, attrs)
            unit = cell.peep_unit if gate is Gate.OUTPUT else reader.rows.unit
            m.d.comb += [
                bank.w_addr.eq(Cat(self.peepholes.unit, self.peepholes.program[: config.program_bits])),
                bank.w_data.eq(self.peepholes.data),
                bank.w_en.eq(self.peepholes.valid[index]),
                bank.r_addr.eq(Cat(unit, program_of(passes[0]))),
            ]
            banks.append(bank)
        m.submodules.cells_early = early = self._state_memory(config.c_width)
        self._write_cells(m, early)
        first_gate = delayed(m, reader.rows.gate, RAM_LATENCY, "gate")
        draining = of_sequence(passes, delayed(m, sequence_of(reader.rows), RAM_LATENCY, "sequence"))
        m.d.comb += [
            early.r_place.eq(Cat(reader.rows.unit, sequence_of(reader.rows))),
            gates.c.eq(Mux(draining.start, 0, early.value)),
            gates.peep_shift.eq(draining.descriptor.peep_shift),
            *(cell.peep_shift[index].eq(passes[index].descriptor.peep_shift) for index in range(config.sequences)),
            cell.peep_o.eq(banks[-1].r_data),
            cell.z13.eq(gates.z13),
        ]
        for way in range(config.rows_per_cycle):
            for bank, gate in zip(banks, (Gate.INPUT, Gate.FORGET), strict=False):
                # Way w serves gates w, w + ways, ...
                if gate % config.rows_per_cycle == way:
                    with m.If(first_gate == gate - way):
                        m.d.comb += gates.peep[way].eq(bank.r_data)


def _row_init(config: EngineConfig, image: MemoryImage | None) -> list[list[dict[str, Any]]]:
    """Row parameters by unit and gate, of each program and active count a power of two of units further on."""
    if image is None:
        return []
    found: list[list[dict[str, Any]]] = []
    for program, mask in np.ndindex(image.bias.shape[:2]):
        begin = (program << config.active_bits | mask) << config.unit_bits
        found += [[_row(0, 0, 0)] * len(Gate)] * (begin - len(found))
        parts = (image.mantissa[program], image.shift[program], image.bias[program, mask])
        for unit in zip(*(part.tolist() for part in parts), strict=True):
            found.append([_row(*row) for row in zip(*unit, strict=True)])
    return found


def _peep_init(config: EngineConfig, image: MemoryImage | None, index: int) -> list[int]:
    """Peephole weights of a gate by unit, each program's a power of two of units further on."""
    if image is None:
        return []
    found: list[int] = []
    for program, weights in enumerate(image.peep):
        found += [0] * ((program << config.unit_bits) - len(found))
        found += weights[:, index].tolist()
    return found


def _row(mantissa: int, shift: int, bias: int) -> dict[str, Any]:
    return {"shift": shift, "scale": {"mantissa": mantissa, "bias": bias}}
