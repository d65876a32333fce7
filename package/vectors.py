"""What the shipped bench and the driver's self-test compare with: the golden model's answers to some sequences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstmith.compiler.design import Design
from lstmith.host.request import RunRequest, integer_request
from lstmith.host.results import EngineRun
from lstmith.host.run import run_golden
from lstmith.host.stimulus import record
from lstmith.spec.codes import Verdict
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.policy_check import default_policies

#: Steps whose cycles are looked at for the latency and the throughput.
_TIMED_STEPS = 8
#: Bits of a word of ``h.hex``: h, c, last unit of its layer, layer.
_C_BIT, _LAST_BIT, _LAYER_BIT, _RESULT_BITS = 16, 40, 41, 56
#: Bits of a word of ``x.hex``, as in the register X of the buses: value, start of a sequence or restart, its last
#: element, the program that it runs.
_START_BIT, _RESTART_BIT, _END_BIT, _PROGRAM_BIT = 16, 17, 19, 24


@dataclass(frozen=True)
class Sequence:
    """A sequence of a program and what a core must make of it under the default policy.

    Attributes
    ----------
    program : int
    handed : bool
        It begins in the states that the run before leaves, else with zero states.
    x : int16 [T, I]
    run : EngineRun
        Golden's, of one sequence.
    """

    program: int
    handed: bool
    x: npt.NDArray[np.int16]
    run: EngineRun

    @property
    def cycles(self) -> list[int]:
        """Of each step, while x waits and results are taken at once."""
        return [int(value) for value in self.run.cycles[0]]

    @property
    def h(self) -> npt.NDArray[np.int64]:
        """h of the last layer, int64 [T, H], units as the core numbers them."""
        return self.run.layers[-1].h[0]

    @property
    def answers(self) -> npt.NDArray[np.int16]:
        """What the core says of a step, int16 [T, H] by the units of the model, or its verdict modulo 2^16, [T, 1]."""
        last = self.run.network.layers[-1]
        if last.verdict is Verdict.NONE:
            return last.to_source(self.h).astype(np.int16)
        return self.run.layers[-1].verdict[0, :, None].astype(np.uint16).astype(np.int16)

    def elements(self) -> list[str]:
        """Every element of the stream, 27 bits."""
        words = self.x.astype(np.int64).ravel() & 0xFFFF
        words |= self.program << _PROGRAM_BIT
        words[0] |= 1 << (_RESTART_BIT if self.handed else _START_BIT)
        words[-1] |= 1 << _END_BIT
        return [f"{word:07x}" for word in words.tolist()]

    def result_words(self, cells: bool) -> Iterator[int]:
        """Results of all layers in the order in which they leave, 56 bits, with c or 0."""
        for t in range(len(self.x)):
            for index, layer in enumerate(self.run.layers):
                values = zip(layer.h[0, t].tolist(), layer.c[0, t].tolist(), strict=True)
                judges = self.run.network.layers[index].verdict is not Verdict.NONE
                for unit, (h, c) in enumerate(values, 1):
                    last = int(unit == layer.h.shape[2] and not judges)
                    c_bits = c * cells % (1 << (_LAST_BIT - _C_BIT))
                    yield h % (1 << _C_BIT) | c_bits << _C_BIT | last << _LAST_BIT | index << _LAYER_BIT
                if judges:
                    yield int(layer.verdict[0, t]) | 1 << _LAST_BIT | index << _LAYER_BIT


@dataclass(frozen=True)
class Vectors:
    """Sequences, one after the other: each program's from zero, and behind it one of the program that takes its states.

    Attributes
    ----------
    runs : tuple of Sequence
    """

    runs: tuple[Sequence, ...]

    @property
    def cycles(self) -> list[int]:
        """Of each step of all sequences, each of which begins in an idle engine."""
        return [count for run in self.runs for count in run.cycles]

    def elements(self) -> list[str]:
        """The lines of ``x.hex``."""
        return [line for run in self.runs for line in run.elements()]

    def results(self, *, cells: bool) -> list[str]:
        """The lines of ``h.hex``."""
        return [f"{word:0{_RESULT_BITS // 4}x}" for run in self.runs for word in run.result_words(cells)]


def make_vectors(design: Design) -> Vectors:
    """Run the sequences that devices are verified with through the golden model."""
    runs: list[Sequence] = []
    for number in range(len(design.programs)):
        request = _request(design, number)
        runs.append(Sequence(number, False, request.x[0], run_golden(request)))
        for taker in _takers(design, number)[:1]:
            handed = replace(_request(design, taker), after=request)
            runs.append(Sequence(taker, True, handed.x[0], run_golden(handed)))
    return Vectors(tuple(runs))


def state_classes(design: Design) -> list[int]:
    """Of each program the first one whose states it can take up."""
    kept = [(program.place, program.state_format) for program in design.programs]
    return [kept.index(each) for each in kept]


def _takers(design: Design, giver: int) -> list[int]:
    """Other programs that can begin in the states that one leaves."""
    classes = state_classes(design)
    return [other for other, found in enumerate(classes) if other != giver and found == classes[giver]]


def _request(design: Design, program: int) -> RunRequest:
    chosen = design.select(program)
    return integer_request(chosen, default_policies(chosen.network, chosen.engine), record(chosen.network)[None])


@dataclass(frozen=True)
class Timing:
    """Cycles of a step whose every column counts, which no input makes longer.

    Attributes
    ----------
    latency : int
        From the transfer of a step's first element, on an idle core, to its last result in the output queue.
    interval : int
        From one step to the next while x waits: the core takes the next x while it computes.
    """

    latency: int
    interval: int


def measure_timing(design: Design) -> Timing:
    """Ask the cycle model for dense steps, after the first ones."""
    x = np.resize(record(design.network), (_TIMED_STEPS, design.network.inputs)).astype(np.int16)
    dense = [Policy(Mode.DENSE)] * len(design.network.layers)
    cycles = run_golden(integer_request(design, dense, x[None])).cycles[0]
    return Timing(int(cycles[0]), int(cycles[-1]))
