"""What an accelerator may run on: golden and the simulators here, a device in :mod:`lstmith.host.link.backend`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lstmith.compiler.design import Design
from lstmith.golden.model import GoldenModel
from lstmith.golden.verdict import verdicts
from lstmith.host.activity import Activity, count_activity
from lstmith.host.request import RunRequest, chosen_index, integer_request
from lstmith.host.results import EngineRun
from lstmith.host.rtl_core import Progress, RtlCore
from lstmith.host.run import run_golden
from lstmith.spec.codes import Verdict
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import IntArray, QuantLayer

#: One step's input, or None for a step that is marked as skipped.
Step = npt.NDArray[np.int16] | None
#: Per layer (h, c), int64 [H] each, in the order of the network's units.
State = list[tuple[IntArray, IntArray]]


class Backend(Protocol):
    """An engine that a design is loaded into."""

    @property
    def name(self) -> str:
        """Engine or port."""

    @property
    def config(self) -> EngineConfig | None:
        """Of the engine that is there; None where every design brings its own."""

    def load(self, design: Design, policies: list[Policy]) -> None:
        """Take up a design for this engine, and policies."""

    def set_policies(self, policies: list[Policy]) -> None:
        """Other policies for the same design."""

    def run(self, request: RunRequest, progress: Progress | None) -> EngineRun:
        """Whole sequences with everything that is to be known of them."""

    def stream(self, steps: Iterable[Step], state: State | None, ahead: int, every: int = 1) -> Iterator[IntArray]:
        """Answers, as :func:`answer` gives them, after every so many steps; None as state starts from zero."""

    def final_state(self) -> State:
        """After the last step."""

    def forget(self) -> None:
        """As if no step had been run."""

    def counters(self) -> dict[str, int]:
        """What happened since the design was loaded."""

    def close(self) -> None:
        """Give back what was taken."""


class GoldenBackend:
    """The exact model."""

    name = "golden"
    config: EngineConfig | None = None

    def load(self, design: Design, policies: list[Policy]) -> None:
        """Take up a design and policies."""
        self._design, self._policies = design, policies
        self._model = GoldenModel(design.network, design.engine)
        self._state = zero_state(design)
        self._counts = dict.fromkeys(("steps", "words_4", "words_8", "words_16", "skipped", "restarts"), 0)

    def set_policies(self, policies: list[Policy]) -> None:
        """Other policies."""
        self._policies = policies

    def run(self, request: RunRequest, progress: Progress | None) -> EngineRun:
        """All sequences at once."""
        run = run_golden(request)
        assert run.activity is not None
        self._count(run.activity)
        self._state = final_state(run)
        return run

    def stream(self, steps: Iterable[Step], state: State | None, ahead: int, every: int = 1) -> Iterator[IntArray]:
        """Step by step."""
        layers, restart = self._design.network.layers, True
        states = self._model.zero_state(1)
        if state is not None:
            states = self._model.loaded_state(self._policies, [(h[None], c[None]) for h, c in state])
        active_indices = np.full((1, 1), chosen_index(self._design.network, self._policies))
        for number, values in enumerate(steps, 1):
            x = np.zeros((1, 1, layers[0].inputs), dtype=np.int16) if values is None else values[None, None]
            traces = self._model.run(
                x,
                self._policies,
                states,
                restart=restart,
                hints=np.full((1, 1), values is None),
                active_indices=active_indices,
            )
            restart = False
            valid = np.ones((1, 1), dtype=bool)
            self._count(count_activity(self._design.network, self._design.engine, traces, valid))
            self._state = [(state.h[0], state.c[0]) for state in states]
            if number % every == 0:
                yield answer(layers[-1], traces[-1].h[0, 0].astype(np.int64))

    def final_state(self) -> State:
        """After the last step."""
        return self._state

    def forget(self) -> None:
        """As if no step had been run."""
        self._state = zero_state(self._design)

    def _count(self, activity: Activity) -> None:
        found = {
            "steps": activity.computed_steps + activity.skipped_steps,
            **{f"words_{bits}": count for bits, count in activity.words.items()},
            "skipped": activity.skipped_steps,
            "restarts": activity.restarts,
        }
        for name, count in found.items():
            self._counts[name] += count

    def counters(self) -> dict[str, int]:
        """Steps, weight words by their bits, skipped steps, and passes that recomputed their sums."""
        return dict(self._counts)

    def close(self) -> None:
        """Nothing to do."""


class SimulatorBackend:
    """The generated core in Icarus or Verilator; it takes sequences as a whole.

    Parameters
    ----------
    name : str
        ``icarus`` or ``verilator``.
    """

    config: EngineConfig | None = None

    def __init__(self, name: str):
        self.name = name
        self._folder = tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True)
        self._core: RtlCore | None = None

    def load(self, design: Design, policies: list[Policy]) -> None:
        """Take up a design and policies; it is built at the first run."""
        self._design, self._policies, self._core = design, policies, None
        self._state = zero_state(design)
        self._counts = dict.fromkeys(("steps", "skipped", "restarts"), 0)

    def set_policies(self, policies: list[Policy]) -> None:
        """Other policies."""
        self._policies = policies

    def run(self, request: RunRequest, progress: Progress | None) -> EngineRun:
        """All sequences, one after another."""
        if self._core is None:
            self._core = RtlCore(request, self.name, Path(self._folder.name))
        run = self._core.run(request, progress)
        _count(self._counts, run)
        self._state = final_state(run)
        return run

    def stream(self, steps: Iterable[Step], state: State | None, ahead: int, every: int = 1) -> Iterator[IntArray]:
        """All steps are taken before the first result comes."""
        given = list(steps)
        if not given:
            return
        width = self._design.network.inputs
        x = np.array([np.zeros(width, np.int16) if values is None else values for values in given])
        hint = np.array([values is None for values in given])
        request = integer_request(self._design, self._policies, x[None], state=state, hint=hint[None])
        last = self.run(request, None).layers[-1]
        judges = self._design.network.layers[-1].verdict is not Verdict.NONE
        yield from (last.verdict[0, :, None] if judges else last.h[0])[every - 1 :: every]

    def final_state(self) -> State:
        """After the last step."""
        return self._state

    def forget(self) -> None:
        """As if no step had been run."""
        self._state = zero_state(self._design)

    def counters(self) -> dict[str, int]:
        """Steps, skipped steps, and passes that recomputed their sums."""
        return dict(self._counts)

    def close(self) -> None:
        """Remove the build."""
        self._folder.cleanup()


def answer(layer: QuantLayer, h: IntArray) -> IntArray:
    """What an engine says of a step: the last layer's h, int64 [H], or its verdict alone, int64 [1]."""
    return h if layer.verdict is Verdict.NONE else verdicts(layer, h)[None]


def zero_state(design: Design) -> State:
    """State at a sequence's start."""
    return [(np.zeros(layer.units, np.int64), np.zeros(layer.units, np.int64)) for layer in design.network.layers]


def final_state(run: EngineRun) -> State:
    """State after the last sequence's last step."""
    last = int(run.valid[-1].sum()) - 1
    return [(layer.h[-1, last], layer.c[-1, last]) for layer in run.layers]


def _count(counts: dict[str, int], run: EngineRun) -> None:
    counts["steps"] += int(run.valid.sum())
    counts["skipped"] += int(run.layers[0].skipped.sum())
    counts["restarts"] += sum(int(layer.restart.sum()) for layer in run.layers)
