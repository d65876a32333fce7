"""The driver on a bad line: results are right or reported as lost, and the next session works."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from hw_tests.unit.link_cases import PATIENCE, identity, sequences, small_design
from lstmith.compiler.design import Design
from lstmith.host.accelerator import Accelerator
from lstmith.host.link.errors import LinkError, LostError
from lstmith.host.request import make_request
from lstmith.host.results import mismatches
from lstmith.host.run import run_golden
from lstmith.spec.policy import Mode, Policy
from lstmith.test_support.faulty import FaultyLine
from lstmith.test_support.model import DeviceModel, ModelTransport

LINES, MOMENTS = 20, 50


class Work:
    """What a session does here: load, infer, run; results are compared where they are returned."""

    def __init__(self, design: Design, rng: np.random.Generator):
        self.design, self.policies = design, [Policy(Mode.DELTA)]
        self.given = sequences(rng, design.network.inputs, steps=5)
        with Accelerator("golden") as golden:
            golden.load(design, self.policies)
            self.h = golden.infer(self.given.x, self.given.lengths)
        self.request = make_request(design, self.given, self.policies)
        self.run = run_golden(self.request)

    def do(self, line: ModelTransport) -> None:
        """Whatever is returned is right; what is lost raises."""
        with Accelerator(line, patience=PATIENCE) as accelerator:
            accelerator.load(self.design, self.policies)
            assert np.array_equal(accelerator.infer(self.given.x, self.given.lengths), self.h)
            assert mismatches(accelerator.run(self.request), self.run) == 0


@pytest.fixture(scope="module")
def work() -> Work:
    rng = np.random.default_rng(1)
    return Work(small_design(rng), rng)


def test_nothing_is_lost_on_a_bad_line(work: Work, rng: np.random.Generator) -> None:
    device = DeviceModel(identity(work.design.engine))
    for _ in range(LINES):
        work.do(FaultyLine(device, rng, chance=0.05))


def test_a_very_bad_line_is_told(work: Work, rng: np.random.Generator) -> None:
    device = DeviceModel(identity(work.design.engine))
    for _ in range(LINES):
        with contextlib.suppress(LinkError):
            work.do(FaultyLine(device, rng, chance=0.6))
        work.do(ModelTransport(device))


class InterruptedLine(ModelTransport):
    """Ctrl-C, once, after some writes from when ``left`` is set."""

    left = 0

    def write(self, content: bytes) -> None:
        """Bytes to the device."""
        super().write(content)
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def test_an_interrupted_run_leaves_a_device_that_works(work: Work) -> None:
    line = InterruptedLine(DeviceModel(identity(work.design.engine)))
    with Accelerator(line, patience=PATIENCE) as accelerator:
        accelerator.load(work.design, work.policies)
        for left in range(3, 12):
            line.left = left
            with pytest.raises(KeyboardInterrupt):
                accelerator.run(work.request)
            # The device still waits for the rest of the sequence, in which its bus cannot be read.
            assert accelerator.counters()["skipped"] == 0
            assert mismatches(accelerator.run(work.request), work.run) == 0


@pytest.mark.parametrize("fault", ["reset_after", "cut_after"])
def test_faults_at_any_moment(fault: str, work: Work, rng: np.random.Generator) -> None:
    device = DeviceModel(identity(work.design.engine))
    upload, again = FaultyLine(device, rng), FaultyLine(device, rng)
    work.do(upload)
    work.do(again)
    lost = 0
    for count in range(MOMENTS):
        # Some moments lie in the upload of weights, which the device has already if it is not new.
        fresh = count % 5 == 0
        device = DeviceModel(identity(work.design.engine)) if fresh else device
        moment = int(rng.integers(1, upload.writes if fresh else again.writes))
        try:
            work.do(FaultyLine(device, rng, **{fault: moment}))
        except LostError:
            lost += 1
        work.do(ModelTransport(device))
    # A reset before HELLO, or in the last goodbye, does no harm.
    assert lost > MOMENTS // 2
