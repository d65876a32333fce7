"""The speed bench: what it measures without tools, what it keeps, and that its check can fail."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmith.boards.catalogue import find_board
from lstmith.cli.main import execute
from lstmith.compiler import compile_model
from lstmith.compiler.data import Sequences
from lstmith.golden.cycles import dense_breakdown
from lstmith.host.request import make_request
from lstmith.host.run import run_golden
from lstmith.scripts.bench import clocks
from lstmith.scripts.bench.blank import blank_network
from lstmith.scripts.bench.perf import history as perf_history
from lstmith.scripts.bench.perf import peer_creator
from lstmith.scripts.bench.perf import run as perf_run
from lstmith.scripts.bench.perf.bench import SHAPES, Shape, _dense_cycles
from lstmith.scripts.bench.perf.board import MODES
from lstmith.scripts.bench.perf.clock import ENGINES, chosen_engines
from lstmith.scripts.bench.perf.history import load_history, merged, record, regressions
from lstmith.scripts.bench.perf.memory import memory_figures
from lstmith.scripts.bench.perf.onnxruntime_time import step_time
from lstmith.scripts.bench.perf.scaling import grid_point
from lstmith.scripts.bench.perf.scaling_figure import scaling_figure
from lstmith.scripts.bench.perf.tables import perf_tables, perf_text
from lstmith.scripts.bench.silero import POLICIES
from lstmith.spec.codes import Kind
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Policy

OURS = {
    "cycles_per_step": 430,
    "ideal": 420,
    "luts": 2000,
    "carries": 400,
    "lut_rams": 10,
    "ffs": 2500,
    "brams": 20,
    "dsps": 9,
    "logic": 2840,
    "mhz": {"1": 120.0},
    "median_mhz": 120.0,
    "us_per_step": 430 / 120,
}
RESULT: dict[str, Any] = {
    "cycles": {
        "H=20 I=1, 4 MACs": {
            "cycles_per_step": 433.0,
            "ideal": 420,
            "utilisation": 0.97,
            "spent": {"list entries": 420.0, "waiting for h": 13.0},
            "cycles_per_step_in_turn": 420.0,
            "utilisation_in_turn": 1.0,
            "spent_in_turn": {"list entries": 420.0},
        }
    },
    "silero": {
        "modes": {"delta": {"cycles_per_step": 539.25, "utilisation": 0.9995, "spent": {"list entries": 539.0}}},
        "compile_and_generate_seconds": 10.0,
        "simulated_cycles_per_second": 4e5,
    },
    "lanes": {"{8}": {"logic": 148.0, "luts": 52.0, "carries": 48.0, "lut_rams": 0.0, "ffs": 294.0, "dsps": 2.0}},
    "onnxruntime_us": {"silero": {"silero": 80.0}},
    "peers": {"rows": {"lstmith, 8 bit": OURS}, "missing": "GHDL is not installed: run apt-get install ghdl"},
}
OPTION = {name: OURS[name] for name in ("luts", "carries", "lut_rams", "ffs", "dsps", "brams", "cycles_per_step")}
RESULT["options"] = {
    "ecp5": {
        "least": {**OPTION, "logic": 3000},
        "delta": {**OPTION, "logic": 3500, "added": 500, "to": "least"},
    },
    "ice40": {"least": {"luts": 2560, "carries": 663, "ffs": 2190, "dsps": 6, "brams": 22}},
}
PEER = {**OURS, "cycles_per_step": 891}


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(perf_history, "HISTORY", tmp_path / "perf.json")
    return tmp_path / "perf.json"


def _worse() -> dict[str, Any]:
    worse = copy.deepcopy(RESULT)
    worse["silero"]["modes"]["delta"]["cycles_per_step"] += 0.01
    worse["lanes"]["{8}"]["logic"] *= 1.06
    worse["peers"]["rows"]["lstmith, 8 bit"]["logic"] += 100
    worse["options"]["ecp5"]["delta"]["logic"] += 200
    worse["options"]["ecp5"]["least"]["cycles_per_step"] += 1
    return worse


def test_small_dense_network(tmp_path: Path) -> None:
    found = _dense_cycles(SHAPES[0], tmp_path)
    assert found["ideal"] == 420
    assert 420 <= found["cycles_per_step"] <= 435
    assert sum(found["spent"].values()) == found["cycles_per_step"]
    assert found["spent"]["list entries"] == 420
    assert found["cycles_per_step_in_turn"] == 422
    assert found["spent_in_turn"] == {"list entries": 420, "beginning a pass": 2}


def test_other_kinds_keep_the_array_busy(tmp_path: Path) -> None:
    """A GRU takes what an LSTM does: of work a third more than its three gates ideally would."""
    lstm, gru, plain = (_dense_cycles(Shape(128, 128, 64, kind), tmp_path) for kind in (Kind.LSTM, Kind.GRU, Kind.RNN))
    assert [each["ideal"] for each in (lstm, gru, plain)] == [1024, 768, 256]
    assert gru["spent"]["list entries"] == 4 / 3 * gru["ideal"] >= 0.95 * gru["cycles_per_step"]
    assert gru["cycles_per_step"] == lstm["cycles_per_step"] > plain["cycles_per_step"]


def test_dense_steps_without_numbers_take_what_golden_says(tmp_path: Path, rng: np.random.Generator) -> None:
    steps, units, inputs = 7, int(rng.integers(3, 30)), int(rng.integers(1, 20))
    model, data = tmp_path / "dense.npz", tmp_path / "x.npz"
    w_ih, w_hh = (rng.normal(0, 0.3, (4 * units, columns)) for columns in (inputs, units))
    bias = np.zeros(4 * units)
    np.savez(model, W_ih=w_ih, W_hh=w_hh, b_ih=bias, b_hh=bias)
    x = rng.normal(0, 1, (steps, inputs)).astype(np.float32)
    np.savez(data, x=x)
    design = compile_model(model, data, lanes=int(rng.integers(1, units)), target="generic")
    sequences = Sequences(x[None], np.array([steps]), False, None, str(data))
    run = run_golden(make_request(design, sequences, [Policy(Mode.DENSE)]))
    breakdown = dense_breakdown(blank_network([(units, inputs)], planes=design.engine.planes), design.engine, steps)
    np.testing.assert_array_equal(breakdown.cycles, run.cycles)
    assert run.breakdown is not None
    np.testing.assert_array_equal(breakdown.spent, run.breakdown.spent)


def test_scaling_study() -> None:
    board = find_board("ulx3s-85f")
    grid = [grid_point(units, lanes, board) for units, lanes in ((8, 1), (8, 8), (1024, 64))]
    assert [point["fits"] for point in grid] == [True, True, False]
    # Every fold of digits waits for its sums.
    assert grid[2]["cycles_per_step"] == 16 * (2 * 2048 + 2)
    assert grid[1]["utilisation"] < grid[0]["utilisation"] < grid[2]["utilisation"] < 1
    names = ("logic", "logic_estimated", "dsps", "dsps_estimated", "brams", "brams_estimated")
    study = {"grid": grid, "points": [{"units": 8, "lanes": 1, **dict.fromkeys(names, 7)}]}
    assert "| 1024 | - | - | 65,568 (100.0%) * |" in perf_text({"scaling": study})
    figure = scaling_figure(study)
    panels: Any = figure.axes
    cycles, logic = panels
    assert [text.get_text() for text in cycles.texts] == ["1 lane", "8 lanes", "64 lanes"]
    hollow = [line.get_ydata().tolist() for line in cycles.lines if line.get_markerfacecolor() == "white"]
    assert hollow == [[grid[2]["cycles_per_step"]]]
    estimated, measured = logic.lines
    assert estimated.get_ydata().tolist() == [point["luts"] for point in grid]
    assert measured.get_ydata().tolist() == [7]
    assert len(figure.legends) == 1


def test_silero_is_measured_with_policies_that_there_are() -> None:
    assert set(MODES) <= set(POLICIES)


def test_a_step_on_the_board() -> None:
    cycles = {"dense": {"streamed": 600.0, "alone": 900.0, "alone_max": 1200, "spent": {"waiting for x": 147.0}}}
    board = {
        "onnxruntime_us": 12.0,
        "frames": 1000,
        "decisions": {"dense": 2},
        "engines": {"64 lanes": {"mhz": {"board": 75.0, "measured": 100.0}, "cycles": cycles}},
    }
    text = perf_text({"silero": {**RESULT["silero"]}, "board": board})
    assert "| Silero VAD, 64 lanes, dense, each step alone |" in text
    assert "| 64 lanes | dense | 0.200% | 75.0 | 600 | 8.00 | 900 | 12.00 | 16.00 | 1.00x |" in text
    assert "| 64 lanes | dense | 0.200% | 100.0 | 600 | 6.00 | 900 | 9.00 | 12.00 | 1.33x |" in text


def test_a_clock_to_count_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "RECORD", tmp_path / "clocks.json")
    clocks.RECORD.write_text('{"an engine": {"1": {"mhz": 100.0}, "2": {"mhz": 120.0}, "3": {"mhz": 90.0}}}')
    assert clocks.median_clock("an engine") == pytest.approx(90.0)
    with pytest.raises(UserError, match="lstmith bench clocks --only 'no row'"):
        clocks.median_clock("no row")


def test_float_step_takes_time() -> None:
    assert 0 < step_time(3, 5) < 1e4


def test_memory_that_a_last_fold_wastes() -> None:
    figures = memory_figures([(23, 16)], "icebreaker")
    assert figures is not None
    assert (figures["lanes"], figures["waste"]) == (4, pytest.approx(1 / 24))
    assert memory_figures([(512, 512)], "icebreaker") is None


def test_history_and_check(history: Path) -> None:
    assert load_history() == {"latest": {}, "runs": []}
    record(RESULT)
    record({"lanes": RESULT["lanes"]})
    record({"onnxruntime_us": RESULT["onnxruntime_us"]})
    kept = load_history()
    assert [run["parts"] for run in kept["runs"]] == [list(RESULT), ["lanes"]]
    assert kept["latest"]["cycles"] == RESULT["cycles"]
    assert list(regressions(RESULT, kept["latest"])) == []
    assert list(regressions({"lanes": RESULT["lanes"]}, kept["latest"])) == []
    found = [line.split(": ")[0] for line in regressions(_worse(), kept["latest"])]
    assert found == ["Silero, delta", "options, least", "lane {8}", "options, delta"]
    for text, request in (("[", "is not JSON"), ("[]", "holds no runs")):
        history.write_text(text)
        with pytest.raises(UserError, match=rf"perf\.json: {request}"):
            load_history()


def test_a_peer_that_cannot_be_measured_stays() -> None:
    before = {"peers": {"rows": {"peer": PEER, "lstmith, 8 bit": PEER}, "missing": None}}
    found = merged(before, {"peers": RESULT["peers"]}, "2026-01-02")
    assert found["peers"]["rows"] == {"peer": PEER, "lstmith, 8 bit": OURS}
    assert found["measured"] == {"peers": "2026-01-02"}


def test_the_clock_of_another_engine_stays() -> None:
    old, new = ({"mhz": {"1": mhz}, "median_mhz": mhz} for mhz in (100.0, 120.0))
    found = merged({"clock": {"a": old, "b": old}}, {"clock": {"b": new}}, "2026-01-02")
    assert found["clock"] == {"a": old, "b": new}
    assert chosen_engines(None) == tuple(ENGINES)
    first, *_, last = ENGINES
    assert chosen_engines([last, first]) == (first, last)


def test_check_as_a_command(
    history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [RESULT]
    monkeypatch.setattr(perf_run, "run_perf", lambda parts, cache, engines: {part: found[0][part] for part in parts})
    page = tmp_path / "page.md"
    page.write_text("<!-- bench:perf begin -->\n<!-- bench:perf end -->\n")
    common = ["bench", "perf", "--json", str(tmp_path / "p.json"), "--document", str(page)]
    parts = [text for part in RESULT for text in ("--part", part)]
    assert execute([*common, *parts, "--check"]) == 2
    assert "holds no run to compare with" in capsys.readouterr().err
    assert execute([*common, *parts]) == 0
    assert "| lstmith, 8 bit | 430 |" in page.read_text()
    assert execute([*common, *parts, "--check"]) == 0
    found[0] = _worse()
    before = history.read_bytes()
    capsys.readouterr()
    assert execute([*common, "--part", "lanes", "--check"]) == 1
    assert "lane {8}: 156.88 cells of logic, recorded are 148" in capsys.readouterr().out
    assert history.read_bytes() == before
    assert execute([*common, "--part", "speed"]) == 2
    assert execute([*common, "--part", "clock", "--engine", "9 lanes"]) == 2
    assert "option --engine: '9 lanes' is unknown" in capsys.readouterr().err
    assert execute(["bench", "area", "--part", "lanes"]) == 2
    assert "option --part: is not for area" in capsys.readouterr().err


def test_text_says_what_was_not_measured() -> None:
    result = {**RESULT, "measured": {"cycles": "2026-01-02", "lanes": "2026-01-01"}}
    text = perf_text(result)
    assert "could not be measured (GHDL is not installed: run apt-get install ghdl)" in text
    assert "Measured 2026-01-02: cycles; 2026-01-01: lanes." in text
    assert "quoted, not measured here" in text
    assert "| delta | 500 | least | 3500 | 2000 |" in text
    assert "| least | 2560 | 663 | 2190 | 6 | 22 |" in text
    assert "clock" not in perf_tables(result)
    cycles = text.split("Runs that spend every cycle on work are left out:")[1].split("Area")[0]
    assert "| H=20 I=1, 4 MACs | 420.00 | 13.00 |" in cycles
    assert "two sequences" not in cycles


def test_what_a_peer_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert peer_creator.missing() == "elastic-ai.creator is not installed: run pip install 'lstmith[peers]'"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.1")
    assert str(peer_creator.missing()).startswith("elastic-ai.creator is 0.1 instead of")
    monkeypatch.setattr("importlib.metadata.version", lambda name: peer_creator.VERSION)
    monkeypatch.setenv("PATH", "")
    assert peer_creator.missing() == "GHDL is not installed: run apt-get install ghdl"


@pytest.mark.skipif(peer_creator.missing() is not None, reason="the peer is not installed")
def test_cycles_of_the_peer(tmp_path: Path) -> None:
    peer_creator.generate(20, 1, tmp_path / "peer")
    assert peer_creator.cycles_per_step(tmp_path / "peer") == 891
    assert "module lstm_cell" in peer_creator.verilog(tmp_path / "peer").text
