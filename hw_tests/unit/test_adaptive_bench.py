"""The adaptive bench: its runner, its controls, its judgement."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.unit.networks import random_network
from lstmith.golden.network import FloatNetwork
from lstmith.scripts.bench.adaptive import bench as adaptive_bench
from lstmith.scripts.bench.adaptive import tables as adaptive_tables
from lstmith.scripts.bench.adaptive.bench import chosen, merged
from lstmith.scripts.bench.adaptive.controls import (
    AfterWarmup,
    EverySecond,
    RandomSteps,
    six_bits,
    with_inverted_rule,
    with_random_columns,
)
from lstmith.scripts.bench.adaptive.fewer_lanes import counted
from lstmith.scripts.bench.adaptive.judgement import Count, Network
from lstmith.scripts.bench.adaptive.networks import Static, engine_for, lanes_for, quantised
from lstmith.scripts.bench.adaptive.rows import Row, Wanted, reporter
from lstmith.scripts.bench.adaptive.runner import GoldenRunner
from lstmith.scripts.bench.adaptive.search import Bed, Joint, evaluator, on_top, thresholds
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Skip
from lstmith.spec.policy_file import describe_policy
from lstmith.tuning.engine import GoldenEngine
from lstmith.tuning.pieces import Recorded
from lstmith.tuning.search import Measured, Trial
from lstmith.tuning.space import Space
from lstmith.workloads.workload import Metric, Runner, Scores, Workload

PLANES = Policy(Mode.AUTO, 1, 1, 8, 8)
WATCHED = Policy(Mode.DELTA, monitor=Monitor(Rule.RATIO, low=30))


class _Echo(Workload):
    """A network whose h is judged by its own mean."""

    def evaluate(self, split: str, runner: Runner) -> Scores:
        """One unit per sequence."""
        (network,) = self.networks
        means = np.array([np.abs(h).mean() for h in runner.sequences(network, self.inputs(split)[network])])
        return Scores(means.astype(np.float64), np.ones(len(means)))

    def inputs(self, split: str) -> dict[str, list[np.ndarray]]:
        """The same for all."""
        return self.calibration


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


@pytest.mark.parametrize("policy", [Policy(Mode.AUTO), PLANES, WATCHED])
def test_steps_one_by_one_are_the_same(engine: GoldenEngine, xs: list[np.ndarray], policy: Policy) -> None:
    """A session gives the h and the cycles of whole sequences."""
    runner = GoldenRunner({"net": engine}, cuts=False)
    policies = {"net": [policy] * 2}
    runner.begin(policies)
    whole = np.stack(runner.sequences("net", xs))
    cycles, error = runner.costs()["net"].cycles, runner.error()
    runner.begin(policies)
    session = runner.session("net", len(xs))
    stepped = np.stack([session.step(np.stack(xs)[:, t]) for t in range(60)], axis=1)
    assert (whole == stepped).all()
    assert (cycles == runner.costs()["net"].cycles).all()
    assert (session.state()[-1][0] == whole[:, -1]).all()
    assert runner.error() == pytest.approx(error)
    assert error > 0


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


def test_decisions_in_the_monitors_place(engine: GoldenEngine, xs: list[np.ndarray]) -> None:
    """By lot, every second, or after a warm-up, as often as asked; in sessions as in whole sequences."""
    runner = GoldenRunner({"net": engine}, cuts=False)
    passive = {"net": [Policy(Mode.AUTO, monitor=Monitor(Rule.RATIO, low=0))] * 2}
    after = AfterWarmup({"net": 0.25}, {"net": 60.0})
    for forced, part in ((RandomSteps({"net": 0.3}, 1), 0.3), (EverySecond(), 0.5), (after, 0.25)):
        runner.begin(passive, forced)
        whole = np.stack(runner.sequences("net", xs))
        costs = runner.costs()["net"]
        assert costs.deferred.mean() == pytest.approx(part, abs=0.07)
        if forced is after:
            assert costs.deferred.reshape(4, 60).tolist() == [[0.0] * 45 + [1.0] * 15] * 4
        runner.begin(passive, forced)
        session = runner.session("net", len(xs))
        stepped = np.stack([session.step(np.stack(xs)[:, t]) for t in range(60)], axis=1)
        if not isinstance(forced, RandomSteps):
            assert (whole == stepped).all()


def test_inverted_rule_decides_the_opposite(engine: GoldenEngine, xs: list[np.ndarray]) -> None:
    """Of the first step, which both see alike, and so of about the other part of all steps."""
    runs = [
        each.run(each.prepared(Recorded(xs), cuts=False), [WATCHED] * 2).costs.deferred.reshape(4, 60)
        for each in (engine, with_inverted_rule(engine))
    ]
    assert (runs[0][:, 0] + runs[1][:, 0] == 1.0).all()
    assert 0.05 < runs[0].mean() < 0.95
    assert runs[0].mean() + runs[1].mean() == pytest.approx(1.0, abs=0.15)


def test_random_columns_defer_the_fraction(engine: GoldenEngine, xs: list[np.ndarray]) -> None:
    """By lot, but as often; another seed draws others, and without any the engine is itself."""
    policies = [Policy(Mode.DENSE), Policy(Mode.AUTO, monitor=Monitor(Rule.RATIO, low=0))]

    def low_words(used: GoldenEngine, policy: Policy) -> float:
        return float(used.run(used.prepared(Recorded(xs), cuts=False), [policy] * 2).costs.words[:, 1].mean())

    drawn = [low_words(with_random_columns(engine, 0.4, seed), policies[1]) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    exact = low_words(engine, policies[1])
    assert 0.5 < drawn[0] / exact < 0.8
    assert low_words(with_random_columns(engine, 0.0, 1), policies[1]) == exact


def test_mechanisms_use_only_their_own_parameters(engine: GoldenEngine, xs: list[np.ndarray]) -> None:
    """Nothing of another mechanism slips in, and what comes on top leaves the thresholds alone."""
    joint = Joint({"net": Space.of(engine.network, engine.config, xs)})
    space = joint.spaces["net"]
    found = thresholds(joint)
    assert list(found) == ["planes", "thresholds"]
    below = {**space.params(PLANES), "theta_of_layer_1": 4}
    below = {name: value for name, value in below.items() if name in found["planes"].sizes}
    found |= on_top(joint, below)
    assert list(found)[2:] == ["monitor per step", "monitor per fold", "skipping", "together"]
    for name, choices in found.items():
        for params in ({key: size - 1 for key, size in choices.sizes.items()}, *choices.starts()):
            first, second = choices.policies(params)
            if name == "thresholds":
                assert first.low_theta_x is first.low_theta_h is None
            if name in ("thresholds", "planes", "skipping"):
                assert first.monitor == Monitor()
            if name in ("thresholds", "planes"):
                assert first.skip == Skip()
            if name.startswith("monitor"):
                assert first.monitor.rule is Rule.RATIO
            if name.startswith(("monitor", "skipping")):
                thetas = (first.theta_x, first.theta_h, first.low_theta_x, first.low_theta_h)
                assert (*thetas, second.theta_h) == (1, 1, 8, 8, 2)


def test_narrow_weights_have_one_threshold(source: FloatNetwork, xs: list[np.ndarray]) -> None:
    """An engine of one list takes delta, and nothing is left of planes."""
    network = quantised(source, xs, Static(8, 16))
    config = engine_for(network, 4)
    assert config.planes == 1
    found = thresholds(Joint({"net": Space.of(network, config, xs)}))
    assert list(found) == ["thresholds"]
    assert {
        policy.mode for start in found["thresholds"].starts() for policy in found["thresholds"].policies(start)
    } == {Mode.DELTA}


def test_small_networks_have_fewer_lanes(source: FloatNetwork, rng: np.random.Generator) -> None:
    """Where a lane has few units, no list is short enough to matter."""
    assert [lanes_for(random_network(rng, 128, 2), most) for most in (64, 32, 16)] == [64, 32, 16]
    assert lanes_for(source) == 1
    assert lanes_for(random_network(rng, 100, 2), 8) == 8


def test_luck_is_not_chosen() -> None:
    """A fast policy without loss is passed over if its error is one at which others lose, near enough."""
    figures = [(100.0, 0.0, 0.1), (60.0, 0.0, 0.2), (50.0, 0.0, 0.26), (40.0, 0.0, 0.5), (45.0, 0.4, 0.4)]
    figures.append((70.0, 0.0, 0.35))
    trials = [
        Trial([Policy(theta_h=index)], Measured(loss, loss, cycles, error))
        for index, (cycles, loss, error) in enumerate(figures)
    ]
    best, kept = chosen(trials, trials, 0.01)
    assert (best.measured.cycles, kept) == (50.0, True)
    # Half as much more error than the third causes is now where another lost something.
    near = Trial([Policy(theta_h=9)], Measured(0.4, 0.4, 70.0, 0.34))
    best, kept = chosen(trials, [*trials, near], 0.01)
    assert (best.measured.cycles, kept) == (60.0, True)
    worst = [trials[4]]
    assert chosen(worst, trials, 0.01) == (trials[4], False)


def test_policies_of_the_base_tell_what_an_error_costs(
    source: FloatNetwork, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A format with few policies of its own is chosen by those of the base too."""
    calibration = [rng.uniform(-1, 1, (40, source.inputs)).astype(np.float32)]
    made = quantised(source, calibration, Static(4, 8))
    workload = _Echo("toy", {"net": source}, {"net": calibration}, Metric("mean", "", False), "tests", "Apache-2.0")
    bed = Bed(workload, {"net": GoldenEngine(made, source, engine_for(made, 1))})
    own = [
        Trial([Policy(theta_h=theta)] * 2, Measured(0.0, 0.0, cycles, error))
        for theta, cycles, error in ((1, 60.0, 0.02), (2, 50.0, 0.04))
    ]
    base = Trial([PLANES] * 2, Measured(0.4, 0.4, 70.0, 0.03))
    monkeypatch.setattr(adaptive_bench, "search", lambda *_, **__: own)
    task = adaptive_bench._Task(lambda wanted: wanted, bed, Static(4, 8), 0.01, lambda _: None)
    alone, together = (task.thresholds(8, known).policies["W4A8, thresholds"]["net"] for known in ([], [base]))
    assert [each[0]["theta_h"] for each in (alone, together)] == [2, 1]


