"""A design's core in Verilator against golden over many steps, by several workers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lstmith.compiler.calls import program_sequences
from lstmith.compiler.data import Sequences, SequenceSource
from lstmith.compiler.design import Design
from lstmith.host.request import RunRequest
from lstmith.host.results import EngineRun, mismatches
from lstmith.host.rtl_core import RtlCore
from lstmith.host.run import run_golden
from lstmith.host.runner import PolicySource, checked_policies, read_input
from lstmith.host.stimulus import changing_steps
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import IntArray

#: Chains that golden computes side by side, and steps of each in a piece, beside which starting a simulation is little.
CHAINS, PIECE = 16, 250
SIMULATOR = "verilator"


@dataclass(frozen=True)
class Compared:
    """What was compared.

    Parameters
    ----------
    steps : int
    mismatches : int
        Values that differ from golden: h and c of every layer, and what is told of each layer's step.
    wrong_cycles : int
        Steps that took another number of cycles than golden says.
    """

    steps: int = 0
    mismatches: int = 0
    wrong_cycles: int = 0

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not self.mismatches and not self.wrong_cycles

    def __add__(self, other: Compared) -> Compared:
        return Compared(
            self.steps + other.steps, self.mismatches + other.mismatches, self.wrong_cycles + other.wrong_cycles
        )


def verify_design(
    design: Design,
    steps: int,
    x: SequenceSource | None = None,
    *,
    policy: PolicySource | None = None,
    workers: int = 1,
    seed: int = 1,
    progress: Callable[[int], None] | None = None,
) -> Compared:
    """Compare so many steps of a design's core, in Verilator, with golden.

    The steps are divided among the design's programs, and those among chains, each of which begins in its own place of
    the data and starts over at its end. A chain is cut into pieces; golden's state at a cut is loaded into the core
    (a fixed engine, which nothing can be loaded into, begins anew). Every worker runs a simulation of its own.

    Parameters
    ----------
    design : Design
    steps : int
        1 or more.
    x : str or Path, array, mapping or None
        Recorded data as for ``run``; None is :func:`~lstmith.host.stimulus.changing_steps`.
    policy : path, mapping, Policy or None
        As for ``run``.
    workers : int
        Simulations at a time.
    seed : int
        Of random values.
    progress : callable or None
        Called with the number of steps that were compared.

    Raises
    ------
    UserError
        If the data or the policy do not suit the design, or a tool is missing.
    """
    streams = _streams(design, x, seed)
    shares = [len(part) for part in np.array_split(np.arange(steps), len(streams))]
    chosen = [design.select(program) for program in range(len(design.programs))]
    policies = [checked_policies(each, policy) for each in chosen]
    total = Compared()
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as folder:
        first, _ = next(_pieces(chosen[0], policies[0], streams[0], 1))
        core = RtlCore(first, SIMULATOR, Path(folder))
        with ThreadPoolExecutor(workers) as pool:
            running: set[Future[Compared]] = set()

            def collected(most: int) -> Compared:
                nonlocal running
                found = Compared()
                while len(running) > most:
                    ended, running = wait(running, return_when=FIRST_COMPLETED)
                    found = sum((each.result() for each in ended), found)
                return found

            try:
                for each, each_policies, stream, share in zip(chosen, policies, streams, shares, strict=True):
                    for request, golden in _pieces(each, each_policies, stream, share):
                        running.add(pool.submit(_compare, core, request, golden))
                        # A few pieces wait, so that no worker does.
                        total += collected(2 * workers)
                        if progress is not None:
                            progress(total.steps)
                total += collected(0)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    if progress is not None:
        progress(total.steps)
    return total


def _compare(core: RtlCore, request: RunRequest, golden: EngineRun) -> Compared:
    run = core.run(request)
    wrong_cycles = int(np.count_nonzero(run.cycles != golden.cycles))
    return Compared(int(request.valid.sum()), mismatches(run, golden), wrong_cycles)


def _streams(design: Design, x: SequenceSource | None, seed: int) -> list[npt.NDArray[np.int16]]:
    """What each program reads, step after step, int16 [S, I]."""
    networks = [program.network for program in design.programs]
    if x is None:
        rng = np.random.default_rng(seed)
        return [changing_steps(rng, network, CHAINS * PIECE) for network in networks]
    sources = tuple(program.source for program in design.programs)
    given = program_sequences(read_input(design, x), design.graph, sources)
    if len(given) < len(networks):
        problem = f"leads to {len(given)} of the design's {len(networks)} programs"
        raise UserError(given[0].source, problem, "give the graph's inputs by their names, or leave --input out")
    return [
        network.quantise_input(sequences.x)[sequences.valid] for network, sequences in zip(networks, given, strict=True)
    ]


def _pieces(
    design: Design, policies: list[Policy], stream: npt.NDArray[np.int16], steps: int
) -> Iterator[tuple[RunRequest, EngineRun]]:
    """Runs of at most ``PIECE`` steps of each chain, one after the other, and golden's, whose states begin the next."""
    # Of fewer steps than chains the last chains have none.
    lengths = np.array([len(part) for part in np.array_split(np.arange(steps), CHAINS)])
    begins = np.arange(CHAINS) * len(stream) // CHAINS
    state: list[tuple[IntArray, IntArray]] | None = None
    for start in range(0, int(lengths.max()), PIECE):
        left = np.clip(lengths - start, 0, PIECE).astype(np.int64)
        rows = int(np.count_nonzero(left))  # the longer chains come first
        places = begins[:rows, None] + start + np.arange(left.max())
        x = stream[places % len(stream)]
        real = (x * design.network.x_lsb).astype(np.float32)
        sequences = Sequences(real, left[:rows], False, None, "verification")
        begin = None if state is None else [(h[:rows], c[:rows]) for h, c in state]
        request = RunRequest(design, policies, sequences, x, begin)
        golden = run_golden(request)
        if not design.engine.fixed:
            state = golden.final_states()
        yield request, golden
