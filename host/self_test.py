"""Golden vectors through an engine, and how fast it answers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.compiler.design import Design
from lstmith.host.backends import Backend, answer, final_state
from lstmith.host.link.backend import LinkBackend
from lstmith.host.request import RunRequest, integer_request
from lstmith.host.results import mismatches
from lstmith.host.run import run_golden
from lstmith.host.stimulus import random_steps, record
from lstmith.spec.policy import Mode, Policy

#: Frame bits of a byte on the wire.
BYTE_BITS = 10


@dataclass(frozen=True)
class Verification:
    """What answered, and how many numbers were wrong.

    Attributes
    ----------
    name : str
        Engine or port.
    board, commit : str
        Of a device; empty otherwise.
    tag : int
        CRC-32 of a device's weights.
    clock_mhz : float
    steps, values : int
        Compared.
    mismatches : int
        Of them, how many differ from the golden model.
    """

    name: str
    board: str
    commit: str
    tag: int
    clock_mhz: float
    steps: int
    values: int
    mismatches: int

    def __str__(self) -> str:
        verdict = "all right" if not self.mismatches else f"{self.mismatches} WRONG"
        who = self.name
        if self.board:
            who += f": {self.board}, build {self.commit}, {self.clock_mhz:g} MHz, weights {self.tag:08x}"
        return f"{who}: {self.values} values of {self.steps} steps, {verdict}"


@dataclass(frozen=True)
class Throughput:
    """How fast steps go through.

    Attributes
    ----------
    steps_per_second : float
        One after the other without waiting.
    step_seconds : float
        Of one step alone, from sending its input to having its h: median.
    payload_bytes : int
        Input and answer of a step, whichever is more: the two directions do not disturb each other.
    link_share : float or None
        Of what the link's bytes per second could carry of that; None without a link.
    """

    steps_per_second: float
    step_seconds: float
    payload_bytes: int
    link_share: float | None


def verify(backend: Backend, design: Design, policies: list[Policy]) -> Verification:
    """Run golden vectors under the policies and, since those may leave columns out, densely."""
    network = design.network
    x = record(network)
    chosen_ones = [[Policy(Mode.DENSE)] * len(policies), policies]
    if isinstance(backend, LinkBackend) and not backend.device.states:
        chosen_ones = [policies]
    wrong = values = steps = 0
    for chosen in chosen_ones:
        request = integer_request(design, chosen, x[None])
        backend.set_policies(chosen)
        wrong += _differences(backend, request)
        values += 2 * x.shape[0] * sum(layer.units for layer in network.layers)
        steps += len(x)
    board, commit, tag, clock = "", "", 0, 0.0
    if isinstance(backend, LinkBackend):
        identity = backend.device.identity
        board, commit = identity.board, identity.commit.hex()[:12] if any(identity.commit) else "of an unknown commit"
        tag, clock = backend.tag(), identity.clock_hz / 1e6
    return Verification(backend.name, board, commit, tag, clock, steps, values, wrong)


def _differences(backend: Backend, request: RunRequest) -> int:
    golden = run_golden(request)
    if not isinstance(backend, LinkBackend) or backend.device.records:
        return mismatches(backend.run(request, None), golden)
    # Only answers come step by step; the last state tells of the rest.
    answers, last = np.array(list(backend.stream(request.x[0], None, ahead=1))), request.design.network.layers[-1]
    wanted = np.array([answer(last, h) for h in golden.layers[-1].h[0]])
    wrong = int(np.count_nonzero(answers != wanted))
    if not backend.device.states:
        return wrong
    for have, want in zip(backend.final_state(), final_state(golden), strict=True):
        wrong += sum(int(np.count_nonzero(one != two)) for one, two in zip(have, want, strict=True))
    return wrong


def measure(backend: Backend, design: Design, steps: int, ahead: int) -> Throughput:
    """Stream random input."""
    x = random_steps(np.random.default_rng(0), design.network, steps)
    begun = time.perf_counter()
    for _ in backend.stream(x, None, ahead):
        pass
    per_second = steps / (time.perf_counter() - begun)
    times: list[float] = []

    def timed() -> Iterator[npt.NDArray[np.int16]]:
        for values in x[: min(steps, 50)]:
            times.append(time.perf_counter())
            yield values
        times.append(time.perf_counter())

    for _ in backend.stream(timed(), None, 1):
        pass
    given = 2 * design.network.inputs
    last = design.network.layers[-1]
    taken = 2 * (1 + len(answer(last, np.zeros(last.units, dtype=np.int64))))
    payload, share = max(given, taken), None
    if isinstance(backend, LinkBackend):
        share = per_second * payload / (backend.device.identity.baud / BYTE_BITS)
    return Throughput(per_second, float(np.median(np.diff(times))), payload, share)
