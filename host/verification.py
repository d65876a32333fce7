"""A design's core in Verilator against golden over many steps, in pieces that workers share."""

from __future__ import annotations

import base64
import fcntl
import functools
import io
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.campaign import Cluster, Store, Task, run_tasks
from lstmith.compiler.calls import program_sequences
from lstmith.compiler.data import Sequences, SequenceSource
from lstmith.compiler.design import Design
from lstmith.host.request import RunRequest
from lstmith.host.results import mismatches
from lstmith.host.rtl_core import RtlCore
from lstmith.host.run import run_golden
from lstmith.host.runner import PolicySource, checked_policies, read_input
from lstmith.host.stimulus import changing_steps
from lstmith.spec.errors import UserError
from lstmith.spec.policy_file import describe_policy
from lstmith.spec.quantised import IntArray

#: Chains that golden computes side by side, and steps of each in a piece, beside which starting a simulation is little.
CHAINS, PIECE = 16, 250
#: Groups of chains, at most: so many pieces of a program can be compared at the same time.
GROUPS = 32
SIMULATOR = "verilator"
_BUILDING = threading.Lock()


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
    seed: int = 1,
    store: Store | None = None,
    cluster: Cluster | None = None,
    progress: Callable[[int], None] | None = None,
) -> Compared:
    """Compare so many steps of a design's core, in Verilator, with golden.

    The steps are divided among the design's programs, and those among chains. A chain of recorded data begins in its
    own place of the data and starts over at its end. Groups of chains are cut into pieces; a piece begins in golden's
    state at the end of the one before, which is loaded into the core (a fixed engine, which nothing can be loaded
    into, begins anew). A piece is a task, see :func:`.run_tasks`.

    Parameters
    ----------
    design : Design
    steps : int
        1 or more.
    x : str or Path, array, mapping or None
        Recorded data as for ``run``; None is :func:`~lstmith.host.stimulus.changing_steps`, other ones in each piece.
    policy : path, mapping, Policy or None
        As for ``run``.
    seed : int
        Of random values.
    store : Store or None
        Keeps what each piece came to: a stopped run goes on, a longer one begins with a shorter one's pieces only if
        its chains are as many.
    cluster : Cluster or None
        Compares several pieces at a time.
    progress : callable or None
        Called with the number of steps that were compared.

    Raises
    ------
    UserError
        If the data or the policy do not suit the design, or a tool is missing.
    """
    chosen = [design.select(program) for program in range(len(design.programs))]
    policies = [[describe_policy(each) for each in checked_policies(every, policy)] for every in chosen]
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as name:
        files = {"design": Path(name) / "design"}
        design.save(files["design"])
        groups = []
        recorded = _recorded(design, x)
        for program, share in enumerate(_parts(steps, len(chosen))):
            stream = {}
            if recorded is not None:
                stream["x"] = Path(name) / f"x_{program}.npy"
                np.save(stream["x"], recorded[program])
            basis = {"program": program, "policies": policies[program], "seed": seed}
            count = min(GROUPS, -(-share // (CHAINS * PIECE)))
            for number, part in enumerate(_parts(share, count)):
                # Of fewer steps than chains the last chains have none; the longer ones come first.
                lengths = np.array(_parts(part, CHAINS))
                each = basis | {"group": number, "groups": count}
                groups.append(_Group(each, files | stream, lengths, carried=not design.engine.fixed))
        total = Compared()
        order: list[_Group] = []
        for index, found in run_tasks(compare_piece, _tasks(groups, order), store=store, cluster=cluster):
            order[index].goes_on(found["state"])
            total += Compared(found["steps"], found["mismatches"], found["wrong_cycles"])
            if progress is not None:
                progress(total.steps)
    return total


def compare_piece(spec: Any, files: Mapping[str, Path]) -> dict[str, Any]:
    """A task: a piece of a group of chains.

    Parameters
    ----------
    spec : mapping
        ``program``, ``policies``, ``seed``, ``group`` of ``groups``, ``lengths`` of the chains in this piece,
        ``start``, steps before it, and ``state``, None for zeros.
    files : mapping
        ``design``, a folder, and recorded data ``x``, int16 [S, I].

    Returns
    -------
    dict
        ``steps``, ``mismatches``, ``wrong_cycles``, and golden's ``state`` at the end.
    """
    design = _design(files["design"]).select(spec["program"])
    policies = checked_policies(design, {"layers": spec["policies"]})
    lengths = np.array(spec["lengths"], dtype=np.int64)
    x = _inputs(design, spec, files, lengths)
    real = (x * design.network.x_lsb).astype(np.float32)
    sequences = Sequences(real, lengths, False, None, "verification")
    begin = None if spec["state"] is None else [(h[: len(x)], c[: len(x)]) for h, c in _unpacked(spec["state"])]
    request = RunRequest(design, policies, sequences, x, begin)
    golden = run_golden(request)
    run = _core(files["design"]).run(request)
    return {
        "steps": int(request.valid.sum()),
        "mismatches": mismatches(run, golden),
        "wrong_cycles": int(np.count_nonzero(run.cycles != golden.cycles)),
        "state": _packed(golden.final_states()),
    }


@dataclass
class _Group:
    """Chains that are compared side by side, one piece after another."""

    basis: dict[str, Any]
    files: Mapping[str, Path]
    lengths: IntArray
    carried: bool
    start: int = 0
    state: str | None = None
    waits: bool = False

    @property
    def ended(self) -> bool:
        return self.start >= self.lengths.max()

    def task(self) -> Task:
        left = np.clip(self.lengths - self.start, 0, PIECE)
        here = {"lengths": left[left > 0].tolist(), "start": self.start, "state": self.state}
        self.start += PIECE
        # What nothing is loaded into need not wait.
        self.waits = self.carried
        return Task(self.basis | here, self.files, (SIMULATOR,))

    def goes_on(self, state: str) -> None:
        if self.carried:
            self.state, self.waits = state, False


def _tasks(groups: list[_Group], order: list[_Group]) -> Iterator[Task | None]:
    """Pieces of all groups, which ``order`` remembers; None while every group waits for the state of its last one."""
    while unended := [group for group in groups if not group.ended]:
        ready = [group for group in unended if not group.waits]
        if not ready:
            yield None
        for group in ready:
            order.append(group)
            yield group.task()


def _parts(count: int, parts: int) -> list[int]:
    """Sizes of so many parts, equal but for the remainder, the larger ones first."""
    return [count // parts + (part < count % parts) for part in range(parts)]


def _recorded(design: Design, x: SequenceSource | None) -> list[npt.NDArray[np.int16]] | None:
    """What each program reads, step after step, int16 [S, I]; None if it is random."""
    if x is None:
        return None
    sources = tuple(program.source for program in design.programs)
    given = program_sequences(read_input(design, x), design.graph, sources)
    if len(given) < len(sources):
        problem = f"leads to {len(given)} of the design's {len(sources)} programs"
        raise UserError(given[0].source, problem, "give the graph's inputs by their names, or leave --input out")
    return [
        program.network.quantise_input(sequences.x)[sequences.valid]
        for program, sequences in zip(design.programs, given, strict=True)
    ]


def _inputs(design: Design, spec: Any, files: Mapping[str, Path], lengths: IntArray) -> npt.NDArray[np.int16]:
    """Of a piece, int16 [chains, T, I]."""
    rows, longest = len(lengths), int(lengths.max())
    if "x" not in files:
        rng = np.random.default_rng([spec["seed"], spec["program"], spec["group"], spec["start"]])
        return changing_steps(rng, design.network, rows * longest).reshape(rows, longest, -1)
    stream = np.load(files["x"])
    chains = spec["group"] * CHAINS + np.arange(rows)
    begins = chains * len(stream) // (spec["groups"] * CHAINS)
    places = begins[:, None] + spec["start"] + np.arange(longest)
    return stream[places % len(stream)]


@functools.lru_cache(maxsize=2)
def _design(folder: Path) -> Design:
    """Of a folder that never changes: its name has its content, or is of one run."""
    return Design.load(folder)


def _core(folder: Path) -> RtlCore:
    """A design's core; a worker may have several threads, of which one builds it."""
    with _BUILDING:
        return _built(folder)


@functools.lru_cache(maxsize=2)
def _built(folder: Path) -> RtlCore:
    """Beside the design; of the workers of a machine one compiles it, and the cache has it for the others."""
    empty = Sequences(np.empty((0, 0, 0), dtype=np.float32), np.empty(0, dtype=np.int64), False, None, "")
    request = RunRequest(_design(folder), [], empty, np.empty((0, 0, 0), dtype=np.int16), None)
    with (Path(tempfile.gettempdir()) / f"lstmith-{os.getuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return RtlCore(request, SIMULATOR, folder.with_name("core"))


def _packed(state: list[tuple[IntArray, IntArray]]) -> str:
    """h and c of every layer as text."""
    packed = io.BytesIO()
    np.savez_compressed(packed, *(values.astype(np.int32) for pair in state for values in pair))
    return base64.b64encode(packed.getvalue()).decode()


def _unpacked(text: str) -> list[tuple[IntArray, IntArray]]:
    with np.load(io.BytesIO(base64.b64decode(text))) as arrays:
        values = [arrays[name].astype(np.int64) for name in arrays.files]
    return list(zip(values[::2], values[1::2], strict=True))
