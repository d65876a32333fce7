"""The adaptive bench: its runner, its controls, its judgement."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hw_tests.unit.networks import random_network
from lstmith.golden.network import FloatNetwork
from lstmith.scripts.bench.adaptive import bench as adaptive_bench
from lstmith.scripts.bench.adaptive import tables as adaptive_tables
from lstmith.scripts.bench.adaptive.bench import Network, best_control, best_row
from lstmith.scripts.bench.adaptive.controls import AfterWarmup, RandomSteps, six_bits, with_random_columns
from lstmith.scripts.bench.adaptive.networks import Static, engine_for, quantised
from lstmith.scripts.bench.adaptive.rows import Row
from lstmith.scripts.bench.adaptive.runner import GoldenRunner
from lstmith.scripts.bench.adaptive.search import ERRORS, Joint, doubt, mechanisms
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Skip
from lstmith.tuning.engine import GoldenEngine
from lstmith.tuning.pieces import Recorded
from lstmith.tuning.space import Space
from lstmith.workloads.workload import Metric, Scores, Workload

MIXING = Policy(Mode.AUTO, tau_x=6, tau_h=6, refresh=8)
WATCHED = Policy(Mode.DELTA, refresh=4, monitor=Monitor(Rule.RATIO, low=20))


@pytest.fixture
def source(rng: np.random.Generator) -> FloatNetwork:
    """A network of two layers."""
    return random_network(rng, 12, 5, layers=2)


@pytest.fixture
def xs(rng: np.random.Generator) -> list[np.ndarray]:
    """Four sequences of one length."""
    walk = np.cumsum(rng.normal(0, 0.2, (4, 60, 5)), axis=1)
    return list(np.tanh(walk).astype(np.float32))


@pytest.fixture
def engine(source: FloatNetwork, xs: list[np.ndarray]) -> GoldenEngine:
    """It in eight bits on four lanes."""
    network = quantised(source, xs, Static(8, 8))
    return GoldenEngine(network, source, engine_for(network, 4))


@pytest.mark.parametrize(
    "policy", [Policy(Mode.AUTO), MIXING, Policy(Mode.DELTA, refresh=4, monitor=Monitor(Rule.RATIO, low=20))]
)
def test_steps_one_by_one_are_the_same(engine: GoldenEngine, xs: list[np.ndarray], policy: Policy) -> None:
    """A session gives the h and the cycles of whole sequences."""
    runner = GoldenRunner({"net": engine}, cuts=False)
    policies = {"net": [policy] * 2}
    runner.begin(policies)
    whole = np.stack(runner.sequences("net", xs))
    cycles = runner.costs()["net"].cycles
    runner.begin(policies)
    session = runner.session("net", len(xs))
    stepped = np.stack([session.step(np.stack(xs)[:, t]) for t in range(60)], axis=1)
    assert (whole == stepped).all()
    assert (cycles == runner.costs()["net"].cycles).all()
    assert (session.state()[-1][0] == whole[:, -1]).all()


def test_marked_steps_of_a_session(engine: GoldenEngine, xs: list[np.ndarray]) -> None:
    """A marked step is not counted; a policy that follows the marks skips it, and then it is."""
    runner = GoldenRunner({"net": engine}, cuts=False)
    marks = np.array([True, False, False, False])
    for skip, steps in ((Skip(), 4 * 10 - 9), (Skip(hints=True), 4 * 10)):
        runner.begin({"net": [Policy(Mode.AUTO, skip=skip)] * 2})
        session = runner.session("net", 4)
        for t in range(10):
            session.step(np.stack(xs)[:, t], marks & (t > 0))
        costs = runner.costs()["net"]
        assert len(costs.cycles) == steps
        assert costs.skipped.sum() == (9 if skip.hints else 0)


def test_six_bit_rows_mean_the_same(engine: GoldenEngine, xs: list[np.ndarray]) -> None:
    """Fewer levels, nearly the same h."""
    narrow = six_bits(engine)
    assert all(np.abs(layer.weights).max() <= 31 for layer in narrow.network.layers)
    policy = [Policy(Mode.DENSE)] * 2
    one, other = (each.run(each.prepared(Recorded(xs), cuts=False), policy).h for each in (engine, narrow))
    assert 0 < np.abs(np.stack(one) - np.stack(other)).max() < 0.1


def test_random_choice_has_the_fraction(engine: GoldenEngine, xs: list[np.ndarray]) -> None:
    """By lot, but as often; another seed draws others."""
    runs = [
        each.run(each.prepared(Recorded(xs), cuts=False), [MIXING] * 2)
        for each in (with_random_columns(engine, 0.4, seed) for seed in (1, 1, 2))
    ]
    parts = [run.costs.low_entries.sum() / run.costs.entries.sum() for run in runs]
    assert parts[0] == parts[1] != parts[2]
    assert parts[0] == pytest.approx(0.4, abs=0.05)
    steps = RandomSteps({"net": 0.3}, 1).sequences("net", [4000])[0]
    assert steps.mean() == pytest.approx(0.3, abs=0.03)
    after = AfterWarmup({"net": 0.25}, {"net": 8.0})
    assert after.sequences("net", [8])[0].tolist() == [False] * 6 + [True] * 2
    assert [bool(after.step("net", t, 1)[0]) for t in (5, 6)] == [False, True]


def test_mechanisms_use_only_their_own_parameters(engine: GoldenEngine, xs: list[np.ndarray]) -> None:
    """Nothing of another mechanism slips in."""
    joint = Joint({"net": Space.of(engine.network, engine.config, xs)})
    found = mechanisms(joint)
    assert {"thresholds", "mixing", "monitor per step", "monitor per fold", "skipping", "together"} <= found.keys()
    for name, choices in found.items():
        for params in ({key: size - 1 for key, size in choices.sizes.items()}, *choices.starts()):
            first = choices.policies(params)[0]
            if name == "mixing":
                assert (first.theta_x, first.theta_h, first.monitor, first.skip.change) == (0, 0, Monitor(), 0)
            if name == "thresholds":
                assert not first.mixes
            if name.startswith("monitor"):
                assert first.monitor.rule is Rule.RATIO
                assert (first.tau_x, first.tau_h, first.restart_tau_x, first.restart_tau_h) == (0, 0, 0, 0)


def test_a_lucky_policy_is_doubted() -> None:
    """Two units better and two worse are no gain to rely on."""
    metric = Metric("accuracy", "", higher_is_better=True)
    workload = type("Stub", (Workload,), {"evaluate": None, "inputs": None, "__abstractmethods__": frozenset()})(
        "stub", {}, {}, metric, "", ""
    )
    ones = np.ones(100)
    want = Scores(np.repeat([1.0, 0.0], 50), ones)
    changed = want.numerator.copy()
    changed[[0, 1]], changed[[98, 99]] = 0.0, 1.0
    assert doubt(workload, want, want) == 0.0
    assert doubt(workload, Scores(changed, ones), want) == pytest.approx(0.02 * ERRORS)


def row(name: str, quality: float, cycles: float) -> Row:
    """A row with an interval of 0.02."""
    names = ["cycles_p99", "cycles_max", "low_steps", "low_columns", "skipped_steps", "restarts", "energy_pj"]
    figures = {"cycles_per_step": cycles, **dict.fromkeys(names, 0.0)}
    return Row(name, quality, quality - 0.01, quality + 0.01, {"net": figures})


@pytest.fixture
def network() -> Network:
    """Figures of a network, made up."""
    rows = [row("W8A8 dense", 0.9, 1000), row("mixing", 0.899, 500), row("together", 0.85, 400)]
    rows += [row("control: zero skipping", 0.9, 600), row("control: random columns", 0.8, 450)]
    return Network(
        "toy",
        "accuracy",
        "",
        True,
        0.901,
        0.005,
        0.005,
        "W8A8",
        "W8A8",
        {"net": 4},
        1000.0,
        1000.0,
        rows[0],
        rows,
        {},
        {"mixing": 0.001, "together": 0.002},
    )


def test_judgement(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice looks at the data tuned on; what held-out data says of it is told, good or bad."""
    assert [network.without_loss(one) for one in network.rows] == [True, True, False, True, False]
    assert best_row(network).name == "together"
    control = best_control(network)
    assert control is not None
    assert control.name == "control: zero skipping"
    monkeypatch.setattr(adaptive_bench, "measure_network", lambda *_: network)
    result = adaptive_bench.run_adaptive(["silero"], lambda _: None, 1.0, tmp_path / "kept")
    assert not result["complete"]
    assert adaptive_bench.run_adaptive([], lambda _: None, 1.0, tmp_path / "kept") == result
    summary = json.loads(json.dumps(result))["summary"]
    assert summary["without_loss"] == 0
    assert summary["geometric_mean_vs_static"] == pytest.approx(2.5)
    assert summary["geometric_mean_without_loss"] == pytest.approx(2.0)
    text = adaptive_tables.full_text(result)
    assert text.startswith("Measured 20")
    assert "\n- 2.50x over the best static precision" in text
    assert "zero skipping, 1.67x" in text
