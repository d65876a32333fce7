"""The engine's register bus."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS


class BusSignature(wiring.Signature):
    """A small synchronous bus: no wait states, one access per cycle, reads answer after ``READ_LATENCY`` cycles.

    Members
    -------
    addr : Out(ADDRESS_BITS)
        Word address, see ``spec.registers``; valid with a strobe.
    w_data : Out(DATA_BITS)
        What is written; valid with ``w_en``.
    w_en : Out(1)
        Write, for one cycle.
    r_en : Out(1)
        Read, for one cycle.
    r_data : In(DATA_BITS)
        What was read, ``READ_LATENCY`` cycles after ``r_en``.
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
