"""One interface over golden, the device model and a simulator: the same numbers from each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from hw_tests.cocotb.random_policies import random_policies
from hw_tests.unit.link_cases import PATIENCE, identity, random_designs, sequences, small_design
from lstmith.compiler.design import Design
from lstmith.compiler.program_image import build_memory_image
from lstmith.host.accelerator import Accelerator
from lstmith.host.link.errors import RefusedError
from lstmith.host.request import make_request
from lstmith.host.results import mismatches
from lstmith.host.run import run_golden
from lstmith.spec.codes import Verdict
from lstmith.spec.errors import UserError
from lstmith.spec.link_map import Feature
from lstmith.spec.memory_image import image_tag
from lstmith.spec.policy import Mode, Policy, Skip
from lstmith.spec.quantised import IntArray
from lstmith.test_support.model import DeviceModel, ModelTransport

ENGINES = 12


def model_accelerator(design: Design, **changes) -> Accelerator:
    return Accelerator(ModelTransport(DeviceModel(identity(design.engine, **changes))), patience=PATIENCE)


@pytest.mark.parametrize("engine", range(ENGINES))
def test_device_equals_golden(engine: int, rng: np.random.Generator) -> None:
    designs = random_designs(rng)
    sizes = {"ring_words": 1 << int(rng.integers(6, 12)), "window": int(rng.choice([1, 2, 8]))}
    with model_accelerator(designs[0], **sizes) as device, Accelerator("golden") as golden:
        for design in designs:
            policies = random_policies(rng, design.network, design.engine)
            given = sequences(rng, design.network.inputs)
            for accelerator in (device, golden):
                accelerator.load(design, policies)
            request = make_request(design, given, policies)
            run = device.run(request)
            assert mismatches(run, run_golden(request)) == 0
            assert np.array_equal(device.infer(given.x, given.lengths), golden.infer(given.x, given.lengths))
            last = given.x[-1, : given.lengths[-1]]
            for one, two in zip(device.state, golden.state, strict=True):
                assert np.array_equal(one, two)
            state = device.state
            device.state, golden.state = state, state
            assert np.array_equal(device.infer(last), golden.infer(last))


def test_live_steps_come_one_by_one(rng: np.random.Generator) -> None:
    design = small_design(rng)
    asked: list[int] = []

    def steps() -> Iterator[np.ndarray]:
        for t, values in enumerate(x):
            asked.append(t)
            yield values

    x = rng.normal(0, 1, (9, design.network.inputs))
    with model_accelerator(design) as accelerator:
        accelerator.load(design)
        found = []
        for h in accelerator.infer(steps()):
            found.append(h)
            assert len(asked) == len(found), "a step's h comes before the next step is asked for"
        assert np.array_equal(np.array(found), accelerator.infer(x))


def test_states_can_be_read_between_live_steps(rng: np.random.Generator) -> None:
    design = small_design(rng)
    x = rng.normal(0, 1, (6, design.network.inputs))
    with model_accelerator(design) as device, Accelerator("golden") as golden:
        for accelerator in (device, golden):
            accelerator.load(design)
        for one, two in zip(device.infer(iter(x)), golden.infer(iter(x)), strict=True):
            assert np.array_equal(one, two)
            assert np.array_equal(device.state, golden.state)
        # Half a sequence that was given up leaves nothing behind.
        given_up = device.infer(iter(x))
        next(given_up)
        del given_up
        assert np.array_equal(device.infer(x), golden.infer(x))


def test_restarts_are_counted_with_deltas_alone(rng: np.random.Generator) -> None:
    """Without them every pass recomputes its sums."""
    design = small_design(rng)
    engine = replace(design.engine, delta=False, skip=False, planes=1, monitor=False)
    layers = tuple(replace(layer, planes=1) for layer in design.network.layers)
    dense = replace(design, engine=engine, network=replace(design.network, layers=layers))
    x = rng.normal(0, 1, (3, design.network.inputs))
    for each, counted in ((design, True), (dense, False)):
        with model_accelerator(each) as device:
            device.load(each, Policy(Mode.DENSE), check=False)
            device.infer(x)
            assert device.counters().get("restarts") == (len(x) if counted else None)


@pytest.mark.parametrize("rules", [True, False])
def test_hints_skip_steps(rules: bool, rng: np.random.Generator) -> None:
    """On engines that count skipped steps, and on those that skip no others."""
    design = small_design(rng)
    design = replace(design, engine=replace(design.engine, skip=rules))
    x = rng.normal(0, 1, (5, design.network.inputs))
    results: list[IntArray] = []
    for accelerator in (model_accelerator(design), Accelerator("golden"), Accelerator("icarus")):
        with accelerator:
            accelerator.load(design, Policy(Mode.DELTA, skip=Skip(hints=True)))
            found = np.array(list(accelerator.infer(iter([x[0], None, x[2], None, x[4]]))))
            assert np.array_equal(found[0], found[1])
            assert accelerator.counters()["skipped"] == 2
            results.append(found)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_weights_are_sent_once(rng: np.random.Generator) -> None:
    design, other = small_design(rng), small_design(rng)
    device = DeviceModel(identity(design.engine))
    uploaded = []
    for loaded in (design, design, other, design):
        with Accelerator(ModelTransport(device), patience=PATIENCE) as accelerator:
            accelerator.load(loaded)
            uploaded.append(accelerator.backend.uploaded)  # type: ignore[attr-defined]
            assert accelerator.verify().mismatches == 0
    assert uploaded == [True, False, True, True]


def test_policies_change_without_a_new_load(rng: np.random.Generator) -> None:
    design = small_design(rng)
    x = rng.normal(0, 1, (8, design.network.inputs))
    with model_accelerator(design) as device, Accelerator("golden") as golden:
        for accelerator in (device, golden):
            accelerator.load(design)
        for policy in (Policy(Mode.DENSE), Policy(Mode.DELTA, theta_x=40, theta_h=300)):
            device.policy = golden.policy = policy
            assert device.policy == [policy]
            assert np.array_equal(device.infer(x), golden.infer(x))


@pytest.mark.parametrize("features", [Feature(0), Feature.STATES])
def test_devices_that_can_do_less(features: Feature, rng: np.random.Generator) -> None:
    design = small_design(rng)
    x = rng.normal(0, 1, (8, design.network.inputs))
    image = build_memory_image(design.network, design.engine, [Policy()])
    device = DeviceModel(
        identity(design.engine, features=features, ring_words=64), image, image_tag(image, design.engine)
    )
    with Accelerator(ModelTransport(device), patience=PATIENCE) as accelerator, Accelerator("golden") as golden:
        for each in (accelerator, golden):
            each.load(design)
        assert np.array_equal(accelerator.infer(x), golden.infer(x))
        if features:
            assert accelerator.state[0][0].any()
        found = accelerator.verify()
        assert (found.mismatches, found.board) == (0, "ulx3s-85f")
        if features:
            return
        with pytest.raises(RefusedError, match="no way to read states"):
            accelerator.state  # noqa: B018 -- reading it is what is refused
        with pytest.raises(RefusedError, match="no way to read counters"):
            accelerator.counters()
        with pytest.raises(RefusedError, match="Its program cannot be changed"):
            accelerator.policy = Policy(Mode.DENSE)
        # Its program has other shapes.
        with pytest.raises(RefusedError, match=r"computes \d+ of \d+ values wrong"):
            accelerator.load(small_design(rng, units=5))


def test_verify_finds_a_wrong_weight(rng: np.random.Generator) -> None:
    design = small_design(rng)
    with model_accelerator(design) as accelerator:
        accelerator.load(design)
        device = accelerator.backend.device  # type: ignore[attr-defined]
        device.write([(1 << 23 | lane << design.engine.address_bits | 1, 0x7F7F) for lane in range(3)])
        assert accelerator.verify().mismatches > 0
        assert "WRONG" in str(accelerator.verify())


def test_throughput_is_told(rng: np.random.Generator) -> None:
    design = small_design(rng)
    with model_accelerator(design) as accelerator:
        accelerator.load(design)
        found = accelerator.throughput_test(20)
    assert found.steps_per_second > 0
    assert found.step_seconds > 0
    assert found.payload_bytes == 2 * (1 + design.network.layers[-1].units)


def test_judge(rng: np.random.Generator) -> None:
    """Verdicts from a device, a simulator and golden: of every step, of some, and of the last one."""
    plain = small_design(rng)
    for verdict in (Verdict.ARGMAX, Verdict.THRESHOLD):
        last = replace(plain.network.layers[-1], verdict=verdict)
        network = replace(plain.network, layers=(last,))
        design = replace(plain, network=network, engine=replace(plain.engine, verdicts=True))
        x, lengths = rng.normal(0, 1, (3, 11, design.network.inputs)), np.array([11, 4, 7])
        with model_accelerator(design) as device, Accelerator("icarus") as core, Accelerator("golden") as golden:
            for accelerator in (device, core, golden):
                accelerator.load(design)
            assert device.verify().mismatches == 0
            for every in (None, 1, 3):
                wanted = golden.judge(x, lengths, every=every)
                assert len(np.unique(golden.judge(x, lengths, every=1))) > 1
                for accelerator in (device, core):
                    assert np.array_equal(accelerator.judge(x, lengths, every=every), wanted)
            assert device.judge(x[0]) == golden.judge(x, lengths)[0]
            with pytest.raises(UserError, match="has a verdict, which is all that the engine sends; call judge"):
                device.infer(x)
            with pytest.raises(UserError, match=r"lengths: is \[0\]; give every sequence a step"):
                device.judge(x[:1], np.array([0]))
    with Accelerator("golden") as golden:
        golden.load(plain)
        with pytest.raises(UserError, match="design: has no verdict; compile a graph with ArgMax"):
            golden.judge(x)
