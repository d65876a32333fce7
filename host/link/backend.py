"""A device as an accelerator's engine: loads weights, program and policies, runs sequences, reads and writes states."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from lstmith.compiler.design import Design
from lstmith.compiler.design_files import FORMAT
from lstmith.host.backends import State, Step, answer, final_state, zero_state
from lstmith.host.link.device import Device
from lstmith.host.link.errors import LostError, RefusedError, WrongDeviceError
from lstmith.host.link.runs import HiddenStream, run_job
from lstmith.host.link.session import Session
from lstmith.host.link.transport import Transport
from lstmith.host.request import RunRequest, chosen_index
from lstmith.host.results import EngineRun
from lstmith.host.rtl_core import Progress
from lstmith.host.sequences import collect, make_jobs, state_writes
from lstmith.host.simulate import SimulationError
from lstmith.spec.config import EngineConfig
from lstmith.spec.link_map import LinkRegister, StreamFlag, link_address
from lstmith.spec.memory_image import MemoryImage, image_tag
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import IntArray
from lstmith.spec.registers import IDENTITY, Region, Register, address

#: Registers that count, by the name that users see.
COUNTERS = {
    "busy_cycles": Register.CYCLES,
    "words_4": Register.WORDS_4,
    "words_8": Register.WORDS_8,
    "words_16": Register.WORDS_16,
    "skipped": Register.SKIPPED,
    "restarts": Register.RESTARTS,
}
_TAG = link_address(LinkRegister.TAG)


class LinkBackend:
    """A device that a transport leads to.

    Parameters
    ----------
    transport : Transport
        Is closed with the backend, also if there is no device.
    patience : float
        Factor on all waits.

    Attributes
    ----------
    device : Device
    uploaded : bool
        Whether the last design's weights had to be sent.

    Raises
    ------
    LinkError
        If no device, or another one, answers.
    """

    def __init__(self, transport: Transport, patience: float = 1.0):
        self.name = transport.name
        try:
            self.device = Device(Session(transport, patience))
            self._check()
        except BaseException:
            transport.close()
            raise
        self.config: EngineConfig = self.device.identity.config
        self.uploaded = False
        # Whether the engine is in the middle of something that was given up.
        self._broken = False

    def _check(self) -> None:
        form = self.device.identity.design_format
        if form != FORMAT:
            raise WrongDeviceError(
                self.name,
                f"the device was built for designs of format {form}, this program writes {FORMAT}",
                "build and program the board again with this version",
            )
        have = self.device.read(address(Region.CONTROL, Register.IDENTITY))[0]
        if have != IDENTITY:
            raise WrongDeviceError(self.name, f"its engine answers {have:#x}", "program the board again")

    def load(self, design: Design, policies: list[Policy]) -> None:
        """Send what the device does not hold yet.

        Raises
        ------
        RefusedError
            If the design does not fit the device's engine; nothing is sent then.
        """
        image = self._image(design, policies)
        self._design, self._policies = design, policies
        tag = image_tag(image, self.config)
        self.device.reset()
        self.uploaded = self.tag() != tag
        if self.uploaded and self.config.fixed:
            raise RefusedError(
                self.name,
                "the board was built for another network, which is fixed in it",
                "build and program the board with this design, or with one that was compiled without --fixed",
            )
        if self.uploaded:
            # While it is incomplete, no tag vouches for it.
            self.device.write([(_TAG, 0)])
            policy = len(list(image.policy_writes()))
            self.device.write(list(image.bus_writes(self.config))[policy:])
            self.device.write([(_TAG, tag)])
            if self.tag() != tag:
                raise LostError(self.name, "the weights did not arrive", "repeat the command")
        self._send_policies(image)
        self._state: State | None = zero_state(design)
        self._broken = False
        self._marks_before = self.device.marks

    def _image(self, design: Design, policies: Sequence[Policy]) -> MemoryImage:
        wanted, have = design.engine, self.config
        try:
            # The scales of the rows are made for one width.
            if wanted.requant_width != have.requant_width:
                raise ValueError(
                    f"Network is scaled for requant_width {wanted.requant_width}, the engine has {have.requant_width}"
                )
            if wanted.c_width > have.c_width:
                raise ValueError(f"Network needs c_width of {wanted.c_width}, the engine has {have.c_width}")
            image = design.image(list(policies), have)
            # Where the program is the bitstream's, it is that of the policy that builds have.
            built = design.image(engine=have)
            if not self.device.states and image.descriptors != built.descriptors:
                raise ValueError("Its program cannot be changed, so no policy but the default one is possible")
            return image
        except ValueError as error:
            board = self.device.identity.board or "the board"
            raise RefusedError(
                self.name,
                f"the design does not fit the engine on {board} ({error})",
                "compile it for this board, or build and program the board with it",
            ) from None

    def set_policies(self, policies: list[Policy]) -> None:
        """Write program and registers."""
        image = self._image(self._design, policies)
        self._policies = policies
        self._mend()
        self._send_policies(image)

    def _send_policies(self, image: MemoryImage) -> None:
        # A fixed engine has its policy.
        if not self.config.fixed:
            self.device.write(image.policy_writes())

    def _mend(self) -> None:
        """Begin anew if the last work was given up in the middle."""
        if self._broken:
            self.device.reset()
            self._send_policies(self._image(self._design, self._policies))
            self._state, self._broken = zero_state(self._design), False

    def run(self, request: RunRequest, progress: Progress | None) -> EngineRun:
        """All sequences, one after another; ``progress`` gets the number of finished ones."""
        if not self.device.records:
            raise RefusedError(
                self.name, "this build tells only h, not what each step did", "use 'infer' or a larger board"
            )
        fitted = replace(request, design=replace(request.design, engine=self.config))
        begun = time.perf_counter()
        self._mend()
        self._broken = True
        core_traces = []
        for index in range(len(request.x)):
            # Of runs whose states are taken over nothing is told but that they happened.
            for network, job in make_jobs(fitted, [index]):
                core_trace = run_job(self.device, network, job)
            core_traces.append(core_trace)
            if progress is not None:
                progress(index + 1)
        try:
            run = collect(fitted, core_traces, time.perf_counter() - begun)
        except SimulationError as error:
            raise LostError(self.name, f"results are missing ({error})", "repeat the command") from None
        self._state, self._broken = final_state(run), False
        return run

    def stream(self, steps: Iterable[Step], state: State | None, ahead: int, every: int = 1) -> Iterator[IntArray]:
        """h of every so many steps, or their verdicts."""
        network = self._design.network
        active_index = chosen_index(network, self._policies)
        if state is not None:
            self._need_states("load an initial state")
        self._mend()
        # Between two steps the engine is idle: its state can be read while steps are to come.
        finished = False
        if not self.config.fixed:
            self.device.write([(address(Region.CONTROL, Register.OUTPUT_ALL), 0)])
        flags = StreamFlag.START
        if state is not None:
            place, program = self._design.place, self._design.program
            self.device.write_slowly(state_writes(network, state, active_index, 0, place, program))
            flags = StreamFlag.RESTART
        idle = answer(network.layers[-1], zero_state(self._design)[-1][0])
        try:
            # Builds without records send h of every step. A skipped step repeats h that nobody may have asked for.
            asked = every if self.device.records and not self._policies[0].skip.active else 1
            stream, program = HiddenStream(self.device, network, idle, ahead, asked), self._design.program
            found = stream.run(steps, flags, active_index, program)
            for h in islice(found, every // asked - 1, None, every // asked):
                self._state = None
                yield h
            finished = True
        finally:
            self._broken = not finished

    def _need_states(self, what: str) -> None:
        if not self.device.states:
            fix = "compile without --fixed" if self.config.fixed else "use a larger board"
            raise RefusedError(self.name, f"this build has no way to {what}", fix)

    def final_state(self) -> State:
        """Read from the device, unless nothing has run."""
        self._need_states("read states")
        self._mend()
        if self._state is None:
            units, place = sum(layer.units for layer in self._design.network.layers), self._design.place
            h = self._signed(Region.HIDDEN, place, units, 16)
            c = self._signed(Region.CELL, place, units, 32)
            self._state, base = [], 0
            active_index = chosen_index(self._design.network, self._policies)
            for layer in self._design.network.layers:
                # What dropped units hold is an earlier step's.
                active = np.arange(layer.units) < layer.with_state(active_index)
                self._state.append((h[base : base + layer.units] * active, c[base : base + layer.units] * active))
                base += layer.units
        return self._state

    def forget(self) -> None:
        """As if no step had been run."""
        self._state = zero_state(self._design)

    def _signed(self, region: Region, place: int, count: int, bits: int) -> IntArray:
        words = np.array(self.device.read(address(region, place), count), dtype=np.int64) & ((1 << bits) - 1)
        return words - (words >> (bits - 1) << bits)

    def tag(self) -> int:
        """CRC-32 of the weights the device holds, 0 if it holds none."""
        return self.device.read(_TAG)[0]

    def counters(self) -> dict[str, int]:
        """What was counted since the design was loaded, modulo 2^32.

        An engine without skip rules does not count skipped steps; all of them were marked here. One without deltas
        does not count restarts, since every pass recomputes its sums; they are left out.
        """
        self._need_states("read counters")
        self._mend()
        first = min(COUNTERS.values())
        words = self.device.read(address(Region.CONTROL, first), max(COUNTERS.values()) - first + 1)
        found = {name: words[register - first] for name, register in COUNTERS.items()}
        if not self.config.skips_unmarked:
            found["skipped"] = self.device.marks - self._marks_before
        if not self.config.delta:
            del found["restarts"]
        return found

    def close(self) -> None:
        """End the session; the device is left idle."""
        self.device.close()
