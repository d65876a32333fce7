"""Tuning: pieces, split, search space and search."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from hw_tests.unit.networks import random_network
from hw_tests.unit.tuning_cases import UNITS, WIDTH, compiled, tune, walk
from lstmith.campaign import Cluster, Store, open_cluster
from lstmith.cli.main import execute
from lstmith.compiler.design import Design
from lstmith.scripts.bench.adaptive.networks import Static, engine_for, quantised
from lstmith.spec.errors import UserError
from lstmith.spec.monitor_rule import LAG_H, LAG_INPUT
from lstmith.spec.policy import Mode, Monitor, Policy, Rule
from lstmith.spec.policy_check import check_policies
from lstmith.spec.policy_file import load_policy
from lstmith.tuning import trials as measured_trials
from lstmith.tuning.engine import GoldenEngine
from lstmith.tuning.pieces import Recorded, Segment, spans_of
from lstmith.tuning.search import (
    NEIGHBOURS,
    Measured,
    Trial,
    expected_losses,
    fastest,
    neighbours,
    pareto,
    policies_key,
    search,
)
from lstmith.tuning.space import Params, Space
from lstmith.tuning.split import split
from lstmith.tuning.task import Task
from lstmith.tuning.trials import measuring


@pytest.fixture
def design(tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]) -> Path:
    """A small design."""
    found = compiled(tmp_path, rng)
    capsys.readouterr()
    return found


def test_spans_cover_every_step_once(rng: np.random.Generator) -> None:
    """Whatever is cut, each step of each segment counts in one span."""
    segments = [
        Segment(index, int(begin), int(begin + steps))
        for index, (begin, steps) in enumerate(zip(rng.integers(0, 50, 5), rng.integers(1, 3000, 5), strict=True))
    ]
    for cuts in (False, True):
        seen = [np.zeros(segment.end, dtype=int) for segment in segments]
        for span in spans_of(segments, cuts=cuts):
            assert 0 <= span.start <= span.begin < span.end
            seen[span.segment][span.begin : span.end] += 1
        for segment, counts in zip(segments, seen, strict=True):
            assert (counts[: segment.begin] == 0).all()
            assert (counts[segment.begin :] == 1).all()


def test_pieces_agree_with_whole_sequences(design: Path, rng: np.random.Generator) -> None:
    """Cut sequences give nearly the h and the cycles of whole ones; sequences too short to cut give exactly them."""
    made = Design.load(design)
    engine = GoldenEngine(made.network, made.source, made.engine)
    policies = [Policy(Mode.AUTO, theta_h=1, low_theta_x=8, low_theta_h=8)]
    for steps, exact in ((2000, False), (90, True)):
        recorded = Recorded(list(walk(rng, 2, steps)))
        whole, cut = (engine.run(engine.prepared(recorded, cuts=cuts), policies) for cuts in (False, True))
        for one, other in zip(whole.h, cut.h, strict=True):
            assert one.shape == other.shape == (steps, made.network.layers[-1].units)
            assert np.abs(one - other).max() <= (0 if exact else 0.2)
        assert cut.costs.cycles_per_step == pytest.approx(whole.costs.cycles_per_step, rel=0 if exact else 0.02)
        assert len(cut.costs.cycles) == 2 * steps


def test_forced_steps_defer(design: Path, rng: np.random.Generator) -> None:
    """What is decided in the monitor's place is done: the low plane of h waits two steps later, that of x three."""
    made = Design.load(design)
    engine = GoldenEngine(made.network, made.source, made.engine)
    prepared = engine.prepared(Recorded([walk(rng, 80)]), cuts=False)
    decided = rng.random(80) < 0.5
    policies = [Policy(Mode.AUTO, monitor=Monitor(Rule.RATIO, low=0))]
    run = engine.run(prepared, policies, deferred=[decided])
    assert (run.costs.deferred == decided).all()
    waits = np.zeros(80, dtype=bool)
    waits[LAG_INPUT:] = decided[:-LAG_INPUT] & decided[LAG_INPUT - LAG_H : -LAG_H]
    assert 5 < waits.sum() < 40
    assert (run.costs.words[waits, 1] == 0).all()
    assert run.costs.words[~waits, 1].mean() > 1
    passive = engine.run(prepared, policies).costs
    assert not passive.deferred.any()
    assert passive.words[waits, 1].mean() > 1


