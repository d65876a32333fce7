"""Sessions that end badly at random moments, through the virtual board's serial device; then undisturbed ones."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.compiler.design import Design
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.quantise import quantise
from lstmith.compiler.sizing.size import size_engine
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.host.accelerator import BAUDS, Accelerator
from lstmith.host.board_sim import VirtualBoard
from lstmith.host.link.errors import LinkError
from lstmith.host.link.transport import SerialTransport
from lstmith.spec.policy import Mode, Policy

#: What happens to a session.
FAULTS = ("host killed", "port closed", "device reset")
UNITS, INPUTS, LANES, STEPS = 6, 5, 3, 12
#: Sessions after which another network is loaded, so that some faults hit the upload of weights.
_CHANGE = 5
#: Factor on the waits of the driver, of which a session that a fault hit may need several.
_PATIENCE = 0.2


@dataclass
class Moments:
    """What the sessions with a fault came to.

    Attributes
    ----------
    sessions : int
    lost : int
        Of them, those that were reported as lost, or whose host was killed.
    wrong : int
        Those of which some result was wrong.
    stuck : int
        Undisturbed sessions behind them that failed.
    """

    sessions: int = 0
    lost: int = 0
    wrong: int = 0
    stuck: int = 0


class _FaultyPort(SerialTransport):
    """A port at which something happens in the middle of a write."""

    def __init__(self, port: str, moment: int = 0, fault: Callable[[_FaultyPort], None] | None = None, part: float = 0):
        super().__init__(port, BAUDS[0])
        self._moment, self._fault, self._part = moment, fault, part
        self.writes = 0

    def write(self, content: bytes) -> None:
        """Bytes to the board, or some of them."""
        self.writes += 1
        if self._fault is None or self.writes != self._moment:
            super().write(content)
            return
        sent = round(self._part * len(content))
        super().write(content[:sent])
        self._fault(self)
        super().write(content[sent:])


class _Work:
    """What sessions do: load a network, infer a sequence, and again step by step."""

    def __init__(self, rng: np.random.Generator):
        first, second = _small_design(rng), _small_design(rng)
        self.designs = (first, Design(first.engine, second.network, second.source))
        self.x = rng.normal(0, 1, (STEPS, INPUTS))
        self._policies = [Policy(Mode.DELTA)]
        self.wanted = []
        for design in self.designs:
            with Accelerator("golden") as golden:
                golden.load(design, self._policies)
                self.wanted.append(b"".join(self._results(golden)))

    def _results(self, accelerator: Accelerator) -> Iterator[bytes]:
        yield accelerator.infer(self.x).tobytes()
        for h in accelerator.infer(iter(self.x)):
            yield h.tobytes()

    def results(self, port: SerialTransport, design: Design) -> Iterator[bytes]:
        """As they come."""
        with Accelerator(port, patience=_PATIENCE) as accelerator:
            accelerator.load(design, self._policies, check=False)
            yield from self._results(accelerator)

    def killed(self, port: str, design: Design, moment: int, part: float) -> bytes:
        """What a process had before it was killed in the middle of a write."""
        given, taken = os.pipe()
        child = os.fork()
        if child == 0:
            with os.fdopen(taken, "wb", buffering=0) as pipe:
                line = _FaultyPort(port, moment, lambda _: os.kill(os.getpid(), signal.SIGKILL), part)
                for result in self.results(line, design):
                    pipe.write(result)
            os._exit(0)
        os.close(taken)
        with os.fdopen(given, "rb") as pipe:
            found = pipe.read()
        os.waitpid(child, 0)
        return found


def run_moments(count: int, progress: Callable[[int], None] | None = None) -> dict[str, Moments]:
    """Sessions with a fault at a random write, each followed by an undisturbed one.

    Parameters
    ----------
    count : int
        Sessions with a fault, of all kinds together.
    progress : callable or None
        Called with the number of finished ones.

    Returns
    -------
    dict of str to Moments
        By kind.
    """
    rng = np.random.default_rng(0)
    work, found = _Work(rng), {fault: Moments() for fault in FAULTS}
    with VirtualBoard(work.designs[0], find_board(DEFAULT)) as board:
        writes = [_undisturbed(work, board.port, which)[0] for which in (0, 1, 1)]
        held = 1
        for index in range(count):
            fault, which = FAULTS[index % len(FAULTS)], index // _CHANGE % 2
            # Loading another network takes more writes than finding it there.
            moment, part = int(rng.integers(1, writes[1] if which != held else writes[2])), rng.random()
            held, tally, wanted = which, found[fault], work.wanted[which]
            tally.sessions += 1
            if fault == "host killed":
                got, lost = work.killed(board.port, work.designs[which], moment, part), True
            else:
                got, lost = _disturbed(work, board, which, _FaultyPort(board.port, moment, _act(fault, board), part))
            tally.lost += lost
            tally.wrong += not wanted.startswith(got) or (not lost and got != wanted)
            tally.stuck += not _undisturbed(work, board.port, which)[1]
            if progress is not None:
                progress(index + 1)
    return found


def _act(fault: str, board: VirtualBoard) -> Callable[[_FaultyPort], None]:
    return (lambda port: port.close()) if fault == "port closed" else (lambda _: board.reset())


def _disturbed(work: _Work, board: VirtualBoard, which: int, port: _FaultyPort) -> tuple[bytes, bool]:
    """What a session returned, and whether it said that it was lost."""
    got = b""
    try:
        for result in work.results(port, work.designs[which]):
            got += result
    except LinkError:
        return got, True
    return got, False


def _undisturbed(work: _Work, port: str, which: int) -> tuple[int, bool]:
    """Writes of a session, and whether all was right."""
    line = _FaultyPort(port)
    try:
        right = b"".join(work.results(line, work.designs[which])) == work.wanted[which]
    except LinkError:
        right = False
    return line.writes, right


def _small_design(rng: np.random.Generator) -> Design:
    rows = 4 * UNITS
    layer = FloatLayer("small", rng.normal(0, 0.4, (rows, INPUTS)), rng.normal(0, 0.4, (rows, UNITS)), np.zeros(rows))
    source = FloatNetwork((layer,))
    network = quantise(source, Calibration(rng.normal(0, 1, (4, 50, INPUTS))), precision=[8]).network
    engine, _ = size_engine(network, None, lanes=LANES)
    return Design(engine, network, source)
