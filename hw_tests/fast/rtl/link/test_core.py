"""An engine behind its serial port: written, run and read over the line, h equal to golden's."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from hw_tests.fast.rtl.link.serial_host import talk
from hw_tests.fast.rtl.link.test_link import IDENTITY
from hw_tests.fast.rtl.small_engine import Features, small_engine
from lstmith.compiler.program_image import build_memory_image
from lstmith.golden.model import GoldenModel
from lstmith.host.link.codec import Frame
from lstmith.rtl.link.core import LinkedCore
from lstmith.spec.link_map import (
    FETCH_HEAD,
    READ_HEAD,
    STREAM_HEAD,
    WRITE_HEAD,
    Command,
    Feature,
    LinkRegister,
    Status,
    StreamFlag,
    link_address,
)
from lstmith.spec.link_map import Mode as ResultMode
from lstmith.spec.policy import Mode, Policy


@pytest.mark.parametrize(
    ("dims", "features"), [((2, 2), Feature.STATES), ((2, 2, 2), Feature.STATES | Feature.RECORDS)]
)
def test_steps_over_the_line(dims: tuple[int, ...], features: Feature, rng: np.random.Generator) -> None:
    layers = len(dims) - 1
    dense, coarse = [Policy(Mode.DENSE)] * layers, [Policy(Mode.DELTA, theta_x=1 << 12)] * layers
    x = rng.integers(-3000, 3000, (3, dims[0])).astype(np.int16)
    # One whose h tells which policy it ran.
    for _ in range(100):
        config, network = small_engine(rng, Features(dims=dims))
        model = GoldenModel(network, config)
        trace, before = model.run(x[None], coarse)[-1], model.run(x[None], dense)[-1]
        if (trace.h != before.h).any():
            break
    else:
        pytest.fail("the policy that is written makes no difference")
    frames, mode = [Frame(255, Command.HELLO)], link_address(LinkRegister.MODE)

    def ask(command: Command, body: bytes) -> None:
        frames.append(Frame((frames[-1].seq + 1) % 256, command, body))

    # Where there are no records, none are to be had.
    wanted = ResultMode.COMPACT if features & Feature.RECORDS else ResultMode.FULL
    ask(Command.WRITE, struct.pack(f"{WRITE_HEAD}I", mode & 0xFFFF, mode >> 16, wanted))
    # The policy, a frame for each run of addresses.
    runs: list[tuple[int, list[int]]] = []
    for address, value in build_memory_image(network, config, coarse).policy_writes():
        if not runs or address != runs[-1][0] + len(runs[-1][1]):
            runs.append((address, []))
        runs[-1][1].append(value % (1 << 32))
    for address, values in runs:
        ask(Command.WRITE, struct.pack(f"{WRITE_HEAD}{len(values)}I", address & 0xFFFF, address >> 16, *values))
    for step, flag in zip(x, (StreamFlag.START, *[StreamFlag(0)] * 2), strict=True):
        ask(Command.STREAM, struct.pack(f"{STREAM_HEAD}{len(step)}h", flag, 0, 0, *step.tolist()))
    # Twice, since the first may be answered before the last result is there.
    for _ in range(2):
        ask(Command.FETCH, struct.pack(FETCH_HEAD, 0, 0))
    tag = link_address(LinkRegister.TAG)
    ask(Command.READ, struct.pack(READ_HEAD, 1, tag & 0xFFFF, tag >> 16))
    identity = replace(IDENTITY, config=config, features=features)
    image = build_memory_image(network, config, dense)
    answers = talk(LinkedCore(identity, image), frames, {"ready": 1})
    assert [answer.body[0] for answer in answers] == [Status.OK] * len(answers)
    want = [word for step in trace.h[0].tolist() for word in (0, *step)]
    body = answers[-2].body[2:]
    assert list(struct.unpack(f"<{len(body) // 2}h", body)) == want
    # Nobody said what the memories hold.
    assert answers[-1].body[2:] == bytes(4)