def test_paired_interval_leaves_out_what_both_share(rng: np.random.Generator) -> None:
    """Units that are hard for both do not widen the interval of the difference."""
    common, ones = rng.normal(0.5, 0.3, 200), np.ones(200)
    have, want = Scores(common + 0.01, ones), Scores(common, ones)
    assert have.paired(want, 1) == pytest.approx((0.01, 0.01))
    low, high = have.bootstrap(1)
    assert high - low > 0.05


def row(name: str, quality: float, cycles: float) -> Row:
    """A row, made up."""
    names = ["cycles_p99", "cycles_max", "deferred_steps", "low_words", "top_words", "skipped_steps", "restarts"]
    figures = {"cycles_per_step": cycles, **dict.fromkeys([*names, "energy_pj"], 0.0)}
    loss = 0.901 - quality
    return Row(
        name, quality, quality - 0.01, quality + 0.01, loss - 0.01, loss + 0.01, 0.02, {"F1": 0.5}, {"net": figures}
    )


def test_rows_of_seeds_are_merged() -> None:
    """Means, with the spread as interval."""
    one, other = row("control: random", 0.8, 400), row("control: random", 0.9, 600)
    found = merged([one, row("alone", 0.5, 100), other])
    assert [each.name for each in found] == ["control: random", "alone"]
    assert (found[0].quality, found[0].low, found[0].high, found[0].cycles) == pytest.approx((0.85, 0.8, 0.9, 500))


