"""Sums of lanes on the device: chains become nextpnr's own cells, side by side, and compute what they did."""

from __future__ import annotations

import copy
import re
from typing import Any

import numpy as np
import pytest

from lstmith.flow.lane_sums import Cells, chain_tiles, place_sums

LENGTH = 9
NAME = "top.core.array.lane_{lane}.mac.added_{row}_{bit}"
#: A lane's first chain at column 4 of row 11, the others in rows below.
CORNERS = {0: (4, 11, 1)}


def _chain(rng: np.random.Generator, lane: int = 0, row: int = 0, first: int = 100) -> Cells:
    """A chain with random tables and inputs, of nets from 10 on or constants, and a register for each sum."""
    cells: Cells = {}
    carry: Any = "0"
    for index in range(LENGTH):
        net = first + 8 * index
        connections: dict[str, list[Any]] = {"CIN": [carry], "COUT": [net], "S0": [net + 1], "S1": [net + 2]}
        for half in range(2):
            for pin in "ABCD":
                constant = rng.choice(["0", "1", "x"]) if rng.random() < 0.4 else int(rng.integers(10, 20))
                connections[f"{pin}{half}"] = [constant]
        tables = {f"INIT{half}": f"{int(rng.integers(1 << 16)):016b}" for half in range(2)}
        cells[NAME.format(lane=lane, row=row, bit=2 * index)] = {
            "type": "CCU2C",
            "parameters": tables | {"INJECT1_0": "NO", "INJECT1_1": "NO"},
            "attributes": {},
            "connections": connections,
        }
        carry = net
        for half in range(2):
            ports = {"DI": [net + 1 + half], "Q": [net + 3 + half], "CLK": [2], "CE": [3], "LSR": [4 + row]}
            cells[f"sum_{lane}_{row}_{2 * index + half}"] = {
                "type": "TRELLIS_FF",
                "parameters": {"CEMUX": "CE"},
                "attributes": {},
                "connections": ports,
            }
    return cells


def _bit(values: dict[Any, int], net: Any) -> int:
    return {"0": 0, "1": 1, "x": 1}[net] if isinstance(net, str) else values[net]


def _full_adder(table: int, inputs: list[int], carry: int) -> tuple[int, int]:
    """Sum and carry of a bit, as in rtl/cells/CCU2C.v."""
    passes = table >> sum(value << index for index, value in enumerate(inputs)) & 1
    return passes ^ carry, carry if passes else table >> (inputs[0] | inputs[1] << 1) & 1


def _sums(cells: Cells, values: dict[Any, int]) -> dict[Any, int]:
    """All sums of chains, by their nets."""
    found: dict[Any, int] = {}
    carries: dict[Any, int] = {}
    waiting = [cell for cell in cells.values() if cell["type"] in ("CCU2C", "TRELLIS_COMB")]
    while waiting:
        cell = next(
            cell
            for cell in waiting
            if (carry := cell["connections"].get("CIN", cell["connections"].get("FCI", ["0"]))[0]) == "0"
            or carry in carries
        )
        waiting.remove(cell)
        ports, parameters = cell["connections"], cell["parameters"]
        if cell["type"] == "CCU2C":
            carry = carries.get(ports["CIN"][0], 0)
            for half in range(2):
                inputs = [_bit(values, ports[f"{pin}{half}"][0]) for pin in "ABCD"]
                found[ports[f"S{half}"][0]], carry = _full_adder(int(parameters[f"INIT{half}"], 2), inputs, carry)
            carries[ports["COUT"][0]] = carry
        else:
            inputs = [_bit(values, ports.get(pin, ["1"])[0]) for pin in "ABCD"]
            total, carry = _full_adder(int(parameters["INITVAL"], 2), inputs, carries.get(ports.get("FCI", [0])[0], 0))
            found |= dict.fromkeys(ports.get("F", []), total)
            carries |= dict.fromkeys(ports.get("FCO", []), carry)
    return found


