"""Carry chains of cells against the sums that stand for them in long simulations."""

from __future__ import annotations

from amaranth.hdl import Assert, Const, Cover, Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.formal.properties import Fault, proves
from lstmith.rtl.array.mac import sums
from lstmith.rtl.prim import arith
from lstmith.rtl.prim.expressed import Expressed, chain_family

#: What a part elaborates its chains for: a device, and a simulator.
CHAINS = chain_family("ecp5", None), chain_family("ecp5", Expressed())


@proves(
    "chain adds as its sum does",
    says="Cells in a carry chain and the expression that long simulations have in their place give the same bits.",
    fault=Fault(arith, "(Mux(a_on, a, 0) + Mux(b_on, b, 0))", "(Mux(a_on, a, 0) | Mux(b_on, b, 0))"),
    depth=1,
    cover=1,
    variants=((9, 6, 1), (14, 14, 1), (24, 13, 1), (24, 36, 20), (40, 30, 1), (40, 36, 19)),
)
class ChainsBench(wiring.Component):
    """Every kind of chain, of some width, as cells and as an expression.

    Parameters
    ----------
    width : int
        Bits of the sums.
    other : int
        Bits of one of the numbers; the other number has ``width``.
    choices : int
        Bits of a row's choice.
    """

    def __init__(self, width: int, other: int, choices: int) -> None:
        self._width = width
        number, short = In(signed(width)), In(signed(other))
        flags = dict.fromkeys(("a_on", "b_on", "carry"), In(1))
        super().__init__({"a": short, "b": number, "total": number, "choice": In(choices), **flags})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width = self._width
        total = Signal(signed(width))
        m.d.comb += total.eq(self.total)
        terms = {
            "chosen": sums.Term(self.a, self.b, self.choice),
            "chosen_carry": sums.Term(self.a, self.b, self.choice, self.carry),
            "carry": sums.Term(self.a, self.b, self.choice, self.carry, always=True),
        }
        forms: dict[str, list[Value]] = {}
        for chains in CHAINS:
            forms.setdefault("turned", []).append(arith.negated(m, f"turned_{chains}", self.a, self.a_on, chains))
            for kind, on in {"gated": self.a_on, "whole": Const(1)}.items():
                found = arith.sum_where(m, f"{kind}_{chains}", self.a, on, self.b, self.b_on, width, chains)
                forms.setdefault(kind, []).append(found)
            for name, term in terms.items():
                forms.setdefault(name, []).append(sums.added(m, f"{name}_{chains}", total, term, chains)[:width])
        for cells, expression in forms.values():
            m.d.comb += [Assert(cells.as_unsigned() == expression.as_unsigned()), Cover(cells.any())]
        return m
