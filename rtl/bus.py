"""The engine's register bus."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS


class BusSignature(wiring.Signature):
    """A small synchronous bus: no wait states, one access per cycle, reads answer after ``READ_LATENCY`` cycles.

    Members
    -------
    addr
        Word address, see ``spec.registers``.
    w_data, w_en
        Write.
    r_en, r_data
        Read.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "addr": Out(ADDRESS_BITS),
                "w_data": Out(DATA_BITS),
                "w_en": Out(1),
                "r_en": Out(1),
                "r_data": In(DATA_BITS),
            }
        )
