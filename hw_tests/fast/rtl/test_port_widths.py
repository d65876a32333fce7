"""Ports are as wide as the lines of docstrings say, in all parts of whole cores."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Fragment, Shape
from amaranth.lib import wiring

from hw_tests.fast.rtl.link.test_link import IDENTITY
from hw_tests.fast.rtl.small_engine import Features, small_engine
from lstmith.rtl.link.core import LinkedCore
from lstmith.rtl.link.flash import FlashLoader
from lstmith.rtl.top import Top
from lstmith.rtl.wrappers.axi_top import AxiTop
from lstmith.rtl.wrappers.wishbone_top import WishboneTop
from lstmith.spec.config import EngineConfig

#: A port whose line tells its width as a number.
LINE = re.compile(r"^ *(\w+) : (?:In|Out)\((?:signed\()?(\d+)\)", re.MULTILINE)
EVERYTHING = Features(
    dims=(3, 5, 4), precisions=(4, 8, 16), peepholes=True, planes=2, skip=True, active_counts=4, rows_per_cycle=2
)
MAKE: dict[str, tuple[Callable[[EngineConfig], wiring.Component], Features]] = {
    "everything": (Top, EVERYTHING),
    "digit": (Top, Features(precisions=(4, 8), mac="digit", rows_per_cycle=1)),
    "axi": (AxiTop, Features()),
    "wishbone": (WishboneTop, Features()),
    "linked": (lambda config: LinkedCore(replace(IDENTITY, config=config)), Features(dims=(2, 2))),
    "flash": (lambda config: FlashLoader(lanes=config.lanes, depth=8, offset=0, checksum=0), Features()),
}


@pytest.mark.parametrize("name", MAKE)
def test_widths(name: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    parts: list[Any] = []

    def watch(kind: type[Any]) -> None:
        begin = kind.__init__

        def kept(self: Any, *given: Any, **named: Any) -> None:
            begin(self, *given, **named)
            parts.append(self)

        monkeypatch.setattr(kind, "__init__", kept)

    watch(wiring.Component)
    watch(wiring.Signature)
    make, features = MAKE[name]
    Fragment.get(make(small_engine(rng, features)[0]), None)
    wrong, seen = [], 0
    for part in parts:
        told = {port: int(width) for port, width in LINE.findall(type(part).__doc__ or "")}
        signature = part if isinstance(part, wiring.Signature) else part.signature
        for port, member in signature.members.items():
            if port in told and member.is_port:
                seen += 1
                if (width := Shape.cast(member.shape).width) != told[port]:
                    wrong.append((type(part).__name__, port, width, told[port]))
    assert wrong == []
    assert seen > 5
