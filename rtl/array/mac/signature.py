"""Ports that every MAC kind has."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.array.mac.multiples import multiples
from lstmith.spec.config import EngineConfig


def mac_signature(config: EngineConfig) -> dict[str, wiring.Member]:
    """Members of a MAC.

    ``word``, ``operand``, ``packed`` (four 4-bit rows, the operand at most ``PACKED_OPERAND``) and ``wide`` (one
    16-bit row; else two 8-bit rows) enter together, with what :func:`.multiples.multiples` names; ``latency`` cycles
    later ``enables`` name the gate rows whose products are added, and ``split`` repeats ``packed``. ``clear`` bit 0
    clears the sums of gates i and f in that cycle, bit 1 those of g and o; a sum is never cleared and added to at once.
    ``run`` enables the clock of cells that have registers of their own, which an ``EnableInserter`` around the engine
    does not reach.
    """
    return {
        "run": In(1, init=1),
        "word": In(16),
        "operand": In(signed(config.operand_width)),
        **{name: In(shape) for name, shape in multiples(config).items()},
        "packed": In(1),
        "wide": In(1),
        "enables": In(4),
        "split": In(1),
        "clear": In(2),
        "sums": Out(data.ArrayLayout(signed(config.acc_width), 4)),
    }
