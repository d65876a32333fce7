"""What stands between the parts of a wrapper."""

from __future__ import annotations

from amaranth.hdl import signed, unsigned
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.fields import program_field
from lstmith.rtl.layouts import sequence_field
from lstmith.spec.config import ACTIVE_COUNTS, EngineConfig, bits_for
from lstmith.spec.registers import ADDRESS_BITS, DATA_BITS

ENABLES = DATA_BITS // 8


class Answer(enum.Enum, shape=2):  # type: ignore[call-arg]
    """How an access went; the codes are those of AXI."""

    OKAY = 0
    SLVERR = 2  #: something is there, and the access is refused
    DECERR = 3  #: nothing is there


class AccessSignature(wiring.Signature):
    """One access at a time, from a bus to the registers.

    Members
    -------
    valid : Out(1)
        Begins an access, for one cycle; the next one begins after ``done``.
    write : Out(1)
        It writes; holds until ``done``, as address, data and enables.
    address : Out(ADDRESS_BITS)
        Word address.
    data : Out(DATA_BITS)
        What is written.
    enables : Out(ENABLES)
        Bytes that are written.
    done : In(1)
        The access is over, for one cycle.
    answer : In(Answer)
        How it went; with ``done``.
    r_data : In(DATA_BITS)
        What was read, 0 if it was refused; with ``done``.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": Out(1),
                "write": Out(1),
                "address": Out(ADDRESS_BITS),
                "data": Out(DATA_BITS),
                "enables": Out(ENABLES),
                "done": In(1),
                "answer": In(Answer),
                "r_data": In(DATA_BITS),
            }
        )


def element_layout(config: EngineConfig) -> data.StructLayout:
    """An element of x on its way into the engine."""
    return data.StructLayout(
        {
            "value": signed(16),
            "last": 1,  # of its sequence
            "start": 1,  # begins a sequence
            "keep": 1,  # begins none, although one ended before
            "restart": 1,
            "mark": 1,
            "mask": unsigned(bits_for(ACTIVE_COUNTS)),
            **sequence_field(config),
            **program_field(config),
        }
    )


def beat_layout(config: EngineConfig) -> data.StructLayout:
    """A result on its way out, or the only one of a skipped step."""
    return data.StructLayout(
        {
            "value": signed(16),
            "layer": unsigned(bits_for(config.layers)),
            "last": 1,  # of its layer in this step
            "end": 1,  # of its sequence
            "skipped": 1,
            **sequence_field(config),
        }
    )