@pytest.mark.parametrize(("lengths", "kind"), [([400], "time"), ([200, 100], "time"), ([40] * 20, "sequences")])
def test_parts_share_no_step(lengths: list[int], kind: str) -> None:
    """What is held out is in no segment that is tuned on."""
    divided = split(np.array(lengths), "x.npz")
    assert divided.kind == kind
    parts = [
        {(segment.sequence, step) for segment in part for step in range(segment.begin, segment.end)}
        for part in (divided.tune, divided.heldout)
    ]
    assert not parts[0] & parts[1]
    assert len(parts[0] | parts[1]) == sum(lengths)


@pytest.mark.parametrize(("lengths", "per_sequence"), [([40], False), ([500], True), ([3] * 16, False)])
def test_too_little_data_is_refused(lengths: list[int], per_sequence: bool) -> None:
    """One line that names the file."""
    with pytest.raises(UserError, match=r"x\.npz field"):
        split(np.array(lengths), "x.npz", per_sequence=per_sequence)


def test_every_point_of_the_space_is_a_valid_policy(design: Path, rng: np.random.Generator) -> None:
    """Whatever the optimiser proposes can be run, and the known starts keep their meaning."""
    made = Design.load(design)
    space = Space.of(made.network, made.engine, [walk(rng, 200)])
    assert {"theta_x", "low_theta_h", "monitor", "change"} <= space.sizes.keys()
    for _ in range(300):
        params = {name: int(rng.integers(size)) for name, size in space.sizes.items()}
        check_policies(made.network, made.engine, space.policies(params))
    starts = [space.policies(params)[0] for params in space.starts()]
    assert starts[0] == Policy(Mode.AUTO)
    assert Policy(Mode.AUTO, 1, 1, 8, 8) in starts
    assert Policy(Mode.AUTO, monitor=Monitor(Rule.RATIO, low=10)) in starts


@pytest.mark.parametrize("static", [Static(4, 8), Static(8, 16), Static(16, 16)], ids=lambda static: static.name)
def test_every_format_has_its_own_choices(static: Static, rng: np.random.Generator) -> None:
    """Weights without planes have no thresholds of a low one, and fine grids have larger thresholds."""
    made = quantised(random_network(rng, UNITS, WIDTH), list(walk(rng, 2, 60)), static)
    space = Space.of(made, engine_for(made, 2), [walk(rng, 200)])
    assert ("low_theta_x" in space.sizes) == ("monitor" in space.sizes) == (static.weights == 16)
    assert (max(space.ladders["theta_h"]) > 255) == (static.operands == 16)
    for _ in range(100):
        params = {name: int(rng.integers(size)) for name, size in space.sizes.items()}
        check_policies(made, space.config, space.policies(params))
    starts = [space.policies(params)[0] for params in space.starts()]
    assert len(starts) == len(set(starts)) > 4
    if static.weights == 16:
        assert Policy(Mode.AUTO, 16, 16, 2048, 2048) in starts


def test_later_layers_may_stand_apart(rng: np.random.Generator) -> None:
    """Every point of a stack's space is a valid policy, and a later layer's thresholds move on the ladder."""
    source = random_network(rng, UNITS, WIDTH, layers=2)
    made = quantised(source, list(walk(rng, 2, 60)), Static(8, 8))
    space = Space.of(made, engine_for(made, 2), [walk(rng, 200)])
    for _ in range(300):
        params = {name: int(rng.integers(size)) for name, size in space.sizes.items()}
        check_policies(made, space.config, space.policies(params))
    start = space.params(Policy(Mode.AUTO, theta_h=2, low_theta_x=8, low_theta_h=8))
    alike = space.policies(start)
    assert (alike[1].theta_x, alike[1].theta_h) == (2, 2)
    moved = space.policies({**start, "theta_of_layer_1": 6, "low_theta_of_layer_1": 0})
    assert moved[0] == alike[0]
    assert (moved[1].theta_h, moved[1].low_theta_x, moved[1].low_theta_h) == (5, 3, 3)
    # The lowest rung of the low plane is the top plane's threshold.
    common = space.policies(space.params(Policy(Mode.AUTO, theta_h=2)))
    assert [policy.low_theta_h for policy in common] == [None, None]