@pytest.fixture
def network() -> Network:
    """Figures of a network, made up."""
    rows = [row("W4A8 dense", 0.9, 520), row("W8A8 dense", 0.9, 1000), row("planes", 0.899, 250)]
    rows += [row("together", 0.85, 200), row("lucky", 0.9, 100)]
    rows += [row("control: zero skipping", 0.9, 600), row("control: random columns", 0.8, 220)]
    return Network(
        name="toy",
        metric="accuracy",
        unit="",
        higher_is_better=True,
        of_float=0.901,
        allowed=0.005,
        limit=0.005,
        static="W4A8",
        base="W8A8",
        lanes={"net": 4},
        static_cycles=500.0,
        base_cycles=1000.0,
        static_row=rows[0],
        rows=rows,
        policies={},
        kept=["W4A8 dense", "planes", "together"],
        fewer=[Count({"net": 2}, "together", 400.0, 2000.0, 1000.0, True)],
    )


def test_judgement(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice looks at the data tuned on; what held-out data says of it is told, good or bad."""
    assert [network.without_loss(one) for one in network.rows] == [True, True, True, False, True, True, False]
    assert network.best.name == "together"
    control = network.best_control
    assert control is not None
    assert control.name == "control: zero skipping"
    monkeypatch.setattr(adaptive_bench, "measure_network", lambda *_: network)
    result = adaptive_bench.run_adaptive(["silero"], lambda _: None, 1.0, 64, tmp_path / "kept")
    assert not result["complete"]
    assert adaptive_bench.run_adaptive([], lambda _: None, 1.0, 64, tmp_path / "kept") == result
    summary = json.loads(json.dumps(result))["summary"]
    assert summary["without_loss"] == 0
    assert summary["geometric_mean_vs_base"] == pytest.approx(5.0)
    assert summary["geometric_mean_vs_static"] == pytest.approx(2.5)
    assert summary["geometric_mean_vs_base_without_loss"] == pytest.approx(10.0)
    text = adaptive_tables.full_text(result)
    assert text.startswith("Measured 20")
    assert "\n- A: 5.00x over eight bits" in text
    assert "\n- B: 2.50x over the best static format" in text
    assert "zero skipping, 1.67x" in text
    told = adaptive_tables.means_text(result)
    assert "**5.00x** over dense steps" in told
    assert "**2.50x** over the cheapest static format; 0 of 1 lose nothing" in told
    assert "10.00x and 5.00x" in told
    assert "| toy | 2 | together | 2000 | 400 | 5.00x | 2.50x | yes |" in text


def test_fewer_lanes_change_cycles_alone(rng: np.random.Generator, network: Network) -> None:
    """The best policy runs on fewer lanes with the same values; engines that have no more lanes are left out."""
    source = random_network(rng, 128, 2)
    x = rng.uniform(-1, 1, (40, 2)).astype(np.float32)
    workload = _Echo("echo", {"net": source}, {"net": [x]}, Metric("mean", "", higher_is_better=True), "", "")
    made = quantised(source, [x], Static(8, 8))
    bed = Bed(workload, {"net": GoldenEngine(made, source, engine_for(made, 64))})
    policies = bed.uniform(Policy(Mode.AUTO, theta_h=1, low_theta_h=8))
    found = reporter(bed)(Wanted("planes", policies))
    described = {"planes": {"net": [describe_policy(one) for one in policies["net"]]}}
    kept = replace(network, lanes={"net": 64}, rows=[found], policies=described, kept=["planes"])
    count = counted(kept, bed, 16)
    assert count is not None
    assert (count.lanes, count.row, count.same_quality) == ({"net": 16}, "planes", True)
    assert count.base_cycles == 4 * bed.ideal_cycles == 2 * count.static_cycles
    assert count.cycles > found.cycles
    assert counted(kept, bed, 64) is None


class _Close(_Echo):
    """An echo with a finer metric."""

    @property
    def closeness(self) -> str:
        """Its name."""
        return "squared"

    def judged(self, split: str, runner: Runner) -> dict[str, Scores]:
        """The mean, and its square."""
        mean = self.evaluate(split, runner)
        return {self.metric.name: mean, self.closeness: Scores(mean.numerator**2, mean.denominator)}


def test_what_counts_as_error(source: FloatNetwork, xs: list[np.ndarray]) -> None:
    metric = Metric("mean", "", higher_is_better=True)
    made = quantised(source, xs, Static(8, 8))
    bed = Bed(
        _Close("echo", {"net": source}, {"net": xs}, metric, "here", "none"),
        {"net": GoldenEngine(made, source, engine_for(made, 4))},
    )
    policies = bed.joined(bed.uniform(Policy()))
    of_h, of_output = (evaluator(bed, closeness)(policies) for closeness in (None, bed.workload.closeness))
    assert of_output == replace(of_h, error=of_output.error)
    means = bed.workload.evaluate("tune", _run(bed))
    assert of_output.error == pytest.approx((means.numerator**2).mean())
    assert of_h.error == pytest.approx(_run(bed, judge=True).error())


def _run(bed: Bed, *, judge: bool = False) -> GoldenRunner:
    """A runner that has begun; that has judged, if wanted."""
    runner = GoldenRunner(bed.engines, cuts=True)
    runner.begin(bed.uniform(Policy()))
    if judge:
        bed.workload.evaluate("tune", runner)
    return runner
