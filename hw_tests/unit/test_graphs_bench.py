"""The bench of whole graphs: what it measures of a graph, that it sees what is wrong, and its page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hw_tests.unit.workload_cases import loaded
from lstmith.cli.main import app
from lstmith.scripts.bench.graphs import bench
from lstmith.scripts.bench.graphs.bench import LIMIT, measure, refusals
from lstmith.scripts.bench.graphs.cases import Case, made_cases
from lstmith.scripts.bench.graphs.demos import write
from lstmith.scripts.bench.graphs.run import run_graphs
from lstmith.scripts.bench.graphs.tables import graph_tables, graphs_text
from lstmith.scripts.bench.stamps import MEASURED
from lstmith.spec.errors import UserError
from lstmith.workloads.japanese_vowels import utterances

PAGE = Path(__file__).resolve().parents[2] / "docs" / "networks.md"
SHOWN = {
    "about": "a GRU", "enters": "12 values", "leaves": "a speaker", "decides": "speakers", "lanes": 9, "target": "b",
    "weight_bits": 8, "steps": 296, "right": 350, "decisions": 370, "answers": 370, "differ": 1,
    "cycles_per_step": 378.3, "sent_per_step": 18.78, "received_per_step": 8.797,
}  # fmt: skip
CASES = {case.name: case for case in made_cases()}
#: Each of the public reports' forms; those of exporters and heads are compared with onnxruntime in other tests.
REPORTED = list(CASES)[list(CASES).index("keras_stack") :]


@pytest.mark.parametrize("name", REPORTED)
def test_graphs_of_public_reports_are_right(tmp_path: Path, name: str) -> None:
    found = measure(CASES[name], tmp_path / "m.onnx")
    assert found["right"]
    assert found["mean_error"] <= LIMIT
    assert found["differ"] == 0
    assert found["reference"] == ("float" if name == "flat_states" else "onnxruntime")
    assert ("dense" in found["layers"]) is CASES[name].head
    assert found["cycles"] > found["steps"] > 0


def test_what_differs_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another network's outputs as the reference: decisions differ, and the graph is not right."""
    case = CASES["crnn"]

    def turned(*given: object) -> dict[str, np.ndarray]:
        return {name: -value for name, value in wanted(*given).items()}  # type: ignore[arg-type]

    wanted = bench.wanted_outputs
    monkeypatch.setattr(bench, "wanted_outputs", turned)
    found = measure(case, tmp_path / "m.onnx")
    assert found["decisions"] == 4 * 2 * 18
    assert found["differ"] > 0
    assert not found["right"]


def test_a_large_error_is_not_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "LIMIT", 1e-9)
    assert not measure(CASES["backwards"], tmp_path / "m.onnx")["right"]


def test_states_are_judged_apart(tmp_path: Path) -> None:
    case: Case = replace(CASES["states_of_bands"], stateful=True)
    found = measure(case, tmp_path / "m.onnx")
    assert found["state_error"] is not None
    assert found["right"]


def test_the_page(tmp_path: Path) -> None:
    made = {name: measure(CASES[name], tmp_path / "m.onnx") for name in ("sentiment", "flat_states")}
    real = {"states": measure(replace(CASES["states_of_bands"], stateful=True), tmp_path / "m.onnx")}
    made["flat_states"]["right"] = False
    refused = refusals(tmp_path / "m.onnx")
    result = {"made": made, "real": real, "refused": refused, MEASURED: {"made": "today"}, "gru": SHOWN}
    tables = graph_tables(result)
    assert [row[0] for row in tables["Forms of exporters and bug reports"][1]] == ["sentiment", "flat_states *"]
    said = {str(row[0]): str(row[2]) for row in tables["Refused"][1]}
    assert said["reset_before"].startswith("m.onnx: GRU 'gru': linear_before_reset is 0")
    text = graphs_text(result)
    assert "2 of 3 are right" in text
    assert "states" in text
    assert "with 0 saturated cell states" in text
    assert "| 350 of 370 speakers | 1 of 370 | 378 | 18.8 | 8.8 |" in text
    with pytest.raises(UserError, match="leaves out 'real', which was not measured yet"):
        graph_tables({"made": made, MEASURED: {}})


def test_an_unknown_part_is_one_line() -> None:
    with pytest.raises(UserError, match="option --part: 'reals' is unknown; use real, made, refused, vowels, gru"):
        run_graphs(print, ["reals"])


def test_the_commands_of_networks_md(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page says of the GRU, on golden: nothing is left to the host, and the speakers are right."""
    loaded("japanese_vowels")
    monkeypatch.chdir(tmp_path)
    write("gru", Path("gru"))
    for command in (
        "compile gru/model.onnx --calibration gru/calibration.npz --target ulx3s-25f --head -o gru-design",
        "run gru-design --input gru/test.npz --engine golden -o gru-out.npz --json gru-run.json",
    ):
        found = CliRunner().invoke(app, command.split())
        assert found.exit_code == 0, found.output
        assert command.replace("golden", "verilator") in PAGE.read_text()
    figures = json.loads(Path("gru-run.json").read_text())
    assert {item["where"] for item in figures["placement"]} == {"core", "folded"}
    with np.load("gru-out.npz") as out, np.load("gru/test.npz") as test:
        speakers = out["verdict"][np.arange(len(test["lengths"])), test["lengths"] - 1]
    assert (speakers == utterances("TEST")[1]).mean() > 0.9


def test_an_unknown_network_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="network 'lstm': is unknown; choose one of vowels, gru, silero, icu_thai"):
        write("lstm", tmp_path / "new")
