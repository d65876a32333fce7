"""The bench of training: the same training for policies, static formats, and every way to skip."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.unit.networks import random_network
from lstmith.cli.main import execute
from lstmith.golden.network import padded, run_float
from lstmith.scripts.bench.adaptive import rows as adaptive_rows
from lstmith.scripts.bench.adaptive import search as adaptive_search
from lstmith.scripts.bench.adaptive.networks import Static
from lstmith.scripts.bench.adaptive.search import Bed
from lstmith.spec.policy import Mode, Policy, Skip
from lstmith.workloads.workload import Metric, Runner, Scores, Workload

NETWORK, STEPS = "net", 48


class _Following(Workload):
    """A network that is judged by how far its h is from float's."""

    def evaluate(self, split: str, runner: Runner) -> Scores:
        """One unit per sequence."""
        xs = self.inputs(split)[NETWORK]
        wanted = run_float(self.networks[NETWORK], padded(xs)[0]).h[-1]
        h = runner.sequences(NETWORK, xs)
        errors = [np.abs(one - row[: len(one)]).mean() for one, row in zip(h, wanted, strict=True)]
        # Float itself is exactly right, so that what is allowed is absolute.
        return Scores(np.array([round(float(each), 5) for each in errors]), np.ones(len(errors)))

    def inputs(self, split: str) -> dict[str, list[np.ndarray]]:
        """The same for all."""
        return self.calibration


@pytest.fixture
def workload() -> Workload:
    """Slow inputs, of which a part of the steps is not worth computing."""
    rng = np.random.default_rng(8)
    xs = [
        np.cumsum(rng.normal(0, 0.2, (STEPS, 4)) * (rng.random((STEPS, 1)) < 0.6), axis=0).astype(np.float32)
        for _ in range(16)
    ]
    source = random_network(rng, 8, 4)
    return _Following(
        NETWORK, {NETWORK: source}, {NETWORK: xs}, Metric("error", "", higher_is_better=False), "here", "none"
    )


def test_without_torch_it_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *rest: None if name == "torch" else found(name, *rest))
    assert execute(["bench", "trained"]) == 2
    assert "pip install 'lstmith[torch]'" in capsys.readouterr().err


torch = pytest.importorskip("torch", reason="training needs the extra torch")
from lstmith.scripts.bench.trained import bench, skips  # noqa: E402
from lstmith.scripts.bench.trained.skips import NONE, RULE, SHARE, measure_skips, periodic, random_steps  # noqa: E402
from lstmith.scripts.bench.trained.tables import trained_tables, trained_text  # noqa: E402
from lstmith.scripts.bench.trained.training import Course, Teacher  # noqa: E402
from lstmith.training.finetune import Settings  # noqa: E402

SHOWN = {"metric": "error", "unit": "", "base_cycles": {}, "static_cycles": {}, "rows": []}
COURSE = Course(16, 48, Settings(epochs=6, batch=8, rate=1.0, quiet=True))


@pytest.fixture(autouse=True)
def _small(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    for module in (bench, adaptive_search):
        monkeypatch.setattr(module, "load", lambda name: workload)
    monkeypatch.setattr(bench, "TRIALS", {NETWORK: 8})
    gently = replace(COURSE, settings=replace(COURSE.settings, rate=0.2, epochs=10))
    monkeypatch.setattr(bench, "COURSES", {NETWORK: gently})
    monkeypatch.setattr(bench, "ABSOLUTE", 0.004)
    monkeypatch.setattr(bench, "REACH", 6.0)
    monkeypatch.setattr(skips, "SEEDS", (1,))
    assert adaptive_rows.BOOTSTRAP_SEED == 1


def test_everything_is_measured(tmp_path: Path) -> None:
    result = bench.run_trained([NETWORK], lambda text: None, tmp_path)
    (found,) = result["networks"]
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["W4A8 dense, trained"]["error"] <= rows["W4A8 dense"]["error"]
    reached = "planes that are trained for"
    assert rows[f"{reached}, after"]["error"] != rows[f"{reached}, before"]["error"]
    assert rows[f"{reached}, after"]["policies"] == rows[f"{reached}, before"]["policies"]
    assert rows["planes, trained"]["cycles"].keys() == found["base_cycles"].keys()
    # What lost something was trained, what did not was not, and the first that lost nothing ends the list.
    assert set(found["efforts"]) == {"planes", "W4A8"}
    statics = [name for name in rows if name.startswith("W")]
    assert [rows[name]["kept"] for name in statics] == [False] * (len(statics) - 1) + [True]
    assert found["static"] == statics[-1]
    assert found["efforts"]["planes"]["losses"][1] < found["efforts"]["planes"]["losses"][0]
    for effort in found["efforts"].values():
        assert 0 < effort["near"] <= effort["minutes"]
    assert json.dumps(bench.run_trained([], lambda text: None, tmp_path)) == json.dumps(result)
    assert "W4A8 dense, trained" in trained_text(result)


def test_skips_are_trained_and_compared_at_one_share(workload: Workload) -> None:
    bed = Bed.build(NETWORK, Static(8, 8))
    teacher = Teacher(workload, COURSE)
    found = measure_skips(bed, teacher, bed.uniform(Policy(Mode.DELTA, 2, 2, 8, 8)), 0.01, lambda text: None)
    rows = {(row["base"], row["trained"], row["name"]): row for row in found["rows"]}
    assert len(rows) == 2 * 2 * 4
    columns, shown = trained_tables({"networks": [{"name": NETWORK, "skips": found, **SHOWN}]})[f"{NETWORK}, skips"]
    assert shown[0][columns.index("fewer cycles")] == "1.00x"
    assert [row[columns.index("skips")] for row in shown[:4]] == [NONE, RULE, "random, seed 1", "periodic"]
    for (base, trained, name), row in rows.items():
        assert row["skipped"] == (0 if name == NONE else pytest.approx(rows[base, trained, RULE]["skipped"], abs=0.06))
        assert (row["delta_cycles"] is None) == (base == "planes")
        if base == "dense":
            assert row["delta_cycles"] < row["cycles"]
        if name != NONE:
            assert row["cycles"] < rows[base, trained, NONE]["cycles"]
        if name == RULE:
            assert row["worse_than_rule"] == [0, 0, 0]
    assert rows["dense", True, RULE]["quality"] < rows["dense", False, RULE]["quality"]
    assert rows["planes", False, NONE]["cycles"] < rows["dense", False, NONE]["cycles"]


def test_hints_keep_their_share_and_are_never_two_in_a_row() -> None:
    for share, marks in ((0.4, random_steps(3, 0.4)(200, 200)), (SHARE, periodic()(3, 200))):
        assert marks.mean() == pytest.approx(share, abs=0.01)
        assert not (marks[:, 1:] & marks[:, :-1]).any()
        assert not marks[:, 0].any()


def test_a_skip_that_is_told_is_in_the_forward_pass(workload: Workload) -> None:
    bed = Bed.build(NETWORK, Static(8, 8))
    policies = {NETWORK: [Policy(Mode.DENSE, skip=Skip(hints=True))]}
    teacher = Teacher(workload, replace(COURSE, settings=replace(COURSE.settings, epochs=1)))
    _, told = teacher.taught(bed, policies, random_steps(1))
    _, plain = teacher.taught(bed, policies)
    assert told.losses[0] > 1.05 * plain.losses[0]