def test_chains_compute_what_they_did(rng: np.random.Generator) -> None:
    before = _chain(rng)
    cells = copy.deepcopy(before)
    assert place_sums(cells, CORNERS) == 2 * (LENGTH + 1) + 2 * LENGTH
    assert not any(cell["type"] == "CCU2C" for cell in cells.values())
    for _ in range(200):
        values = {net: int(rng.integers(2)) for net in range(10, 20)}
        expected = _sums(before, values)
        assert len(expected) == 2 * LENGTH
        assert _sums(cells, values) == expected


@pytest.mark.parametrize(
    ("inputs", "kept"), [("nn00", "CD"), ("n0n1", "AC"), ("n101", "A"), ("0n0n", "BCD"), ("nx10", "A")]
)
def test_constants_go_into_the_table(inputs: str, kept: str, rng: np.random.Generator) -> None:
    """But of C and D only one, beside a 1: nextpnr allows no more. What is connected to nothing is 1."""
    cells = _chain(rng)
    ports = cells[NAME.format(lane=0, row=0, bit=0)]["connections"]
    ports |= {f"{pin}0": [10 if value == "n" else value] for pin, value in zip("ABCD", inputs, strict=True)}
    place_sums(cells, CORNERS)
    connected = cells[NAME.format(lane=0, row=0, bit=0) + "$comb_0"]["connections"]
    assert {pin for pin in connected if pin in "ABCD"} == {
        *kept,
        *(p for p, v in zip("ABCD", inputs, strict=True) if v == "n"),
    }


def test_carries_run_to_the_right(rng: np.random.Generator) -> None:
    """Every cell once, each beside the one before, in a row of its own, with the register of its sum."""
    cells = _chain(rng) | _chain(rng, row=1, first=300)
    place_sums(cells, CORNERS)
    places: dict[str, str] = {name: cell["attributes"]["BEL"] for name, cell in cells.items()}
    assert len(set(places.values())) == len(places) == 2 * (4 * LENGTH + 2)
    driver = {cell["connections"]["FCO"][0]: name for name, cell in cells.items() if "FCO" in cell["connections"]}
    for name, cell in cells.items():
        ports = cell["connections"]
        if cell["type"] == "TRELLIS_FF":
            (table,) = (other for other, found in cells.items() if found["connections"].get("F") == ports["DI"])
            assert places[name] == places[table].replace(".K", ".FF")
        elif "FCI" in ports:
            assert _position(places[name]) == _position(places[driver[ports["FCI"][0]]]) + 1
    rows = {_line(place) for place in places.values()}
    assert rows == {11, 12}
    assert chain_tiles(_chain(rng)) == 3


def _position(place: str) -> int:
    x, letter, lut = re.fullmatch(r"X(\d+)/Y\d+/SLICE([A-D])\.K([01])", place).groups()  # type: ignore[union-attr]
    return 8 * int(x) + 2 * "ABCD".index(letter) + int(lut)


def _line(place: str) -> int:
    return int(place.split("/")[1].removeprefix("Y"))


@pytest.mark.parametrize("why", ["another lane", "broken", "begins with a carry", "carry is seen", "registers differ"])
def test_what_cannot_be_fixed_stays(why: str, rng: np.random.Generator) -> None:
    cells = _chain(rng, lane=1 if why == "another lane" else 0)
    names = [name for name in cells if "added" in name]
    if why == "broken":
        del cells[names[3]]
    elif why == "begins with a carry":
        cells[names[0]]["connections"]["CIN"] = [10]
    elif why == "carry is seen":
        cells[names[4]]["connections"]["A0"] = cells[names[1]]["connections"]["COUT"]
    elif why == "registers differ":
        cells["sum_0_0_5"]["connections"]["CE"] = [9]
    before = copy.deepcopy(cells)
    assert place_sums(cells, CORNERS) == 0
    assert cells == before
