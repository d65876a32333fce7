"""Blocks of the map: each holds its registers, and no two lie in one another."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from lstmith.compiler.register_texts.ipxact import _NAMESPACE, ipxact
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import core_map
from lstmith.spec.register_map import Bus

SPACE = {"x": _NAMESPACE}


def _number(text: str | None) -> int:
    assert text is not None
    return int(text.removeprefix("'h"), 16)


@pytest.mark.parametrize("bus", [Bus.AXI, Bus.WISHBONE])
def test_blocks_hold_their_registers_and_nothing_of_others(bus: Bus) -> None:
    core = core_map(EngineConfig(lanes=1, precisions=(8,), units=4, inputs=2), bus)
    found = ElementTree.fromstring(ipxact(core, "unit", "0.1")).findall(".//x:addressBlock", SPACE)
    spans = []
    for block in found:
        begin, size = (_number(block.findtext(f"x:{name}", None, SPACE)) for name in ("baseAddress", "range"))
        spans.append((begin, begin + size))
        places = [_number(each.text) for each in block.findall("x:register/x:addressOffset", SPACE)]
        if places:
            assert size / 2 <= max(places) < size
    assert len(spans) > 3
    spans.sort()
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
