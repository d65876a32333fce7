"""Units alone in a simulator: a table of inputs per cycle gives a table of outputs per cycle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from amaranth.back import verilog
from amaranth.hdl import Cat, Module, Shape, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from cocotb_tools.runner import get_runner

from lstmith.flow.netlist import cell_models, map_netlist

SIMULATORS = ("icarus", "verilator")
TOP = "units"
#: Cycles run after the last input, for results still on their way.
TAIL = 64
Table = dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Field:
    """A piece of a packed port."""

    name: str
    offset: int
    width: int
    signed: bool


class Packed(wiring.Component):
    """Units side by side: all inputs in one port and all outputs in another, structures taken apart.

    Fields are named by unit and path: ``array.drain.first``, ``mac.products.2``.
    """

    def __init__(self, units: Mapping[str, wiring.Component]):
        self._units = units
        self._values: dict[str, list[Value]] = {"inputs": [], "outputs": []}
        self.fields: dict[str, list[Field]] = {"inputs": [], "outputs": []}
        widths = {"inputs": 0, "outputs": 0}
        for name, unit in units.items():
            for path, member, value in unit.signature.flatten(unit):
                side = "inputs" if member.flow is In else "outputs"
                flat = Value.cast(value)
                self._values[side].append(flat)
                self.fields[side] += _leaves(".".join(map(str, (name, *path))), member.shape, widths[side])
                widths[side] += len(flat)
        super().__init__({"inputs": In(widths["inputs"]), "outputs": Out(widths["outputs"])})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, unit in self._units.items():
            m.submodules[name] = unit
        m.d.comb += [
            Cat(*self._values["inputs"]).eq(self.inputs),
            self.outputs.eq(Cat(*self._values["outputs"])),
        ]
        return m


def _leaves(name: str, shape: object, offset: int) -> list[Field]:
    """Fields of a port, structures and arrays taken apart."""
    layout = data.Layout.cast(shape) if isinstance(shape, data.Layout) or hasattr(shape, "as_shape") else None
    if isinstance(layout, data.Layout):
        return [leaf for key, field in layout for leaf in _leaves(f"{name}.{key}", field.shape, offset + field.offset)]
    plain = Shape.cast(shape)
    return [Field(name, offset, plain.width, plain.signed)]


@dataclass(frozen=True)
class Check:
    """One unit's test: what goes in and how to judge what comes out.

    Attributes
    ----------
    unit : Component
    table : dict of str to int [cycles]
        Inputs per cycle; missing ones, and cycles beyond the end, are zero.
    verify : callable
        Given every output, int64 [cycles], as it is just before the clock edge that ends the cycle; asserts.
    """

    unit: wiring.Component
    table: Mapping[str, npt.ArrayLike]
    verify: Callable[[Table], None]


class Sheet:
    """A table that grows: named values at given cycles, zero elsewhere."""

    def __init__(self, cycles: int):
        self.cycles = cycles
        self.table: Table = {}

    def put(self, name: str, cycle: Any, values: npt.ArrayLike) -> None:
        """Set an input; ``cycle`` is an index, an array of them, or a slice."""
        self.table.setdefault(name, np.zeros(self.cycles, dtype=np.int64))[cycle] = values


def run_here(checks: Mapping[str, Check]) -> None:
    """Judge units on Amaranth's own simulator, in this process: nothing to build, so a small unit takes a second."""
    for name, check in checks.items():
        packed = Packed({name: check.unit})
        table = {f"{name}.{port}": values for port, values in check.table.items()}
        _judge({name: check}, _simulate_here(packed, table), "pysim")


def run_checks(checks: Mapping[str, Check], simulator: str, folder: Path, family: str | None = None) -> None:
    """Build all units into one simulator, since building takes longer than running, and judge each alone.

    With ``family``, ``ecp5`` or ``ice40``, what is simulated is the netlist that yosys makes of them.
    """
    packed = Packed({name: check.unit for name, check in checks.items()})
    table = {f"{name}.{port}": values for name, check in checks.items() for port, values in check.table.items()}
    _judge(checks, _simulate(packed, table, simulator, folder, family), simulator)


def _judge(checks: Mapping[str, Check], outputs: Table, simulator: str) -> None:
    for name, check in checks.items():
        own = {port.removeprefix(f"{name}."): values for port, values in outputs.items() if port.startswith(f"{name}.")}
        try:
            check.verify(own)
        except AssertionError as error:
            raise AssertionError(f"{name} on {simulator}: {error}") from error


