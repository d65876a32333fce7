"""A core with a wrapper as its master and its streams see it, the same for both buses."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.rtl.wrappers.axi_top import AxiTop
from lstmith.rtl.wrappers.wishbone_top import WishboneTop
from lstmith.spec.register_table import entry_of, pack_register
from lstmith.spec.registers import FrontRegister

#: Cycles that nothing here takes.
LIMIT = 4000
#: A stream that was not ready for so long is full.
FULL = 400
Element = tuple[int, int]


class Port:
    """The streams; subclasses have the registers.

    Parameters
    ----------
    ctx : SimulatorContext
    x, h : list of Signal
        Valid, ready, value, and what goes with it.
    """

    def __init__(self, ctx: Any, x: list[Any], h: list[Any]):
        self._ctx, self._x, self._h = ctx, x, h

    async def run(self, elements: list[Element], results: int) -> list[Element]:
        """Send elements and take results; a receiver of none is not ready, and then it ends when the core is full.

        Elements that were sent leave the list.
        """
        ctx, (x_valid, x_ready, x_value, x_flag), (h_valid, h_ready, h_value, h_flag) = self._ctx, self._x, self._h
        seen: list[Element] = []
        ctx.set(h_ready, bool(results))
        waited = 0
        for _ in range(LIMIT):
            ctx.set(x_valid, bool(elements))
            if elements:
                ctx.set(x_value, elements[0][0])
                ctx.set(x_flag, elements[0][1])
            if elements and ctx.get(x_ready):
                elements.pop(0)
                waited = 0
            if ctx.get(h_valid) and results:
                h = ctx.get(h_value)
                seen.append(((h & 0x7FFF) - (h & 0x8000), ctx.get(h_flag)))
            await ctx.tick()
            waited += 1
            if len(seen) == results and (results or waited > FULL):
                break
        ctx.set(x_valid, 0)
        ctx.set(h_ready, 0)
        return seen

    async def reset(self) -> None:
        """Reset the core."""
        raise NotImplementedError

    async def access(self, place: int, word: int | None = None) -> int | None:
        """Write a word, or read one; returns the data port at the answer, None if it is an error."""
        raise NotImplementedError


class AxiPort(Port):
    """AXI4-Stream and AXI4-Lite; an element's flag is TLAST."""

    def __init__(self, ctx: Any, top: AxiTop):
        self._top = top
        streams = (
            [getattr(top, f"{name}_{part}") for part in ("tvalid", "tready", "tdata", "tlast")]
            for name in ("s_axis_x", "m_axis_h")
        )
        super().__init__(ctx, *streams)

    async def reset(self) -> None:
        """Reset the core."""
        self._ctx.set(self._top.aresetn, 0)
        for _ in range(2):
            await self._ctx.tick()
        self._ctx.set(self._top.aresetn, 1)

    async def access(self, place: int, word: int | None = None) -> int | None:
        ctx = self._ctx
        way, answer = ("ar", "r") if word is None else ("aw", "b")
        calls = [way] if word is None else [way, "w"]
        port = {name: getattr(self._top, f"s_axil_{name}") for name in self._names()}
        ctx.set(port[f"{way}addr"], 4 * place)
        ctx.set(port["wdata"], word or 0)
        ctx.set(port["wstrb"], 15)
        for name in calls:
            ctx.set(port[f"{name}valid"], 1)
        ctx.set(port[f"{answer}ready"], 1)
        for _ in range(LIMIT):
            taken = [name for name in calls if ctx.get(port[f"{name}ready"])]
            over, response, found = (ctx.get(port[f"{each}"]) for each in (f"{answer}valid", f"{answer}resp", "rdata"))
            await ctx.tick()
            for name in taken:
                ctx.set(port[f"{name}valid"], 0)
            if over:
                return None if response else int(found)
        raise AssertionError("the access is never answered")

    def _names(self) -> list[str]:
        prefix = "s_axil_"
        return [name.removeprefix(prefix) for name in self._top.signature.members if name.startswith(prefix)]


class WishbonePort(Port):
    """A classic master and the native streams; an element's flag is the beginning of a sequence."""

    def __init__(self, ctx: Any, top: WishboneTop):
        self._top = top
        x, h = (
            [getattr(top, f"{name}_{part}") for part in ("valid", "ready", "value", flag)]
            for name, flag in (("x", "start"), ("h", "last"))
        )
        super().__init__(ctx, x, h)

    async def reset(self) -> None:
        """Reset the core."""
        self._ctx.set(self._top.wb_rst_i, 1)
        for _ in range(2):
            await self._ctx.tick()
        self._ctx.set(self._top.wb_rst_i, 0)

    async def access(self, place: int, word: int | None = None) -> int | None:
        ctx, top = self._ctx, self._top
        ports = {"cyc": 1, "stb": 1, "we": word is not None, "adr": place, "dat": word or 0, "sel": 15}
        for name, value in ports.items():
            ctx.set(getattr(top, f"wb_{name}_i"), value)
        for _ in range(LIMIT):
            ack, err, found = ctx.get(top.wb_ack_o), ctx.get(top.wb_err_o), ctx.get(top.wb_dat_o)
            await ctx.tick()
            if ack or err:
                ctx.set(top.wb_cyc_i, 0)
                ctx.set(top.wb_stb_i, 0)
                return None if err else int(found)
        raise AssertionError("the access is never answered")


def axi_elements(x: npt.NDArray[np.int16]) -> list[Element]:
    """A sequence [T, I] for AXI."""
    return [(value, int(index + 1 == x.size)) for index, value in enumerate(x.ravel().tolist())]


def native_elements(x: npt.NDArray[np.int16]) -> list[Element]:
    """A sequence [T, I] for the native streams, where its first step's elements begin it."""
    return [(value, int(index < x.shape[1])) for index, value in enumerate(x.ravel().tolist())]


async def by_registers(port: Port, steps: list[list[int]], results: int) -> list[int]:
    """A sequence through X and H; its last element ends it where the port has no start."""
    seen: list[int] = []
    x, h = (entry_of(register).address for register in (FrontRegister.X, FrontRegister.H))
    sent = {"restart": 0, "mark": 0, "sequence": 0, "mask": 0, "program": 0}
    ends = isinstance(port, AxiPort)
    for t, step in enumerate(steps):
        for column, value in enumerate(step):
            last = int(ends and (t, column) == (len(steps) - 1, len(step) - 1))
            word = pack_register(FrontRegister.X, value=value, start=int(t == column == 0), last=last, **sent)
            while await port.access(x, word) is None:
                pass
    while len(seen) < results:
        word = await port.access(h) or 0
        if word >> 31:
            seen.append((word & 0x7FFF) - (word & 0x8000))
    return seen
