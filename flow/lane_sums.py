"""The sums of an ECP5 engine's lanes: every bit of their carry chains, and its register, at a place of its own.

nextpnr builds carry chains (CCU2C) from cells of its own, two for each, and takes no place for a CCU2C. It does take
these cells (TRELLIS_COMB) from a netlist, with their places: so chains that shall have one are written as nextpnr would
(``ccu2_to_comb``, ``make_carry_feed_in`` and ``set_ccu2c_input_constant`` in nextpnr/ecp5/pack.cc).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import count, pairwise
from typing import Any

#: Cells of a logic tile; a chain goes on in the tile to the right.
TILE_CELLS = 8
#: Rows of sums that a lane has.
ROWS = 4
_CHAIN = re.compile(r"\.array\.lane_(\d+)\.mac\.added_(\d)_(\d+)$")
#: What registers of one tile, or of one slice, share.
_CONTROLS, _CONTROL_PARAMETERS = ("CLK", "LSR", "CE"), ("CLKMUX", "LSRMUX", "CEMUX", "GSR", "SRMODE")
_PINS = "ABCD"

Cells = dict[str, dict[str, Any]]


def place_sums(cells: Cells, corners: Mapping[int, tuple[int, int, int]]) -> int:
    """Fix the sums of lanes: their carry chains become cells with places, and their registers get places.

    Parameters
    ----------
    cells : dict
        Of a module of yosys' JSON; changed.
    corners : dict of int to (int, int, int)
        By lane: column and row of its first chain, and the rows to the next (1 or -1).

    Returns
    -------
    int
        Cells that were given a place.
    """
    registers = {cell["connections"]["DI"][0]: name for name, cell in cells.items() if cell["type"] == "TRELLIS_FF"}
    used = [bit for cell in cells.values() for bits in cell["connections"].values() for bit in bits]
    nets = count(max((bit for bit in used if isinstance(bit, int)), default=0) + 1)
    placed = 0
    for (lane, row), chain in _chains(cells):
        if lane in corners and _one_set([cells[name] for name in _registers_of(cells, chain, registers)]):
            column, line, step = corners[lane]
            placed += _place_chain(cells, chain, registers, nets, (column, line + row * step))
    return placed


def chain_tiles(cells: Cells) -> int:
    """Tiles of the longest chain of a lane's sums, 0 without any."""
    return max((-(-2 * (len(chain) + 1) // TILE_CELLS) for _, chain in _chains(cells)), default=0)


def _chains(cells: Cells) -> Iterator[tuple[tuple[int, int], list[str]]]:
    """Lane and row of sums, and the names of the chain's cells from the lowest bits on.

    Only whole chains that begin with a carry of 0 and whose carries go nowhere else.
    """
    seen = Counter(bit for cell in cells.values() for bits in cell["connections"].values() for bit in bits)
    found: dict[tuple[int, int], list[tuple[int, str]]] = defaultdict(list)
    for name, cell in cells.items():
        if cell["type"] == "CCU2C" and (match := _CHAIN.search(name)):
            found[int(match[1]), int(match[2])].append((int(match[3]), name))
    for key, numbered in sorted(found.items()):
        chain = [name for _, name in sorted(numbered)]
        ports = [cells[name]["connections"] for name in chain]
        whole = ports[0]["CIN"] == ["0"] and all(low["COUT"] == high["CIN"] for low, high in pairwise(ports))
        if whole and all(seen[bit] <= 1 + (port is not ports[-1]) for port in ports for bit in port.get("COUT", [])):
            yield key, chain


def _registers_of(cells: Cells, chain: list[str], registers: Mapping[Any, str]) -> list[str]:
    sums = [cells[name]["connections"].get(f"S{half}", [None])[0] for name in chain for half in range(2)]
    return [registers[bit] for bit in sums if bit in registers]


def _one_set(registers: list[dict[str, Any]]) -> bool:
    """Whether a tile can hold all of these registers."""
    sets = {
        (
            *(str(cell["connections"].get(port)) for port in _CONTROLS),
            *(str(cell["parameters"].get(name)) for name in _CONTROL_PARAMETERS),
        )
        for cell in registers
    }
    return len(sets) <= 1


def _place_chain(
    cells: Cells, chain: list[str], registers: Mapping[Any, str], nets: Iterator[int], begin_at: tuple[int, int]
) -> int:
    """Replace the chain's cells, behind a pair that begins it with a carry of 0."""
    column, row = begin_at
    begin = f"{chain[0]}$begin"
    parts = [
        (begin, _comb(0, "NO", {})),
        (f"{begin}_1", _comb(0xFFFF, "YES", {})),
        *((f"{name}$comb_{half}", _half(cells[name], half)) for name in chain for half in range(2)),
    ]
    for name in chain:
        del cells[name]
    placed = 0
    carry: list[Any] | None = None
    for place, (name, cell) in enumerate(parts):
        x, lut = column + place // TILE_CELLS, place % TILE_CELLS
        connections = cell["connections"]
        if carry is not None:
            connections["FCI"] = carry
        if place + 1 < len(parts):
            connections["FCO"] = carry = [next(nets)]
        where = f"X{x}/Y{row}/SLICE{'ABCD'[lut // 2]}"
        cell["attributes"]["BEL"] = f"{where}.K{lut % 2}"
        cell["port_directions"] = {port: "output" if port in ("F", "FCO") else "input" for port in cell["connections"]}
        cells[name] = cell
        placed += 1
        if (register := registers.get(connections.get("F", [None])[0])) is not None:
            cells[register]["attributes"]["BEL"] = f"{where}.FF{lut % 2}"
            placed += 1
    return placed


def _half(cell: dict[str, Any], half: int) -> dict[str, Any]:
    """One bit of a CCU2C."""
    table = int(cell["parameters"][f"INIT{half}"], 2)
    inputs = {pin: cell["connections"].get(f"{pin}{half}", ["1"])[0] for pin in _PINS}
    for index, pin in enumerate(_PINS):
        # The carry logic takes C and D as 0 both: one of them can be a constant of the table if the other is none.
        partner = {"C": "D", "D": "C"}.get(pin)
        if inputs[pin] == "0" and (partner is None or inputs[partner] in ("1", "x")):
            table = sum((table >> (entry & ~(1 << index)) & 1) << entry for entry in range(16))
            inputs[pin] = "1"
    # What is not connected is 1.
    connections: dict[str, list[Any]] = {pin: [bit] for pin, bit in inputs.items() if bit not in ("1", "x")}
    if f"S{half}" in cell["connections"]:
        connections["F"] = cell["connections"][f"S{half}"]
    return _comb(table, cell["parameters"][f"INJECT1_{half}"], connections)


def _comb(table: int, inject: str, connections: dict[str, list[Any]]) -> dict[str, Any]:
    return {
        "hide_name": 0,
        "type": "TRELLIS_COMB",
        "parameters": {"MODE": "CCU2", "INITVAL": f"{table:016b}", "CCU2_INJECT1": inject},
        "attributes": {},
        "connections": connections,
    }
