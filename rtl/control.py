"""Control: decodes the bus, holds the control registers, counts."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lstmith.rtl.bus import BusSignature
from lstmith.rtl.host_interfaces import (
    HostStatesSignature,
    InputSettingsSignature,
    PeepholeWriteSignature,
    ProgramWriteSignature,
    RowWriteSignature,
    WeightLoadSignature,
)
from lstmith.rtl.layouts import field_layout
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.ram import RAM_LATENCY
from lstmith.spec.config import (
    BIAS_BITS,
    MANTISSA_BITS,
    PEEP_BITS,
    PRECISIONS,
    SHIFT_BITS,
    EngineConfig,
    bits_for,
)
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.quantised import PREDICTOR_SUM_BITS
from lstmith.spec.register_table import TABLE, entry_of
from lstmith.spec.registers import (
    ADDRESS_BITS,
    DATA_BITS,
    OF_PROGRAM,
    PROGRAM_REGISTERS,
    REGION_SHIFT,
    Region,
    Register,
)

#: Bits of an address that tell registers apart.
NUMBER_BITS = bits_for(max(Register) + 1)
#: Counters of weight words by the width of their digits.
WORD_COUNTS = {4: Register.WORDS_4, 8: Register.WORDS_8, 16: Register.WORDS_16}


class Control(wiring.Component):
    """Bus accesses as strobes for the parts that hold the data; while the engine runs, nothing but registers is read.

    Parameters
    ----------
    config : EngineConfig
    image : MemoryImage or None
        Initial register values.

    Members
    -------
    bus : In(BusSignature)
        Register bus.
    idle : In(1)
        The engine is idle; else nothing but registers is read.
    word_valid : In(1)
        A weight word is issued.
    word_width : In(2)
        The ``Precision`` that is as wide as its digits; while ``word_valid``.
    skipped : In(1)
        A step is skipped, for one cycle.
    restarts : In(1)
        A pass that recomputed its sums has drained, for one cycle.
    emit_all : Out(1)
        Every layer's h is sent, not only the last's.
    settings : Out(InputSettingsSignature)
        Registers of the input.
    step_inputs : Out(array of range(inputs) by program)
        Elements per step of every program, minus 1.
    threshold : Out(signed(PREDICTOR_SUM_BITS))
        The skip predictor's.
    index : Out(REGION_SHIFT)
        Of the present access, within its region; beside its strobe.
    data : Out(32)
        What is written; beside its strobe.
    weights : Out(WeightLoadSignature)
        Writes of weights.
    program : Out(ProgramWriteSignature)
        Writes of the program.
    rows : Out(RowWriteSignature)
        Writes of row parameters; two bus writes make one.
    peepholes : Out(PeepholeWriteSignature)
        Writes of peephole weights.
    predictor_write : Out(1)
        A weight of the skip predictor is written.
    states : Out(HostStatesSignature)
        Accesses to states, and loads of them.
    """

    def __init__(self, config: EngineConfig, image: MemoryImage | None = None):
        self._config, self._image = config, image
        super().__init__(
            {
                "bus": In(BusSignature()),
                "idle": In(1),
                "word_valid": In(1),
                "word_width": In(2),
                "skipped": In(1),
                "restarts": In(1),
                "emit_all": Out(1),
                "settings": Out(InputSettingsSignature(config)),
                "step_inputs": Out(data.ArrayLayout(bits_for(config.inputs), config.programs)),
                "threshold": Out(signed(PREDICTOR_SUM_BITS)),
                "index": Out(REGION_SHIFT),
                "data": Out(32),
                "weights": Out(WeightLoadSignature(config)),
                "program": Out(
                    ProgramWriteSignature(
                        layers=config.layers, active_counts=config.active_counts, programs=config.programs
                    )
                ),
                "rows": Out(RowWriteSignature(config)),
                "peepholes": Out(PeepholeWriteSignature(config)),
                "predictor_write": Out(1),
                "states": Out(
                    HostStatesSignature(
                        layers=config.layers, units=config.units, sequences=config.sequences, c_width=config.c_width
                    )
                ),
            }
        )

    @property
    def read_latency(self) -> int:
        """Cycles from a read on the bus to its data."""
        # The address is registered, a memory answers, the answer is registered.
        return 1 + RAM_LATENCY + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        address, value = (
            delayed(m, given, 1, name) for given, name in ((self.bus.addr, "address"), (self.bus.w_data, "value"))
        )
        m.d.comb += [self.index.eq(address[:REGION_SHIFT]), self.data.eq(value)]

        # While the engine runs its memories are its own, and its registers stay as they are: what the bus asks of them
        # is not done. Registers are read at any time.
        allowed = Signal()
        m.d.sync += allowed.eq(self.idle)

        def accesses(which: Region, strobe: Signal) -> Signal:
            """Decoded before the register, beside the address."""
            direction = "write" if strobe is self.bus.w_en else "read"
            found = Signal(name=f"{direction}_{which.name.lower()}")
            region = self.bus.addr[REGION_SHIFT:]
            m.d.sync += found.eq(strobe & self.idle & (region == which))
            return found

        write, read = self.bus.w_en, self.bus.r_en
        weight_write = Signal()
        m.d.sync += weight_write.eq(write & self.idle & self.bus.addr[-1])
        row_upper = self.index[0]
        half_row = Signal(data.StructLayout({"mantissa": MANTISSA_BITS, "shift": SHIFT_BITS}), reset_less=True)
        row_access = accesses(Region.ROWS, write)
        with m.If(row_access & ~row_upper):
            m.d.sync += half_row.eq(value)
        peep_access = accesses(Region.PEEPHOLES, write)
        m.d.comb += [
            self.weights.valid.eq(weight_write),
            self.weights.address.eq(address),
            self.weights.lane.eq(address[config.address_bits : -1]),
            self.weights.data.eq(value),
            self.program.valid.eq(accesses(Region.PROGRAM, write)),
            self.program.address.eq(self.index),
            self.program.data.eq(value),
            self.rows.valid.eq(row_access & row_upper),
            self.rows.gate.eq(self.index[1:3]),
            self.rows.unit.eq(self.index[3:]),
            self.rows.mask.eq(self.index[3 + config.unit_bits :]),
            self.rows.program.eq(self.index[3 + config.unit_bits + config.active_bits :]),
            self.predictor_write.eq(accesses(Region.PREDICTOR, write)),
            self.rows.data.shift.eq(half_row.shift),
            self.rows.data.scale.mantissa.eq(half_row.mantissa),
            self.rows.data.scale.bias.eq(value[:BIAS_BITS].as_signed()),
            self.peepholes.valid.eq(Mux(peep_access, 1 << self.index[:2], 0)),
            self.peepholes.unit.eq(self.index[2:]),
            self.peepholes.program.eq(self.index[2 + config.unit_bits :]),
            self.peepholes.data.eq(value[:PEEP_BITS].as_signed()),
            self.states.place.eq(self.index),
            self.states.value.eq(self.data),
            self.states.cell_read.eq(accesses(Region.CELL, read)),
            self.states.cell_write.eq(accesses(Region.CELL, write)),
            self.states.hidden_read.eq(accesses(Region.HIDDEN, read)),
            self.states.hidden_write.eq(accesses(Region.HIDDEN, write)),
        ]
        self._elaborate_registers(m, value)

        # Reads: memories take ``RAM_LATENCY`` cycles; the number of a register waits for them.
        counts = {
            Register.CYCLES: ~self.idle,
            **{
                register: self.word_valid & (self.word_width == PRECISIONS.index(bits))
                for bits, register in WORD_COUNTS.items()
                if bits in config.word_bits
            },
            **({Register.SKIPPED: self.skipped} if config.skips_unmarked else {}),
            **({Register.RESTARTS: self.restarts} if config.delta else {}),
        }
        register_value = Signal(32, reset_less=True)
        beyond = Signal()
        m.d.sync += beyond.eq(self.bus.addr[NUMBER_BITS:].any())
        number = delayed(m, self.index[:NUMBER_BITS], RAM_LATENCY - 1, "number")
        beyond = delayed(m, beyond, RAM_LATENCY - 1, "beyond")
        with m.Switch(number):
            for entry in TABLE:
                if isinstance(entry.register, Register) and entry.reset and entry.register is not Register.STATUS:
                    with m.Case(entry.register):
                        m.d.sync += register_value.eq(entry.reset(config))
            with m.Case(Register.STATUS):
                m.d.sync += register_value.eq(~self.idle)
            for register, event in counts.items():
                counter = Signal(32, name=f"count_{register.name.lower()}")
                m.d.sync += counter.eq(counter + event)
                with m.Case(register):
                    m.d.sync += register_value.eq(counter)
            with m.Default():
                m.d.sync += register_value.eq(0)
        with m.If(beyond):
            m.d.sync += register_value.eq(0)

        def shown(which: Region, state: Value) -> Value:
            """A state, if it was asked for and the engine is idle; else zero, as a register is then."""
            asked = delayed(m, allowed & (address[REGION_SHIFT:] == which), RAM_LATENCY, f"shows_{which.name.lower()}")
            return Mux(asked, state, 0)

        answer = Signal(32)
        m.d.comb += answer.eq(
            register_value | shown(Region.CELL, self.states.cell) | shown(Region.HIDDEN, self.states.hidden)
        )
        m.d.comb += self.bus.r_data.eq(delayed(m, answer, 1, "answer"))
        return m

    def _elaborate_registers(self, m: Module, value: Signal) -> None:
        initial = self._image.registers if self._image else {}

        def held(register: Register) -> data.View[data.StructLayout]:
            """A setting, as wide as its fields."""
            layout = field_layout(register)
            bits = Signal(layout.size, init=initial.get(register, 0), name=register.name.lower())
            return data.View(layout, bits)

        of_engine = (Register.OUTPUT_ALL, Register.SKIP_CHANGE, Register.SKIP_RULE, Register.SKIP_THRESHOLD)
        targets = {register: held(register) for register in (*of_engine, *OF_PROGRAM)}
        if self._config.monitor:
            targets[Register.X_MONITOR] = monitor = held(Register.X_MONITOR)
            m.d.comb += [
                self.settings.monitor.judges.eq(monitor.judges),
                self.settings.monitor.warmup.eq(monitor.warmup),
            ]
        # Decoded in two halves before the address is registered, and put together behind it.
        number, addressed = self.bus.addr[:NUMBER_BITS], Signal()
        m.d.sync += addressed.eq(self.bus.w_en & self.idle & ~self.bus.addr[NUMBER_BITS:].any())

        def written(register: Register) -> Value:
            found = Signal(name=f"writes_{register.name.lower()}")
            m.d.sync += found.eq(number == register)
            return found & addressed

        if self._config.programs > 1:
            self._elaborate_programs(m, {register: targets[register].as_value() for register in OF_PROGRAM})
        for register, target in targets.items():
            if self._config.programs > 1 and register in OF_PROGRAM:
                continue
            with m.If(written(register)):
                m.d.sync += target.as_value().eq(value)
        loads, begins = written(Register.LOAD), Signal()
        m.d.sync += begins.eq(self.bus.w_data.any())
        m.d.comb += [self.states.begin.eq(loads & begins), self.states.end.eq(loads & ~begins)]
        load = data.View(field_layout(Register.LOAD), value[: entry_of(Register.LOAD).bits])
        grid, rule = targets[Register.X_GRID], targets[Register.SKIP_RULE]
        m.d.comb += [
            self.states.layer.eq(load.layer - 1),
            self.states.mask.eq(load.mask),
            self.states.sequence.eq(load.sequence),
            self.states.program.eq(load.program),
            self.emit_all.eq(targets[Register.OUTPUT_ALL].every),
            self.settings.inputs.eq(targets[Register.X_INPUTS].inputs),
            *([self.step_inputs[0].eq(targets[Register.X_INPUTS].inputs)] if self._config.programs == 1 else []),
            self.settings.grid.shift.eq(grid.shift),
            self.settings.grid.exponent.eq(grid.exponent),
            self.settings.grid.unsigned.eq(grid.unsigned),
            self.settings.grid.mode.eq(grid.mode),
            self.settings.grid.theta.eq(targets[Register.X_THETA].theta),
            self.settings.grid.low_theta.eq(targets[Register.X_LOW_THETA].theta),
            self.settings.grid.pair.eq(grid.pair),
            *([self.settings.symbols.eq(grid.symbols)] if self._config.symbols else []),
            self.settings.skip.change.eq(targets[Register.SKIP_CHANGE].change),
            self.settings.skip.limit.eq(rule.limit),
            self.settings.skip.predictor.eq(rule.predictor),
            self.threshold.eq(targets[Register.SKIP_THRESHOLD].threshold),
        ]

    def _elaborate_programs(self, m: Module, settings: dict[Register, Value]) -> None:
        """Registers that each program has, in small memories; those of the one that is asked for ``SETTINGS`` later."""
        config, initial = self._config, self._image.registers if self._image else {}
        number, program = self.bus.addr[:NUMBER_BITS], self.bus.addr[NUMBER_BITS:][: config.program_bits]
        beyond = self.bus.addr[NUMBER_BITS + config.program_bits : ADDRESS_BITS].any()
        place, value = Signal(config.program_bits), Signal(DATA_BITS)
        m.d.sync += [place.eq(program), value.eq(self.bus.w_data)]
        for register, setting in settings.items():
            init = [initial.get(PROGRAM_REGISTERS * index + register, 0) for index in range(config.programs)]
            memory = Memory(shape=len(setting), depth=1 << config.program_bits, init=init)
            m.submodules[f"settings_{register.name.lower()}"] = memory
            write, read = memory.write_port(), memory.read_port(domain="comb")
            addressed = Signal(name=f"writes_{register.name.lower()}")
            m.d.sync += [
                addressed.eq(self.bus.w_en & self.idle & (number == register) & ~beyond),
                setting.eq(read.data),
            ]
            m.d.comb += [
                write.addr.eq(place),
                write.data.eq(value),
                write.en.eq(addressed),
                read.addr.eq(self.settings.program),
            ]
            if register == Register.X_INPUTS:
                # The link tells steps apart before the input stage does.
                for index in range(config.programs):
                    inputs = Signal(len(self.step_inputs[index]), name=f"inputs_{index}", init=init[index])
                    with m.If(addressed & (place == index)):
                        m.d.sync += inputs.eq(value)
                    m.d.comb += self.step_inputs[index].eq(inputs)
