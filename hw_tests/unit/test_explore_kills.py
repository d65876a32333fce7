"""``lstmith explore`` with placement on a cluster whose worker, scheduler and client are killed: all is built once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hw_tests.unit.test_explore import call, inputs
from lstmith.test_support.stand_ins import stand_ins

pytestmark = pytest.mark.slow
COMMAND = [sys.executable, "-c", "import sys; from lstmith.cli.main import execute; sys.exit(execute(sys.argv[1:]))"]
#: Seconds that anything may take.
PATIENCE = 240


class _Machine:
    """A scheduler and workers, processes that can be killed."""

    def __init__(self, folder: Path):
        self._folder, self._running = folder, list[subprocess.Popen[bytes]]()
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self._port}"

    def start(self) -> None:
        """A scheduler, and two workers."""
        self.scheduler = self._dask("scheduler", "--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard")
        self.workers = []
        for _ in range(2):
            self.add()

    def add(self) -> None:
        """A worker."""
        place = ("--local-directory", str(self._folder / "workers"), "--no-dashboard", "--death-timeout", "30")
        self.workers.append(self._dask("worker", self.address, "--nthreads", "1", "--no-nanny", *place))

    def _dask(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._running.append(process)
        return process

    def stop(self) -> None:
        for process in self._running:
            kill(process)


def kill(process: subprocess.Popen[bytes] | None) -> None:
    """As kill -9 does."""
    assert process is not None
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Machine]:
    tools = stand_ins(tmp_path / "tools", tmp_path / "log", reached=(70.0, 41.0, 43.0), seconds=1.5)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("LSTMITH_TOOLS", "native")
    monkeypatch.setenv("LSTMITH_CACHE", str(tmp_path / "kept"))
    found = _Machine(tmp_path)
    with contextlib.ExitStack() as stack:
        stack.callback(found.stop)
        found.start()
        yield found


def told(log: Path, what: str, tool: str = "") -> Counter[str]:
    """Runs of the tools that begin or end, by what they work on."""
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(line.replace(f" {what} ", " ") for line in lines if f" {what} " in line and line.startswith(tool))


def until(reached: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for something, while a command runs."""
    end = time.monotonic() + PATIENCE
    while not reached():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="needs programs that end with their parents")
def test_nothing_is_built_twice(machine: _Machine, tmp_path: Path) -> None:
    inputs(tmp_path)
    log = tmp_path / "log"
    options = ("--boards", "ulx3s-25f", "--synth", 4, "--place", 3, "--clocks", "40,62.5", "--workers", None)
    arguments = call(tmp_path, *options, "--scheduler", machine.address, "--store", tmp_path / "store.sqlite")

    def started() -> subprocess.Popen[bytes]:
        return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    # A worker, in the middle of a synthesis: another one does it.
    client = started()
    until(lambda: told(log, "begins").total() > 1, client)
    kill(machine.workers.pop())
    machine.add()
    # The scheduler, in the middle of a placement: the command says so and ends.
    until(lambda: told(log, "begins", "nextpnr").total() > 2, client)
    kill(machine.scheduler)
    _, error = client.communicate(timeout=PATIENCE)
    assert client.returncode == 2
    assert f"scheduler {machine.address}: is gone; start it, and the command again" in error.decode()
    assert "Traceback" not in error.decode()
    for worker in machine.workers:
        kill(worker)
    machine.start()
    # The client itself.
    before = told(log, "ends", "nextpnr").total()
    client = started()
    until(lambda: told(log, "ends", "nextpnr").total() > before, client)
    kill(client)
    client = started()
    _, error = client.communicate(timeout=PATIENCE)
    assert client.returncode == 0, error.decode()
    front = json.loads((tmp_path / "out.json").read_text())["front"]
    assert {one["stage"] for one in front} == {"place"}
    # All that was done to its end was done once, whatever was killed; what was cut short began again.
    ends = told(log, "ends")
    assert set(ends.values()) == {1}
    assert ends.keys() == told(log, "begins").keys()
    assert told(log, "begins").total() > ends.total()
    # Seed 3 is the first that meets 62.5 MHz, and the first one meets 40.
    assert {one["clock_mhz"] for one in front} == {62.5}
