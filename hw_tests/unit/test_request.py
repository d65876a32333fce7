"""Active counts and hints from the input file to every engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.quantise import quantise
from lstmith.compiler.sizing.size import size_engine
from lstmith.host.request import make_request
from lstmith.host.results import mismatches
from lstmith.host.rtl_core import RtlCore
from lstmith.host.run import run_golden
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Policy, Skip
from lstmith.spec.quantised import QuantNetwork

UNITS, STEPS = 6, 7
COUNTS = ((4, 2), (5, 1))
LENGTHS = np.array([STEPS, 4])


@pytest.fixture
def design(rng: np.random.Generator) -> Design:
    """Two layers that can run with fewer units."""
    source = random_network(rng, UNITS, 3, layers=2)
    network = quantise(source, random_calibration(rng, source), precision=[8], limits=EngineLimits(planes=2)).network
    layers = tuple(
        replace(
            layer,
            counts=counts,
            reduced_bias=np.stack([layer.bias // 2, layer.bias // 3]),
            idle_h=rng.integers(-9999, 9999, UNITS),
        )
        for layer, counts in zip(network.layers, COUNTS, strict=True)
    )
    network = QuantNetwork(layers)
    engine, _ = size_engine(network, None, lanes=2)
    assert engine.active_counts == 3
    return Design(engine, network, source)


def _sequences(rng: np.random.Generator, active: np.ndarray | None, *, state: bool = False) -> Sequences:
    x = rng.normal(0, 1, (2, STEPS, 3)).astype(np.float32)
    hint = np.zeros((2, STEPS), dtype=bool)
    hint[:, [0, 3]] = True
    pairs = [(rng.uniform(-0.9, 0.9, (2, UNITS)), rng.normal(0, 1, (2, UNITS))) for _ in COUNTS]
    valid = np.arange(STEPS) < LENGTHS[:, None]
    given = None if active is None else active * valid
    return Sequences(x, LENGTHS, False, pairs if state else None, "x.npz", hint & valid, given)


def test_counts_of_the_input_go_before_the_policys(design: Design, rng: np.random.Generator) -> None:
    policies = [Policy(active=2), Policy(active=1)]
    assert (make_request(design, _sequences(rng, None), policies).active_indices == 2).all()
    active = np.array([[6, 4, 4, 2, 2, 6, 6], [4] * 7])
    request = make_request(design, _sequences(rng, active), policies)
    assert request.active_indices[request.valid].tolist() == [0, 1, 1, 2, 2, 0, 0, 1, 1, 1, 1]
    arrays = run_golden(request).arrays()
    assert arrays["active"][0].tolist() == [[6, 6], [4, 5], [4, 5], [2, 1], [2, 1], [6, 6], [6, 6]]
    assert not arrays["active"][1, 4:].any(), "nothing after the end"
    active[1, 2] = 3
    with pytest.raises(
        UserError, match=r"^x\.npz field active: is 3 at \(1, 2\); use one of the compiled counts 6, 4, 2$"
    ):
        make_request(design, _sequences(rng, active), policies)


def test_core_equals_golden_at_changing_counts(design: Design, rng: np.random.Generator, tmp_path: Path) -> None:
    active = np.array([[6, 4, 4, 2, 2, 6, 6], [4] * 7])
    policies = [Policy(Mode.AUTO, active=count, skip=Skip(hints=True)) for count in (4, 5)]
    problems = [make_request(design, _sequences(rng, active, state=state), policies) for state in (False, True)]
    core = RtlCore(problems[0], "icarus", tmp_path)
    for request in problems:
        run, golden = core.run(request), run_golden(request)
        assert golden.layers[0].skipped[:, 3].all()
        assert mismatches(run, golden) == 0
        np.testing.assert_array_equal(run.cycles, golden.cycles)


def _skimming(design: Design) -> Design:
    layers = tuple(
        replace(layer, counts=layer.counts[:1], skims=True, reduced_bias=None, idle_h=None)
        for layer in design.network.layers
    )
    network = QuantNetwork(layers)
    engine, _ = size_engine(network, None, lanes=2)
    return Design(engine, network, design.source)


def test_core_equals_golden_where_steps_skim(design: Design, rng: np.random.Generator, tmp_path: Path) -> None:
    skimming = _skimming(design)
    active = np.array([[4, 4, 6, 4, 4, 6, 4], [6, 4, 4, 6, 6, 6, 6]])
    policies = [Policy(theta_h=2, skip=Skip(hints=True))] * 2
    problems = [make_request(skimming, _sequences(rng, active, state=state), policies) for state in (False, True)]
    core = RtlCore(problems[0], "icarus", tmp_path)
    for request in problems:
        assert request.active_indices[0].tolist() == [0, 1, 0, 1, 1, 0, 1], "the first step computes all units"
        run, golden = core.run(request), run_golden(request)
        assert mismatches(run, golden) == 0
        np.testing.assert_array_equal(run.cycles, golden.cycles)
        layer = golden.layers[1]
        np.testing.assert_array_equal(layer.h[0, 1, 5:], layer.h[0, 0, 5:])
        assert (layer.h[0, 1, :5] != layer.h[0, 0, :5]).any()


def test_what_cannot_skim_is_refused(design: Design, rng: np.random.Generator) -> None:
    skimming, active = _skimming(design), np.array([[6, 4, 6, 4, 4, 6, 4], [6] * 7])
    with pytest.raises(UserError, match=r"^x\.npz field active: Layer 1 policy field mode is dense, .*; leave it out$"):
        make_request(skimming, _sequences(rng, active), [Policy(), Policy(Mode.DENSE)])
    dense = make_request(skimming, _sequences(rng, None), [Policy(Mode.DENSE)] * 2)
    assert not dense.active_indices.any()
