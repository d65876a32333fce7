"""Which of several programs a sequence runs: its settings are waited for, and one that is not there is refused."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.prim import parameters as check
from lstmith.spec.config import PROGRAMS, bits_for, index_bits
from lstmith.spec.latency import SETTINGS


class ProgramChoice(wiring.Component):
    """Looks at the elements that may begin a sequence.

    A sequence of another program than the one before waits with its first element until that program's settings are
    there. A sequence whose program is not there is refused: each of its elements counts as a skipped step, until one
    begins a sequence of a program that is there.

    Parameters
    ----------
    programs : int
        From 2 on.

    Members
    -------
    names : In(1)
        The element begins a sequence, anew or from loaded states, and names its program.
    wanted : In(range(PROGRAMS))
        That program.
    clear : In(1)
        No element before is still on its way, so that the settings may change.
    accept : In(1)
        The element is taken; not while ``waits``.
    program : Out(range(programs))
        The program whose settings are asked for.
    waits : Out(1)
        The element has to wait: its program's settings are not there yet.
    refuses : Out(1)
        An element that begins a step belongs to a sequence that is refused.
    refused : Out(1)
        For one cycle: the sequence that begins is.
    """

    def __init__(self, programs: int):
        self._programs = check.integer("ProgramChoice programs", programs, 2, PROGRAMS)
        super().__init__(
            {
                "names": In(1),
                "wanted": In(bits_for(PROGRAMS)),
                "clear": In(1),
                "accept": In(1),
                "program": Out(index_bits(programs)),
                "waits": Out(1),
                "refuses": Out(1),
                "refused": Out(1),
            }
        )
        #: The sequence that came last is refused.
        self.closed = Signal()

    @property
    def wait(self) -> int:
        """Cycles in which the first element of another program's sequence waits."""
        # The program, its settings' memory, their register.
        return 1 + SETTINGS

    def elaborate(self, platform: object) -> Module:
        m = Module()
        absent, other, left = Signal(), Signal(), Signal(range(SETTINGS + 1))
        m.d.comb += [
            absent.eq(self.wanted >= self._programs),
            other.eq(self.names & ~absent & (self.wanted != self.program)),
            self.waits.eq(other | (left != 0)),
            self.refuses.eq(Mux(self.names, absent, self.closed)),
            self.refused.eq(self.names & absent & self.accept),
        ]
        with m.If(other & self.clear):
            m.d.sync += [self.program.eq(self.wanted), left.eq(SETTINGS)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.If(self.names & self.accept):
            m.d.sync += self.closed.eq(absent)
        return m
