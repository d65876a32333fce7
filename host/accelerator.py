"""One interface to a network in execution: the golden model, a simulator, the virtual board or a board.

with Accelerator("/dev/ttyUSB0") as board:
    board.load("design")
    h = board.infer(x)
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import overload

import numpy as np
import numpy.typing as npt

from lstmith.boards.catalogue import BOARDS
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.host.backends import Backend, GoldenBackend, SimulatorBackend, State, Step
from lstmith.host.link.backend import LinkBackend
from lstmith.host.link.errors import NoAnswerError, RefusedError
from lstmith.host.link.transport import SerialTransport, Transport
from lstmith.host.request import RunRequest, make_request
from lstmith.host.results import EngineRun, real_h
from lstmith.host.rtl_core import Progress
from lstmith.host.self_test import Throughput, Verification, measure, verify
from lstmith.spec.codes import Verdict
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.policy_check import check_policies, default_policies
from lstmith.spec.quantised import IntArray
from lstmith.spec.symbols import check_symbols

Float32 = npt.NDArray[np.float32]

#: What boards are built with; a port is asked at each until something answers.
BAUDS = tuple(sorted({board.baud for board in BOARDS}, reverse=True))
#: Steps on their way at most: more than any device's ring has room for.
AHEAD = 1 << 16


@dataclass(frozen=True)
class _Loaded:
    design: Design
    policies: list[Policy]


class Accelerator:
    """A network on an engine.

    Parameters
    ----------
    where : str, Path or Transport
        ``golden``, ``icarus``, ``verilator``, or a serial port such as ``/dev/ttyUSB0``.
    baud : int or None
        Of a serial port; None finds it.
    patience : float
        Factor on all waits for a device.

    Attributes
    ----------
    verified : Verification or None
        Of the last load, of a device.

    Raises
    ------
    LinkError
        If there is no such port, or no device that can be used.
    """

    def __init__(self, where: str | Path | Transport = "golden", *, baud: int | None = None, patience: float = 1.0):
        self._backend: Backend
        if where == "golden":
            self._backend = GoldenBackend()
        elif where in ("icarus", "verilator"):
            self._backend = SimulatorBackend(str(where))
        elif isinstance(where, str | Path):
            self._backend = _device(str(where), (baud,) if baud else BAUDS, patience)
        else:
            self._backend = LinkBackend(where, patience)
        self._loaded: _Loaded | None = None
        self._begin: State | None = None
        self.verified: Verification | None = None

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the engine idle and give back what was taken; more than once does no harm."""
        self._backend.close()

    @property
    def backend(self) -> Backend:
        """What runs the network."""
        return self._backend

    @property
    def design(self) -> Design:
        """The loaded design, with the configuration of the engine that runs it.

        Raises
        ------
        UserError
            If none is loaded.
        """
        return self._given.design

    def load(
        self, design: Design | Path | str, policies: list[Policy] | Policy | None = None, *, check: bool = True
    ) -> None:
        """Take up a design: weights, program and policies.

        A device that already holds these weights is sent only the program.

        Parameters
        ----------
        design : Design, Path or str
            Or the directory that ``lstmith compile`` wrote.
        policies : list of Policy, Policy or None
            One for each layer, or one for all; the default one if None.
        check : bool
            Whether a device must first compute golden vectors right; see :attr:`verified`.

        Raises
        ------
        UserError
            If the design is damaged, does not fit the engine (the message says why), or the policies do not
            suit it; or if the check fails.
        """
        if not isinstance(design, Design):
            design = Design.load(Path(design))
        if policies is None:
            chosen = default_policies(design.network, self._backend.config or design.engine)
        else:
            chosen = policies if isinstance(policies, list) else [policies] * len(design.network.layers)
        self._backend.load(design, chosen)
        if self._backend.config is not None:
            design = replace(design, engine=self._backend.config)
        self._loaded, self._begin = _Loaded(design, chosen), None
        self.verified = None
        if check and isinstance(self._backend, LinkBackend):
            self.verified = found = self.verify()
            if found.mismatches:
                raise RefusedError(
                    self._backend.name,
                    f"the loaded network computes {found.mismatches} of {found.values} values wrong",
                    "load it again; if that does not help, build and program the board again",
                )

    @property
    def policy(self) -> list[Policy]:
        """Policies in force, one for each layer; may be set, also to one for all."""
        return list(self._given.policies)

    @policy.setter
    def policy(self, policies: list[Policy] | Policy) -> None:
        design = self._given.design
        chosen = policies if isinstance(policies, list) else [policies] * len(design.network.layers)
        try:
            check_policies(design.network, design.engine, chosen)
        except ValueError as error:
            request, _, fix = str(error).partition(": ")
            raise UserError("policy", request, fix or "change the policy or compile the network for it") from None
        self._backend.set_policies(chosen)
        self._loaded = _Loaded(design, chosen)

    @property
    def state(self) -> State:
        """State after the last step: per layer h (Q1.15) and c, int64 [H] each, in the source network's order.

        If it is set, the next sequence begins with it, and only that one.
        """
        if self._begin is not None:
            return self._ordered(self._begin, inward=False)
        return self._ordered(self._backend.final_state(), inward=False)

    @state.setter
    def state(self, state: State) -> None:
        layers = self._given.design.network.layers
        shapes = [(np.shape(h), np.shape(c)) for h, c in state]
        wanted = [((layer.units,), (layer.units,)) for layer in layers]
        if shapes != wanted:
            raise UserError("state", f"has shapes {shapes}", f"give h and c of every layer: {wanted}")
        self._begin = self._ordered([(np.asarray(h, np.int64), np.asarray(c, np.int64)) for h, c in state], inward=True)

    # An array is an iterable of its rows too.
    @overload
    def infer(  # type: ignore[overload-overlap]
        self, x: npt.NDArray[np.floating], lengths: IntArray | None = None, *, every: int = 1
    ) -> Float32: ...

    @overload
    def infer(self, x: Iterable[npt.NDArray[np.floating] | None]) -> Iterator[Float32]: ...

    def infer(
        self,
        x: npt.NDArray[np.floating] | Iterable[npt.NDArray[np.floating] | None],
        lengths: IntArray | None = None,
        *,
        every: int = 1,
    ) -> Float32 | Iterator[Float32]:
        """h of the last layer.

        Parameters
        ----------
        x : float [T, I], float [N, T, I] or iterator of float [I]
            One sequence, several, or steps as they come: each step's h is yielded before the next one is asked
            for. None among the steps is one to skip, under a policy that follows hints.
        lengths : int [N] or None
            Steps of each of several sequences.
        every : int
            Of an array: return h of every so many steps, the last of each group; a board does not send the others.

        Returns
        -------
        float32 [T // every, H], float32 [N, T // every, H], or iterator of float32 [H]
            Zero after a sequence's end.

        Raises
        ------
        UserError
            If the input has another shape, the design has a verdict, or the device is lost.
        """
        if self._judges:
            raise UserError("design", "has a verdict, which is all that the engine sends", "call judge")
        if isinstance(x, np.ndarray):
            return self._arrays(x, lengths, every)
        return self._live(iter(x))

    def judge(
        self, x: npt.NDArray[np.floating], lengths: IntArray | None = None, *, every: int | None = None
    ) -> IntArray:
        """Verdicts of a design whose graph ends in one: classes, or a bit for each compared value.

        Parameters
        ----------
        x : float [T, I] or float [N, T, I]
            One sequence or several.
        lengths : int [N] or None
            Steps of each of several sequences.
        every : int or None
            Verdicts of every so many steps, the last of each group; None is each sequence's last step alone.

        Returns
        -------
        int64 [N], or a single one; with ``every`` int64 [N, T // every] or [T // every], 0 after a sequence's end

        Raises
        ------
        UserError
            If the design has no verdict, a sequence has no step, the input has another shape, or the device is lost.
        """
        if not self._judges:
            raise UserError("design", "has no verdict", "compile a graph with ArgMax or a comparison with --head")
        batch, steps = self._batch(x, lengths, every or 1)
        if every is None and steps.min(initial=1) < 1:
            raise UserError("lengths", f"is {steps.tolist()}", "give every sequence a step")
        found = np.zeros((len(batch), 1 if every is None else batch.shape[1] // every), dtype=np.int64)
        for row, answers in enumerate(self._answers(batch, steps, every)):
            for t, values in enumerate(answers):
                found[row, t] = values[0]
        found = found[:, 0] if every is None else found
        return found if x.ndim == 3 else found[0]

    def run(self, request: RunRequest, progress: Progress | None = None) -> EngineRun:
        """Sequences with everything that Y.npz holds, under the problem's policies."""
        if request.policies != self._given.policies:
            self.policy = request.policies
        return self._backend.run(request, progress)

    def counters(self) -> dict[str, int]:
        """What happened since the design was loaded; a device counts more than a model."""
        return self._backend.counters()

    def verify(self) -> Verification:
        """Run golden vectors through the engine and compare every number; the state is zero afterwards."""
        found = verify(self._backend, self._given.design, self._given.policies)
        self._backend.forget()
        return found

    def throughput_test(self, steps: int = 200) -> Throughput:
        """Steps per second as they stream, and the time of a step alone."""
        return measure(self._backend, self._given.design, steps, AHEAD)

    @property
    def _given(self) -> _Loaded:
        if self._loaded is None:
            raise UserError("accelerator", "holds no design", "call load first")
        return self._loaded

    def _ordered(self, state: State, *, inward: bool) -> State:
        layers = self._given.design.network.layers
        if inward:
            return [(layer.from_source(h), layer.from_source(c)) for layer, (h, c) in zip(layers, state, strict=True)]
        return [(layer.to_source(h), layer.to_source(c)) for layer, (h, c) in zip(layers, state, strict=True)]

    def _first_state(self) -> State | None:
        """What the next sequence begins with: what was set, else the network's own."""
        given, self._begin = self._begin, None
        if given is not None:
            return given
        design = self._given.design
        # A problem of nothing holds the constant state in integers.
        nothing = Sequences(np.zeros((1, 1, design.network.inputs), np.float32), np.array([1]), True, None, "x")
        state = make_request(design, nothing, self._given.policies).state
        return None if state is None else [(h[0], c[0]) for h, c in state]

    @property
    def _judges(self) -> bool:
        return self._given.design.network.layers[-1].verdict is not Verdict.NONE

    def _batch(
        self, x: npt.NDArray[np.floating], lengths: IntArray | None, every: int
    ) -> tuple[npt.NDArray[np.floating], IntArray]:
        """Sequences side by side, and the steps of each."""
        design = self._given.design
        if x.ndim not in (2, 3) or x.shape[-1] != design.network.inputs or not np.isfinite(x).all():
            raise UserError("x", f"has shape {x.shape}", f"give finite [T, {design.network.inputs}] or [N, T, ..]")
        batch = x if x.ndim == 3 else x[None]
        self._check_symbols(batch, "x")
        steps = np.full(len(batch), batch.shape[1]) if lengths is None else np.asarray(lengths)
        if steps.shape != (len(batch),) or steps.min(initial=1) < 0 or steps.max(initial=0) > batch.shape[1]:
            raise UserError("lengths", f"is {steps.tolist()}", f"give {len(batch)} lengths up to {batch.shape[1]}")
        if every < 1:
            raise UserError("every", f"is {every}", "give 1 or more")
        return batch, steps

    def _answers(
        self, batch: npt.NDArray[np.floating], steps: IntArray, every: int | None
    ) -> Iterator[Iterator[IntArray]]:
        """What the engine says of each sequence; without ``every`` of its last step."""
        first, network = self._first_state(), self._given.design.network
        for sequence, length in zip(batch, steps.tolist(), strict=True):
            given = network.quantise_input(sequence[:length])
            yield self._backend.stream(given, first, AHEAD, every or length)

    def _arrays(self, x: npt.NDArray[np.floating], lengths: IntArray | None, every: int) -> Float32:
        batch, steps = self._batch(x, lengths, every)
        units = self._given.design.network.layers[-1].units
        h = np.zeros((len(batch), batch.shape[1] // every, units), dtype=np.float32)
        for row, answers in enumerate(self._answers(batch, steps, every)):
            for t, values in enumerate(answers):
                h[row, t] = self._real(values)
        return h if x.ndim == 3 else h[0]

    def _live(self, steps: Iterator[npt.NDArray[np.floating] | None]) -> Iterator[Float32]:
        given = (self._step(t, values) for t, values in enumerate(steps))
        for values in self._backend.stream(given, self._first_state(), ahead=1):
            yield self._real(values)

    def _step(self, t: int, values: npt.NDArray[np.floating] | None) -> Step:
        network = self._given.design.network
        if values is None:
            if not t or not self._given.policies[0].skip.hints:
                raise UserError(f"step {t}", "is to be skipped", "give values, or a policy that follows hints")
            return None
        if np.shape(values) != (network.inputs,) or not np.isfinite(values).all():
            raise UserError(f"step {t}", f"has shape {np.shape(values)}", f"give {network.inputs} finite values")
        self._check_symbols(np.reshape(values, (1, 1, -1)), f"step {t}")
        return network.quantise_input(values)

    def _check_symbols(self, x: npt.NDArray[np.floating], where: str) -> None:
        if symbols := self._given.design.network.symbols:
            check_symbols(x, np.ones(x.shape[:2], dtype=bool), symbols, where)

    def _real(self, h: IntArray) -> Float32:
        return real_h(self._given.design.network, h).astype(np.float32)


def _device(port: str, bauds: Sequence[int], patience: float) -> LinkBackend:
    """The device at a port, at the first baud at which it answers."""
    *others, last = bauds
    for baud in others:
        with contextlib.suppress(NoAnswerError):
            return LinkBackend(SerialTransport(port, baud), patience)
    return LinkBackend(SerialTransport(port, last), patience)