def test_search_does_not_depend_on_the_workers(design: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    """One worker and two find the same policies in the same order; another seed finds others; nothing is done twice."""
    data = tmp_path / "data.npz"
    np.savez(data, x=walk(rng, 300))
    task = Task.load(design, data, "h_error")
    store = Store(tmp_path / "store.sqlite")

    def found(seed: int, cluster: Cluster | None = None) -> list[Trial]:
        measure = measuring(design, data, "h_error", store=None if cluster else store, cluster=cluster)
        return search(measure, task.space, trials=24, max_loss=0.02, seed=seed)

    first = found(1)
    assert first[0].measured == task.evaluator(task.split.tune, cuts=True)(first[0].policies)
    with open_cluster(2) as cluster:
        assert first == found(1, cluster)
    kept = len(store.collected("lstmith.tuning.trials:tried"))
    assert kept == len(first)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measured_trials, "_evaluate", None)
        assert first == found(1)
    assert first != found(2)


def test_pareto_and_choice() -> None:
    """The Pareto set has no point that another beats, and the choice is its fastest within the loss."""
    trials = [
        Trial([Policy(theta_h=index)], Measured(loss, loss, cycles, loss))
        for index, (cycles, loss) in enumerate([(100, 0.0), (50, 0.2), (60, 0.3), (40, 0.5), (50, 0.1)])
    ]
    front = pareto(trials)
    assert [(one.measured.cycles, one.measured.loss) for one in front] == [(40, 0.5), (50, 0.1), (100, 0.0)]
    best = fastest(trials, 0.16)
    assert best in front
    assert best is not None
    assert best.measured.cycles == 50
    assert fastest(trials, -1.0) is None


def test_luck_is_not_chosen() -> None:
    """A fast policy that lost little by chance is passed over if others with its error lose more."""
    figures = [
        (100.0, 0.0, 0.1),
        (60.0, 0.0, 0.2),
        (50.0, 0.3, 0.3),
        (41.0, 0.5, 0.4),
        (40.0, 0.0, 0.41),
        (30.0, 0.6, 0.5),
    ]
    trials = [
        Trial([Policy(theta_h=index)], Measured(loss, loss, cycles, error))
        for index, (cycles, loss, error) in enumerate(figures)
    ]
    measured = [trial.measured for trial in trials]
    assert expected_losses(measured, 0.0) == pytest.approx([0.0, 0.0, 0.8 / 3, 0.8 / 3, 0.8 / 3, 0.6])
    # The second might have an error of 0.3 on other data.
    assert expected_losses(measured, 1.0) == pytest.approx([0.0, 0.8 / 3, 0.6, 0.6, 0.6, 0.6])
    best = fastest(trials, 0.15)
    assert best is not None
    assert best.measured.cycles == 60


@dataclass
class _Hill:
    """Two ladders and a choice without order; a rung of the second costs a tenth of the error and saves a third."""

    sizes: ClassVar[dict[str, int]] = {"theta_x": 11, "theta_h": 11, "mode": 2}

    def policies(self, params: Params) -> list[Policy]:
        """One layer."""
        return [Policy(Mode.AUTO, theta_x=params["theta_x"], theta_h=params["theta_h"])]

    def starts(self) -> list[Params]:
        """Exact."""
        return [{"theta_x": 0, "theta_h": 0, "mode": 0}]

    def measure(self, several: list[list[Policy]]) -> list[Measured]:
        """Loss and error are the same."""
        found = []
        for (policy,) in several:
            error = 0.010 * policy.theta_x + 0.001 * policy.theta_h
            found.append(Measured(error, error, 1000.0 - 30.0 * policy.theta_x - 10.0 * policy.theta_h, error))
        return found


