"""Steps that stream: every number right, every word once, and the line used for little else."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.unit.link_cases import ALL, PATIENCE, identity, small_design
from lstmith.compiler.program_image import build_memory_image
from lstmith.host.accelerator import Accelerator
from lstmith.host.link.ring_reads import RingReads
from lstmith.spec.link_map import ANSWER_WORDS, Feature
from lstmith.spec.policy import Mode, Policy, Skip
from lstmith.spec.policy_check import default_policies
from lstmith.test_support.model import DeviceModel, ModelTransport

STEPS = 200
#: Of the bytes on the wire, in the direction that has more to carry.
SHARE = 0.9


class CountingLine(ModelTransport):
    """Counts bytes in both directions."""

    sent = received = 0

    def write(self, content: bytes) -> None:
        """From the host."""
        self.sent += len(content)
        super().write(content)

    def read(self, timeout: float) -> bytes:
        """To the host."""
        received = super().read(timeout)
        self.received += len(received)
        return received


@pytest.mark.parametrize(("units", "inputs", "share"), [(60, 60, SHARE), (20, 90, SHARE), (90, 20, SHARE), (6, 5, 0.8)])
def test_most_of_the_wire_is_payload(rng: np.random.Generator, units: int, inputs: int, share: float) -> None:
    design = small_design(rng, units, inputs)
    line = CountingLine(DeviceModel(identity(design.engine, window=8, ring_words=2048)))
    x = rng.normal(0, 1, (STEPS, inputs))
    with Accelerator(line, patience=PATIENCE) as accelerator, Accelerator("golden") as golden:
        for each in (accelerator, golden):
            each.load(design, check=False)
        before = line.sent, line.received
        h = accelerator.infer(x)
        payload = 2 * STEPS * max(inputs, 1 + units)
        assert payload / max(line.sent - before[0], line.received - before[1]) >= share
        assert np.array_equal(h, golden.infer(x))


def test_skipped_steps_leave_no_gap(rng: np.random.Generator) -> None:
    """What they do not bring is not asked for."""
    design = small_design(rng, 40, 40)
    line = CountingLine(DeviceModel(identity(design.engine, window=8, ring_words=512)))
    # Most steps repeat the one before.
    x = np.repeat(rng.normal(0, 1, (STEPS // 8, 40)), 8, axis=0)
    policy = Policy(Mode.DELTA, skip=Skip(change=1, limit=7))
    with Accelerator(line, patience=PATIENCE) as accelerator, Accelerator("golden") as golden:
        for each in (accelerator, golden):
            each.load(design, policy, check=False)
        before = line.received
        h = accelerator.infer(x)
        assert np.array_equal(h, golden.infer(x))
        skipped = golden.counters()["skipped"]
        assert skipped > STEPS // 2
        payload = 2 * (STEPS + 40 * (STEPS - skipped))
        assert line.received - before < 2 * payload


@pytest.mark.parametrize("every", [2, 7, STEPS])
@pytest.mark.parametrize("features", [ALL, Feature(0)])
def test_h_only_when_asked_for(rng: np.random.Generator, every: int, features: Feature) -> None:
    design = small_design(rng, 60, 20)
    told = identity(design.engine, window=8, ring_words=512, features=features)
    # Where the program is the bitstream's, so is the image.
    image = build_memory_image(design.network, design.engine, default_policies(design.network, design.engine))
    line = CountingLine(DeviceModel(told, image))
    x = rng.normal(0, 1, (STEPS, 20))
    with Accelerator(line, patience=PATIENCE) as accelerator, Accelerator("golden") as golden:
        for each in (accelerator, golden):
            each.load(design, check=False)
        before = line.received
        h = accelerator.infer(x, every=every)
        assert h.shape == (STEPS // every, 60)
        assert np.array_equal(h, golden.infer(x)[every - 1 :: every])
        assert np.array_equal(h, golden.infer(x, every=every))
        words = STEPS + 60 * (STEPS // every)
        assert features == Feature(0) or line.received - before < 2.5 * (2 * words + 8 * STEPS)


def test_a_skipped_step_repeats_h_that_was_not_asked_for(rng: np.random.Generator) -> None:
    design = small_design(rng, 20, 10)
    line = ModelTransport(DeviceModel(identity(design.engine, window=8, ring_words=512)))
    x = np.repeat(rng.normal(0, 1, (STEPS // 4, 10)), 4, axis=0)
    policy = Policy(Mode.DELTA, skip=Skip(change=1, limit=7))
    with Accelerator(line, patience=PATIENCE) as accelerator, Accelerator("golden") as golden:
        for each in (accelerator, golden):
            each.load(design, policy, check=False)
        assert np.array_equal(accelerator.infer(x, every=3), golden.infer(x)[2::3])


def test_nothing_is_asked_for_twice() -> None:
    asks = RingReads(512)
    first, second = asks.with_input(0, 2 * ANSWER_WORDS), asks.with_input(0, 2 * ANSWER_WORDS)
    assert (first.place, second.place) == (0, ANSWER_WORDS)
    # No full answer is certain behind them, so this one asks for what cannot be there.
    assert asks.with_input(0, 2 * ANSWER_WORDS).place == 512
    assert asks.alone(0).place == 2 * ANSWER_WORDS
    asks.answered(first)
    assert asks.expects(ANSWER_WORDS)
    # The second one brought less than was hoped for: what follows does not join, and is asked for again.
    asks.answered(second)
    assert asks.end(ANSWER_WORDS + 5) == ANSWER_WORDS + 5
