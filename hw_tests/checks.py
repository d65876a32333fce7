"""Units alone: a table of inputs per cycle gives a table of outputs per cycle, which a check judges.

The fast tier runs checks here, on Amaranth's own simulator; ``hw_tests.cocotb.vectors`` runs them on others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth.hdl import Cat, Module, Shape, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator

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
        judge({name: check}, _simulate_here(packed, table), "pysim")


def judge(checks: Mapping[str, Check], outputs: Table, simulator: str) -> None:
    """Let each check look at its own unit's outputs, named by unit and path."""
    for name, check in checks.items():
        own = {port.removeprefix(f"{name}."): values for port, values in outputs.items() if port.startswith(f"{name}.")}
        try:
            check.verify(own)
        except AssertionError as error:
            raise AssertionError(f"{name} on {simulator}: {error}") from error


def _simulate_here(packed: Packed, table: Mapping[str, npt.ArrayLike]) -> Table:
    rows = pack(packed.fields["inputs"], table)
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
    return outputs_of(packed, bits)


def outputs_of(packed: Packed, bits: npt.NDArray[np.uint8]) -> Table:
    """What each output held, from its bits [cycles, width]."""
    return {field.name: _number(bits, field) for field in packed.fields["outputs"]}


def pack(fields: list[Field], table: Mapping[str, npt.ArrayLike]) -> npt.NDArray[np.uint8]:
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