def _simulate(
    packed: Packed, table: Mapping[str, npt.ArrayLike], simulator: str, folder: Path, family: str | None
) -> Table:
    if family is None:
        sources = [folder / "units.v"]
        sources[0].write_text(verilog.convert(packed, name=TOP, emit_src=False, strip_internal_attrs=True))
    else:
        netlist, _ = map_netlist(packed, family, TOP, folder)
        sources = [netlist, *cell_models(family, folder)]
    arguments = ["-g2005"]
    if simulator == "verilator":
        arguments = ["-Wno-fatal", "--x-initial", "0", "-CFLAGS", "-O0"]
    runner = get_runner(simulator)
    runner.build(
        sources=sources,
        hdl_toplevel=TOP,
        build_args=arguments,
        build_dir=folder / "build",
        timescale=("1ns", "1ps"),
        always=True,
        log_file=folder / "build.log",
    )
    np.save(folder / "inputs.npy", _pack(packed.fields["inputs"], table))
    with pytest.MonkeyPatch.context() as patch:
        # The runner hands sys.path on to the simulator, which imports the bench by name.
        patch.syspath_prepend(str(Path(__file__).parent))
        runner.test(
            test_module="vector_bench",
            hdl_toplevel=TOP,
            build_dir=folder / "build",
            test_dir=folder,
            extra_env={"LSTMITH_VECTORS": str(folder), "COCOTB_LOG_LEVEL": "WARNING"},
            log_file=folder / "test.log",
        )
    bits = np.unpackbits(np.load(folder / "outputs.npy"), axis=1, bitorder="little")
    return {field.name: _number(bits, field) for field in packed.fields["outputs"]}


def _simulate_here(packed: Packed, table: Mapping[str, npt.ArrayLike]) -> Table:
    rows = _pack(packed.fields["inputs"], table)
    size = -(-len(packed.outputs) // 8)
    seen = bytearray()

    async def bench(ctx: Any) -> None:
        for row in rows:
            ctx.set(packed.inputs, int.from_bytes(row.tobytes(), "little"))
            seen.extend(ctx.get(packed.outputs).to_bytes(size, "little"))
            await ctx.tick()

    simulation = Simulator(packed)
    simulation.add_clock(1e-6)
    simulation.add_testbench(bench)
    simulation.run()
    bits = np.unpackbits(np.frombuffer(bytes(seen), dtype=np.uint8).reshape(len(rows), size), axis=1, bitorder="little")
    return {field.name: _number(bits, field) for field in packed.fields["outputs"]}


def _pack(fields: list[Field], table: Mapping[str, npt.ArrayLike]) -> npt.NDArray[np.uint8]:
    """A row of bytes per cycle."""
    if unknown := set(table) - {field.name for field in fields}:
        raise KeyError(f"Unknown inputs {sorted(unknown)}, there are {sorted(field.name for field in fields)}")
    columns = {name: np.asarray(values, dtype=np.int64) for name, values in table.items()}
    cycles = max(len(column) for column in columns.values()) + TAIL
    bits = np.zeros((cycles, sum(field.width for field in fields)), dtype=np.uint8)
    for field in fields:
        column = columns.get(field.name, np.zeros(0, dtype=np.int64))
        span = slice(field.offset, field.offset + field.width)
        bits[: len(column), span] = (column[:, None] >> np.arange(field.width)) & 1
    return np.packbits(bits, axis=1, bitorder="little")


def _number(bits: npt.NDArray[np.uint8], field: Field) -> npt.NDArray[np.int64]:
    own = bits[:, field.offset : field.offset + field.width].astype(np.int64)
    value = (own << np.arange(field.width)).sum(axis=1)
    return value - (own[:, -1] << field.width) if field.signed else value


def assert_equal(name: str, have: npt.NDArray[np.int64], want: npt.ArrayLike) -> None:
    """Exact equality, with the first difference in the message."""
    expected = np.asarray(want, dtype=np.int64)
    assert have.shape == expected.shape, f"{name} has shape {have.shape}, not {expected.shape}"
    bad = np.argwhere(have != expected)
    if len(bad):
        first = tuple(bad[0])
        raise AssertionError(
            f"{name} differs in {len(bad)} places, first {first}: {have[first]}, not {expected[first]}"
        )


def wrap(value: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.int64]:
    """Modulo 2^width, signed."""
    half = 1 << (width - 1)
    return ((value + half) & ((1 << width) - 1)) - half
