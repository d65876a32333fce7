"""The virtual board: the real driver, through a real serial device and the UART's pins, against golden."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hw_tests.unit.link_cases import sequences, small_design
from lstmith.cli.main import execute
from lstmith.compiler.design import Design
from lstmith.host.accelerator import BAUDS, Accelerator
from lstmith.host.link.codec import Frame
from lstmith.host.link.transport import SerialTransport
from lstmith.host.request import make_request
from lstmith.host.results import mismatches
from lstmith.host.run import run_golden
from lstmith.spec.link_map import Command
from lstmith.spec.policy import Mode, Policy, Skip

BUILD_SECONDS = 300
POLICIES = (
    Policy(Mode.DENSE),
    Policy(Mode.DELTA),
    Policy(Mode.AUTO, theta_x=20, theta_h=200, low_theta_x=60, low_theta_h=500),
    Policy(Mode.DELTA, skip=Skip(hints=True, change=100, limit=2)),
)


class RunningBoard:
    """``lstmith board-sim`` in a process of its own."""

    def __init__(self, folder: Path, design: Design):
        self.folder, self.design = folder, folder / "design"
        design.save(self.design)
        (folder / "tmp").mkdir()
        program = Path(sys.executable).with_name("lstmith")
        self.process = subprocess.Popen(
            [str(program), "board-sim", str(self.design)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
        )
        assert self.process.stdout is not None
        self.port = self.process.stdout.readline().strip()

    def end(self, number: int) -> int:
        """Send a signal; returns the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()
        return code


@pytest.fixture
def board(tmp_path: Path, rng: np.random.Generator) -> Iterator[RunningBoard]:
    running = RunningBoard(tmp_path, small_design(rng))
    yield running
    if running.process.poll() is None:
        running.end(signal.SIGKILL)


def test_everything_through_the_pins(board: RunningBoard, rng: np.random.Generator) -> None:
    assert board.port.startswith("/dev/"), board.process.stderr
    design = Design.load(board.design)
    _runs_equal_golden(board.port, design, rng)
    _another_network_is_loaded(board.port, design, rng)
    _abandoned_sessions_do_no_harm(board.port, design, rng)
    _the_command_runs(board, rng)
    assert board.end(signal.SIGINT) == 0
    assert not list((board.folder / "tmp").glob("lstmith*")), "what was built is removed"
    assert not Path(board.port).exists()


def _runs_equal_golden(port: str, design: Design, rng: np.random.Generator) -> None:
    with Accelerator(port) as accelerator:
        accelerator.load(design)
        assert not accelerator.backend.uploaded, "the bitstream carries the weights"  # type: ignore[attr-defined]
        assert accelerator.verify().mismatches == 0
        for policy in POLICIES:
            request = make_request(design, sequences(rng, design.network.inputs, steps=12), [policy])
            run = accelerator.run(request)
            # The wire is slower than the engine, which is idle before some steps.
            assert run.idle is not None
            assert run.idle.any()
            golden = run_golden(request, run.idle)
            assert mismatches(run, golden) == 0, policy
            assert np.array_equal(run.cycles, golden.cycles), policy


def _another_network_is_loaded(port: str, design: Design, rng: np.random.Generator) -> None:
    other = small_design(rng)
    x = rng.normal(0, 1, (20, design.network.inputs))
    with Accelerator(port) as accelerator, Accelerator("golden") as golden:
        for each in (accelerator, golden):
            each.load(Design(design.engine, other.network, other.source))
        assert np.array_equal(accelerator.infer(x), golden.infer(x))
        state = accelerator.state
        assert all(np.array_equal(one, two) for one, two in zip(state, golden.state, strict=True))
        accelerator.state = golden.state = state
        assert np.array_equal(np.array(list(accelerator.infer(iter(x)))), golden.infer(x))
        assert accelerator.counters()["restarts"] > 0


def _abandoned_sessions_do_no_harm(port: str, design: Design, rng: np.random.Generator) -> None:
    x = rng.normal(0, 1, (8, design.network.inputs))
    for cut in range(3, 20, 4):
        with Accelerator(port) as accelerator:
            accelerator.load(design)
            steps = accelerator.infer(iter(x))
            next(steps)
            steps.close()  # type: ignore[attr-defined]
            # A program that was killed in the middle of a frame, and nobody said goodbye.
            transport = accelerator.backend.device._session._transport  # type: ignore[attr-defined]
            transport.write(Frame(0, Command.STREAM, rng.bytes(30)).encode()[:cut])
            transport.close()
    with Accelerator(port) as accelerator:
        accelerator.load(design)
        assert accelerator.verify().mismatches == 0
    # Another program's bytes.
    line = SerialTransport(port, BAUDS[0])
    line.write(rng.bytes(3000))
    line.close()
    with Accelerator(port) as accelerator:
        accelerator.load(design)
        assert accelerator.verify().mismatches == 0


def _the_command_runs(board: RunningBoard, rng: np.random.Generator) -> None:
    given = sequences(rng, Design.load(board.design).network.inputs)
    np.savez(board.folder / "x.npz", x=given.x, lengths=given.lengths)
    found = []
    for engine in ("board", "golden"):
        output, figures = board.folder / f"{engine}.npz", board.folder / f"{engine}.json"
        command = ["run", str(board.design), "--input", str(board.folder / "x.npz"), "--engine", engine]
        port = ["--port", board.port] if engine == "board" else []
        assert execute([*command, *port, "-o", str(output), "--json", str(figures)]) == 0
        with np.load(output) as arrays:
            found.append({name: arrays[name] for name in arrays.files})
        told = json.loads(figures.read_text())
        assert (told["mismatches"], told["cycle_mismatches"]) == (0, 0)
        assert told["cycles"] == told["predicted_cycles"] == sum(told["spent"].values())
    # Steps of the board begin in an idle engine, those of golden right behind one another.
    assert found[0].pop("cycles").sum() > found[1]["cycles"].sum()
    for name, array in found[0].items():
        assert np.array_equal(array, found[1][name]), name
