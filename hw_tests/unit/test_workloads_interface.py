"""Scores, the float engine, and what holds for every workload."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.unit.workload_cases import ZeroRunner, loaded
from lstmith.golden.network import FloatLayer, FloatNetwork, run_float
from lstmith.spec.errors import UserError
from lstmith.workloads import catalogue
from lstmith.workloads.float_runner import BATCH, FloatRunner
from lstmith.workloads.workload import Float32, Metric, Runner, Scores, Workload

NAMES = ("silero", "dtln", "icu_thai", "textgenrnn", "japanese_vowels")

#: Quality of float, measured by these tests; units of the metric.
FLOAT_QUALITY = {
    "silero": {"tune": 0.0, "heldout": 0.0},
    "dtln": {"tune": 9.971, "heldout": 9.460},
    "icu_thai": {"tune": 1.0, "heldout": 1.0},
    "textgenrnn": {"tune": 2.346, "heldout": 2.121},
    "japanese_vowels": {"tune": 0.9704, "heldout": 0.9539},
}
#: Sequences and steps of one network, as docs/data.md lists them.
SIZES = {
    "silero": {"calibration": (5, 6089), "tune": (4, 6948), "heldout": (6, 10548)},
    "dtln": {"calibration": (9, 8887), "tune": (24, 19_701), "heldout": (29, 20586)},
    "icu_thai": {"calibration": (40, 980), "tune": (822, 28_828), "heldout": (46, 1364)},
    "textgenrnn": {"calibration": (67, 2680), "tune": (300, 12000), "heldout": (565, 22600)},
    "japanese_vowels": {"calibration": (90, 1434), "tune": (124, 1896), "heldout": (246, 3791)},
}


class Plain(Workload):
    """A workload that is only its networks."""

    def evaluate(self, split: str, runner: Runner) -> Scores:
        raise NotImplementedError

    def inputs(self, split: str) -> dict[str, list[Float32]]:
        raise NotImplementedError


def small_network(rng: np.random.Generator) -> FloatNetwork:
    layers = []
    for inputs, units in ((3, 5), (5, 4)):
        w_ih, w_hh = rng.normal(size=(4 * units, inputs)), rng.normal(size=(4 * units, units))
        h0, c0 = rng.normal(size=(2, units))
        layers.append(FloatLayer("layer", w_ih, w_hh, rng.normal(size=4 * units), h0=h0, c0=c0))
    return FloatNetwork(tuple(layers))


@pytest.fixture
def small(rng: np.random.Generator) -> Plain:
    return Plain("small", {"net": small_network(rng)}, {}, Metric("none", "", True), "tests", "Apache-2.0")


def test_quality_is_a_ratio_of_sums() -> None:
    scores = Scores(np.array([1.0, 5.0]), np.array([10.0, 10.0]))
    assert scores.value == 0.3
    low, high = scores.bootstrap(seed=1)
    assert (low, high) == (0.1, 0.5), "two units: both drawn twice or once each"
    assert scores.bootstrap(seed=1) == scores.bootstrap(seed=1)


def test_interval_narrows_with_the_units(rng: np.random.Generator) -> None:
    def width(units: int) -> float:
        low, high = Scores(rng.normal(size=units), np.ones(units)).bootstrap(seed=1)
        return high - low

    assert width(2500) == pytest.approx(2 * 1.96 / 50, rel=0.15)
    assert width(100) > 3 * width(2500)


def test_scores_must_match() -> None:
    with pytest.raises(ValueError, match=r"^Scores must be two vectors of one length, not \(2,\) and \(3,\)$"):
        Scores(np.ones(2), np.ones(3))


def test_float_runner_equals_single_runs(small: Plain, rng: np.random.Generator) -> None:
    xs = [rng.normal(size=(steps, 3)).astype(np.float32) for steps in rng.integers(1, 40, size=BATCH + 7)]
    last = FloatRunner(small).sequences("net", xs)
    every = FloatRunner(small).sequences("net", xs, every_layer=True)
    for x, h, both in zip(xs, last, every, strict=True):
        trace = run_float(small.networks["net"], x[None].astype(np.float64))
        np.testing.assert_allclose(both, np.concatenate(trace.h, axis=2)[0], atol=1e-6)
        np.testing.assert_array_equal(both[:, 5:], h)


def test_session_steps_like_a_sequence(small: Plain, rng: np.random.Generator) -> None:
    xs = rng.normal(size=(6, 9, 3)).astype(np.float32)
    runner = FloatRunner(small)
    want = np.stack(runner.sequences("net", list(xs)))
    session = runner.session("net", 6)
    for t in range(4):
        np.testing.assert_allclose(session.step(xs[:, t]), want[:, t], atol=1e-6)
    later = runner.session("net", 6, session.state())
    session.step(xs[:, 0])
    for t in range(4, 9):
        np.testing.assert_allclose(later.step(xs[:, t]), want[:, t], atol=1e-6)


def test_names() -> None:
    assert set(NAMES) <= set(catalogue.NAMES)
    with pytest.raises(UserError, match=r"^workload 'slero': is unknown; choose one of silero, "):
        catalogue.load("slero")


@pytest.mark.parametrize("name", NAMES)
def test_float_quality(name: str) -> None:
    workload = loaded(name)
    for split, want in FLOAT_QUALITY[name].items():
        scores = workload.evaluate(split, FloatRunner(workload))
        assert scores.value == pytest.approx(want, abs=1e-3), split
        low, high = scores.bootstrap(seed=1)
        assert low <= scores.value <= high


@pytest.mark.parametrize("name", NAMES)
def test_metric_notices_an_engine_that_computes_nothing(name: str) -> None:
    workload = loaded(name)
    exact, nothing = (
        workload.evaluate("heldout", runner).value for runner in (FloatRunner(workload), ZeroRunner(workload))
    )
    assert (exact > nothing + 0.1) if workload.metric.higher_is_better else (exact < nothing - 0.1)


@pytest.mark.parametrize("name", NAMES)
def test_splits_are_recorded_and_disjoint(name: str) -> None:
    workload = loaded(name)
    roles = {
        "calibration": workload.calibration,
        "tune": workload.inputs("tune"),
        "heldout": workload.inputs("heldout"),
    }
    for network, model in workload.networks.items():
        seen: set[bytes] = set()
        for role, given in roles.items():
            xs = given[network]
            assert (len(xs), sum(map(len, xs))) == SIZES[name][role]
            assert all(x.dtype == np.float32 and x.shape[1] == model.inputs for x in xs)
            content = {x.tobytes() for x in xs}
            assert not content & seen, role
            seen |= content


@pytest.mark.parametrize("name", NAMES)
def test_only_two_splits(name: str) -> None:
    workload = loaded(name)
    for use in (workload.inputs, lambda split: workload.evaluate(split, FloatRunner(workload))):
        with pytest.raises(ValueError, match=r"^Split must be one of \('tune', 'heldout'\), not 'calibration'$"):
            use("calibration")