def test_neighbours_are_a_step_away_and_new(rng: np.random.Generator) -> None:
    """Some rungs up or down, or up one ladder and down another; never twice, never outside, never another mode."""
    hill, params = _Hill(), {"theta_x": 10, "theta_h": 4, "mode": 1}
    moves: set[tuple[int, int]] = set()
    tried: set[str] = set()
    while near := neighbours(params, hill, tried, rng):
        assert len(near) <= NEIGHBOURS
        assert all(each["mode"] == 1 for each in near)
        new = {(each["theta_x"] - 10, each["theta_h"] - 4) for each in near}
        assert not new & moves
        moves |= new
        tried |= {policies_key(hill.policies(each)) for each in near}
    straight = {(0, step) for step in (1, 2, 4, -1, -2, -4)} | {(step, 0) for step in (-1, -2, -4)}
    assert moves == straight | {(-1, 1)}


def test_the_search_reaches_the_limit() -> None:
    """Few trials find the best policy within the loss, where chance would have to be lucky."""
    hill = _Hill()
    # Within the loss, with half as much error again: no rung of the first ladder and six of the second.
    for seed in range(5):
        best = fastest(search(hill.measure, hill, trials=40, max_loss=0.01, seed=seed), 0.01)
        assert best is not None
        assert best.measured.cycles == 940.0


def test_heldout_data_does_not_steer_the_search(
    design: Path, tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    """With other held-out data the same policies are found and chosen; only the figures on them differ."""
    x = walk(rng, 400)
    results, files = [], []
    for noise in (0.0, 0.5):
        other = x.copy()
        other[200:] = np.clip(other[200:] + noise * rng.normal(size=(200, 3)), -1, 1)
        assert tune(tmp_path, design, x=other) == 0
        results.append(json.loads((tmp_path / "r.json").read_text()))
        files.append((tmp_path / "policy.json").read_text())
    one, two = results
    assert files[0] == files[1]
    assert [point["policy"] for point in one["points"]] == [point["policy"] for point in two["points"]]
    assert [point["tune"] for point in one["points"]] == [point["tune"] for point in two["points"]]
    assert one["chosen"]["loss"] != two["chosen"]["loss"]
    assert one["figures_of"] == "heldout"
    assert one["split"] == {"by": "time", "tune_segments": 1, "tune_steps": 200} | {
        "heldout_segments": 1,
        "heldout_steps": 200,
    }
    assert "tuned on 200 steps; the figures are of 200 others" in capsys.readouterr().out


def test_outputs(design: Path, tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]) -> None:
    """The policy can be read back, the Pareto set holds it, and the plot is there."""
    assert tune(tmp_path, design, x=walk(rng, 400)) == 0
    shown = capsys.readouterr().out
    result = json.loads((tmp_path / "r.json").read_text())
    policies = load_policy(tmp_path / "policy.json", 1)
    assert result["chosen"] in result["points"]
    written = json.loads((tmp_path / "policy.json").read_text())
    assert written.pop("generator") == "lstmith tune policy"
    assert written == result["chosen"]["policy"]
    assert len(policies) == 1
    for point in result["points"]:
        assert {"policy", "metric", "loss", "cycles_per_step", "speedup_vs_static"} <= point.keys()
        assert point["speedup_vs_static"] * point["cycles_per_step"] == pytest.approx(result["static_cycles_per_step"])
        tuned, base = point["tune"], result["dense"]["tune"]
        assert tuned["speedup_vs_static"] * tuned["cycles_per_step"] == pytest.approx(base["cycles_per_step"])
    # The base is what the engine takes for dense steps, overhead and all, so that a saving never reads as a loss.
    run = ["run", str(design), "--input", str(tmp_path / "data.npz"), "--engine", "golden"]
    (tmp_path / "dense.json").write_text(json.dumps(result["dense"]["policy"]))
    outputs = ["-o", str(tmp_path / "y.npz"), "--json", str(tmp_path / "run.json")]
    assert execute([*run, "--policy", str(tmp_path / "dense.json"), *outputs]) == 0
    own = json.loads((tmp_path / "run.json").read_text())["cycles_per_step"]
    assert result["dense"]["cycles_per_step"] == result["static_cycles_per_step"] == pytest.approx(own, rel=0.01)
    assert result["static_cycles_per_step"] > result["ideal_cycles_per_step"]
    assert result["dense"]["speedup_vs_static"] == 1.0
    assert re.search(r"^ *dense .* 1\.00x", shown, re.MULTILINE)
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
