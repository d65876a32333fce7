"""The commands on a small network: what they write, and that engines agree."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmith.cli.main import execute
from lstmith.compiler import compile_model
from lstmith.compiler.program_image import build_memory_image
from lstmith.flow.tools import find_tool
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Policy
from lstmith.spec.quantised import QuantNetwork

WIDTH, UNITS, LAYERS = 3, 5, 2
SHAPES = {
    "h": ((UNITS,), "float32"),
    "h_int": ((UNITS,), "int16"),
    "c_int": ((UNITS,), "int32"),
    "precision": ((LAYERS,), "int8"),
    "skipped": ((LAYERS,), "bool"),
    "active": ((LAYERS,), "int32"),
    "columns": ((LAYERS,), "int32"),
    "restart": ((LAYERS,), "bool"),
    "columns_by_precision": ((LAYERS, 3), "int32"),
    "words_by_plane": ((LAYERS, 2), "int32"),
    "cycles": ((), "int64"),
}
FIGURES = (
    "engine steps cycles cycles_per_step cycles_p99 cycles_max predicted_cycles utilisation mismatches max_abs_error "
    "mean_abs_error seconds cycles_per_second"
)
COUNTERS = "words_4 words_8 words_16 weight_bits skipped_steps restarts macs_4 macs_8 macs_16"


def run(*arguments: object) -> None:
    """A command that must succeed."""
    assert execute([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A design of two layers, and inputs: two sequences of different lengths with initial states."""
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(int(os.environ["LSTMITH_SEED"]))
    model: dict[str, Any] = {}
    for layer in range(LAYERS):
        inputs = WIDTH if layer == 0 else UNITS
        shapes = {"W_ih": (4 * UNITS, inputs), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
        model |= {f"l{layer}_{name}": rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    np.savez(folder / "model.npz", **model)
    x = rng.normal(0, 1, (2, 40, WIDTH)).astype(np.float32)
    np.savez(folder / "calibration.npz", x=x)
    states: dict[str, Any] = {
        f"{kind}_l{layer}": rng.uniform(-0.9, 0.9, (2, UNITS)) for kind in ("h0", "c0") for layer in range(LAYERS)
    }
    np.savez(folder / "x.npz", x=x[:, :6], lengths=np.array([6, 4]), **states)
    np.savez(folder / "one.npz", x=x[0, [0, 1, 2, 2, 3]])  # one step repeats, so a delta step is shorter
    model_file, data = folder / "model.npz", folder / "calibration.npz"
    run("compile", model_file, "--calibration", data, "--target", "generic", "--lanes", 2, "-o", folder / "design")
    return folder


def run_engine(folder: Path, engine: str, data: str, *more: object) -> tuple[dict[str, np.ndarray], dict]:
    """Y.npz and R.json of an engine."""
    output, figures = folder / f"y_{engine}.npz", folder / f"r_{engine}.json"
    run("run", folder / "design", "--input", folder / data, "--engine", engine, "-o", output, "--json", figures, *more)
    with np.load(output) as arrays:
        return dict(arrays), json.loads(figures.read_text())


@pytest.mark.parametrize("engine", ["float", "golden"])
@pytest.mark.parametrize(("data", "leading"), [("x.npz", (2, 6)), ("one.npz", (5,))])
def test_results_have_the_agreed_form(folder: Path, engine: str, data: str, leading: tuple[int, ...]) -> None:
    arrays, figures = run_engine(folder, engine, data)
    assert {name: (array.shape, array.dtype.name) for name, array in arrays.items()} == {
        name: (leading + shape, kind) for name, (shape, kind) in SHAPES.items()
    }
    assert set(FIGURES.split()) <= set(figures)
    assert figures["engine"] == engine
    assert figures["mismatches"] == (None if engine == "float" else 0)


def test_golden_is_near_float_also_from_given_states(folder: Path) -> None:
    golden, figures = run_engine(folder, "golden", "x.npz")
    wanted, _ = run_engine(folder, "float", "x.npz")
    error = np.abs(golden["h"] - wanted["h"])
    assert 0 < error.max() < 0.1
    assert figures["max_abs_error"] == pytest.approx(error.max(), rel=1e-5)
    assert figures["steps"] == 10
    assert figures["cycles"] == golden["cycles"].sum() == figures["predicted_cycles"] == sum(figures["spent"].values())
    assert not golden["h_int"][1, 4:].any(), "steps after the end are zero"


@pytest.mark.parametrize("engine", ["icarus", "verilator"])
def test_simulated_core_equals_golden(folder: Path, engine: str) -> None:
    golden, _ = run_engine(folder, "golden", "x.npz")
    simulated, figures = run_engine(folder, engine, "x.npz")
    for name, array in golden.items():
        np.testing.assert_array_equal(simulated[name], array, name)
    assert figures["mismatches"] == figures["cycle_mismatches"] == 0
    assert 0 < figures["utilisation"] < 1


def test_policy_changes_what_is_listed_but_not_h(folder: Path) -> None:
    (folder / "dense.json").write_text('{"mode": "dense"}')
    delta, _ = run_engine(folder, "golden", "one.npz")
    dense, figures = run_engine(folder, "golden", "one.npz", "--policy", folder / "dense.json")
    np.testing.assert_array_equal(dense["h_int"], delta["h_int"])
    assert dense["restart"].all()
    assert dense["columns"].sum() > delta["columns"].sum()
    assert [policy["mode"] for policy in figures["policy"]] == ["dense"] * LAYERS


def hinted(folder: Path) -> tuple[str, str, Path]:
    """A run that uses most of what policies offer: name of the inputs, and the policy as options."""
    content = {
        "mode": "auto",
        "low_theta_h": 3,
        "monitor": {"rule": "count", "low": 1000, "warmup": 2},
        "skip": {"hints": True, "change": 1},
    }
    (folder / "mix.json").write_text(json.dumps(content))
    with np.load(folder / "one.npz") as one:
        np.savez(folder / "hinted.npz", x=one["x"], hint=np.array([True, False, True, False, False]))
    return "hinted.npz", "--policy", folder / "mix.json"


@pytest.mark.parametrize("engine", ["icarus", "verilator"])
def test_simulated_core_follows_a_policy_as_golden_does(folder: Path, engine: str) -> None:
    data, *policy = hinted(folder)
    golden, _ = run_engine(folder, "golden", data, *policy)
    simulated, figures = run_engine(folder, engine, data, *policy)
    for name, array in golden.items():
        np.testing.assert_array_equal(simulated[name], array, name)
    assert figures["mismatches"] == figures["cycle_mismatches"] == 0
    assert figures["skipped_steps"] > 0


def test_policy_mixes_precisions_and_follows_hints(folder: Path) -> None:
    data, *policy = hinted(folder)
    arrays, figures = run_engine(folder, "golden", data, *policy)
    assert arrays["skipped"].all(axis=1).tolist() == [False, False, True, False, False], "never the first step"
    np.testing.assert_array_equal(arrays["h_int"][2], arrays["h_int"][1])
    assert not arrays["precision"][2].any()
    assert not arrays["columns"][2].any()
    assert (arrays["active"] == UNITS).all()
    assert arrays["precision"][0].tolist() == [8, 8]
    assert arrays["precision"][-1].tolist() == [4, 4], "quiet whatever the cell does"
    np.testing.assert_array_equal(arrays["columns_by_precision"].sum(axis=-1), arrays["columns"])
    assert figures["policy"][0]["monitor"]["warmup"] == 2
    assert figures["skipped_steps"] == 1
    assert figures["restarts"] == arrays["restart"].sum()
    assert set(COUNTERS.split()) <= set(figures)
    assert figures["words_4"] > 0
    assert figures["weight_bits"] == 16 * 2 * (figures["words_4"] + figures["words_8"] + figures["words_16"])
    energy = figures["energy"]
    parts = ("memory_pj", "mac_pj", "cell_pj", "control_pj")
    assert energy["total_pj"] == pytest.approx(sum(energy[part] for part in parts))
    _, other = run_engine(folder, "golden", data, *policy, "--energy", "dram-45nm")
    assert other["energy"]["memory_pj"] == pytest.approx(130 * energy["memory_pj"])


def test_planes_can_be_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, data = folder / "model.npz", folder / "calibration.npz"
    capsys.readouterr()
    for asked, planes, told in (("1", 1, "none"), ("auto", 2, "l0 in 2 digits of 4 bits, l1 in 2 digits of 4 bits")):
        design, figures = folder / asked, folder / f"{asked}.json"
        options = ("--target", "generic", "--planes", asked, "--json", figures)
        run("compile", model, "--calibration", data, *options, "-o", design)
        assert capsys.readouterr().out.split("digit planes for policies: ")[1].splitlines()[0] == told
        described, engine = (json.loads((design / f"{name}.json").read_text()) for name in ("design", "engine"))
        assert json.loads(figures.read_text())["planes"] == [planes] * LAYERS
        assert [layer["planes"] for layer in described["layers"]] == [planes] * LAYERS
        assert (engine["planes"], engine["monitor"]) == (planes, planes == 2)


def test_kinds_of_multiplier_are_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, data, design = folder / "model.npz", folder / "calibration.npz", folder / "compared"
    capsys.readouterr()
    run("compile", model, "--calibration", data, "--target", "ulx3s-45f", "--mac", "auto", "-o", design)
    printed = capsys.readouterr().out
    for word in ("Candidates", "ns per step", "digit", f"{UNITS} dsp lanes on ulx3s-45f"):
        assert word in printed
    candidates = json.loads((design / "design.json").read_text())["report"]["sizing"]["candidates"]
    assert {found["mac"] for found in candidates} == {"dsp", "digit"}
    run("report", design, "-o", folder / "compared.html")
    assert "Engines compared" in (folder / "compared.html").read_text()


def test_verilog_is_the_same_every_time_and_described(folder: Path) -> None:
    for name in ("a.v", "b.v"):
        run("generate", folder / "design", "-o", folder / name)
    text = (folder / "a.v").read_bytes()
    assert text == (folder / "b.v").read_bytes()
    run("generate", folder / "design", "-o", folder / "empty.v", "--no-image")
    assert text != (folder / "empty.v").read_bytes()
    described = json.loads((folder / "a.json").read_text())
    header = text.decode().split("module lstmith_core(")[1].split(")")[0]
    assert {port["name"] for port in described["ports"]} == {name.strip() for name in header.split(",")}
    assert described["parameters"]["lanes"] == 2
    assert "engine/array/lane_1" in described["names"]


@pytest.mark.parametrize("bus", ["axi", "wishbone"])
def test_verilog_with_a_bus(folder: Path, bus: str) -> None:
    """The description names every port, register and memory of it, and lint is content."""
    run("generate", folder / "design", "-o", folder / "bus.v", "--bus", bus, "--name", "other")
    described = json.loads((folder / "bus.json").read_text())
    header = (folder / "bus.v").read_text().split("module other(")[1].split(")")[0]
    assert {port["name"] for port in described["ports"]} == {name.strip() for name in header.split(",")}
    assert described["bus"] == bus
    assert described["clock"] in header
    assert described["reset"]["port"] in header
    assert {"irq_status", "version"} <= set(described["registers"])
    assert [each["address"] for each in described["register_map"]] == list(described["registers"].values())
    assert {each["name"] for each in described["memory_map"]} | {"control"} == set(described["regions"])
    command = ["verilator", "--lint-only", "-Wall", "--top-module", "other", str(folder / "bus.v")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("output", ["-o", "--package"])
def test_an_unknown_bus(folder: Path, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert execute(["generate", str(folder / "design"), output, str(folder / "none.v"), "--bus", "avalon"]) == 2
    told = "lstmith: option --bus: 'avalon' is unknown; use one of native, axi, wishbone\n"
    assert capsys.readouterr().err == told
    assert not (folder / "none.v").exists()


@pytest.mark.drawn(2)
@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--mac", "digit"),
        ("--no-delta",),
        ("--sequences", "2"),
        ("--target", "ulx3s-85f"),
        ("--target", "icebreaker"),
    ],
    ids=" ".join,
)
def test_verilog_passes_lint(folder: Path, options: tuple[str, ...]) -> None:
    design = folder / "design"
    if options:
        model, data, design = folder / "model.npz", folder / "calibration.npz", folder / "other"
        run("compile", model, "--calibration", data, "--lanes", 2, "--target", "generic", *options, "-o", design)
    run("generate", design, "-o", folder / "lint.v")
    command = [
        "verilator",
        "--lint-only",
        "-Wall",
        "--top-module",
        "lstmith_core",
        str(folder / "lint.v"),
        *map(str, folder.glob("lint_cells.v")),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_report_holds_its_figures(folder: Path) -> None:
    run_engine(folder, "golden", "x.npz")
    run("report", folder / "design", "-o", folder / "report.html", "--run", folder / "r_golden.json")
    page = (folder / "report.html").read_text()
    assert "data:image/png;base64," in page
    for word in ("Number formats", "weight_depth", "r_golden", "cycles per step"):
        assert word in page
    assert "http" not in page


def test_boards_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    run("boards")
    listed = capsys.readouterr().out
    assert "ulx3s-85f" in listed
    assert "icebreaker" in listed


def test_program_starts_from_the_shell() -> None:
    done = subprocess.run([find_tool("lstmith"), "--help"], capture_output=True, text=True, check=True)
    for command in ("compile", "run", "generate", "synth", "build", "report", "boards", "bench"):
        assert command in done.stdout


@pytest.mark.drawn(1)
@pytest.mark.parametrize("engine", ["icarus", "verilator"])
def test_two_sequences_in_turn(folder: Path, engine: str, tmp_path: Path) -> None:
    model, data = folder / "model.npz", folder / "calibration.npz"
    with np.load(folder / "x.npz") as given, np.load(data) as more:
        # Another two, so that there is a second pair.
        states: dict[str, Any] = {
            name: np.concatenate([values, values]) for name, values in given.items() if name.startswith(("h0", "c0"))
        }
        np.savez(tmp_path / "x.npz", x=np.concatenate([given["x"], more["x"][:, 6:12]]), lengths=[6, 4, 3, 6], **states)
    found = {}
    for sequences in (1, 2):
        design, output, figures = (tmp_path / f"{sequences}{name}" for name in ("", ".npz", ".json"))
        options = ["--target", "generic", "--lanes", 2, "--sequences", sequences, "--planes", 1]
        run("compile", model, "--calibration", data, *options, "-o", design)
        run("run", design, "--input", tmp_path / "x.npz", "--engine", engine, "-o", output, "--json", figures)
        result = json.loads(figures.read_text())
        assert result["mismatches"] == result["cycle_mismatches"] == 0
        assert result["cycles"] == sum(result["spent"].values())
        with np.load(output) as arrays:
            found[sequences] = dict(arrays)
    np.testing.assert_array_equal(found[1]["h_int"], found[2]["h_int"])
    np.testing.assert_array_equal(found[1]["columns"], found[2]["columns"])
    assert found[2]["cycles"].sum() < found[1]["cycles"].sum()


def test_what_compiling_tells_of_numbers(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error is in the table, the JSON and the design; remarks are on standard error, in the JSON and the report."""
    constant, told = tmp_path / "constant.npz", tmp_path / "R.json"
    np.savez(constant, x=np.zeros((30, WIDTH), np.float32))
    options = ("--precision", "16", "--target", "generic", "--json", told)
    run("compile", folder / "model.npz", "--calibration", constant, *options, "-o", tmp_path / "d")
    shown = capsys.readouterr()
    figures = json.loads(told.read_text())
    assert set(figures) >= {"error", "remarks", "planes", "lanes", "precision", "target"}
    assert (figures["precision"], figures["target"]) == ([16] * LAYERS, "generic")
    [text] = figures["remarks"]
    assert "constant.npz field x: is constant (0)" in text
    assert text in shown.err
    assert f"{figures['error']['mean']:.2e}" in shown.out
    report = json.loads((tmp_path / "d" / "design.json").read_text())["report"]
    assert report["remarks"] == [text]
    assert report["error"]["max"] == figures["error"]["max"]
    run("report", tmp_path / "d", "-o", tmp_path / "r.html")
    assert "is constant (0)" in (tmp_path / "r.html").read_text()


def test_auto_that_misses_its_tolerance_says_so(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ("quantise.quantise", "remarks"):
        monkeypatch.setattr(f"lstmith.compiler.{place}.AUTO_TOLERANCE", 1e-9)
    run(
        "compile", folder / "model.npz", "--calibration", folder / "calibration.npz", "--precision", "auto",
        "--target", "generic", "-o", tmp_path / "d",
    )  # fmt: skip
    assert "--precision auto missed its tolerance: at 16 bit layer" in capsys.readouterr().err


def test_what_a_run_tells_of_numbers(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load(folder / "calibration.npz") as content:
        np.savez(tmp_path / "far.npz", x=100 * content["x"])
    options = ("--precision", "16", "--target", "generic")
    run("compile", folder / "model.npz", "--calibration", folder / "calibration.npz", *options, "-o", tmp_path / "d")
    capsys.readouterr()
    outputs = ("-o", tmp_path / "y.npz", "--json", tmp_path / "R.json")
    for engine in ("golden", "float"):
        run("run", tmp_path / "d", "--input", tmp_path / "far.npz", "--engine", engine, *outputs)
        shown, figures = capsys.readouterr(), json.loads((tmp_path / "R.json").read_text())
        assert figures["clipped_inputs"] > 100
        assert bool(figures["remarks"]) == (engine == "golden")
        for text in figures["remarks"]:
            assert text in shown.err


def test_the_engine_that_is_saved_is_the_one_that_was_proven(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sequences in turn are another engine, which has to hold the network too."""
    proven: list[EngineConfig] = []

    def build(network: QuantNetwork, engine: EngineConfig, policies: list[Policy]) -> object:
        proven.append(engine)
        return build_memory_image(network, engine, policies)

    monkeypatch.setattr("lstmith.compiler.pipeline.build_memory_image", build)
    files = (folder / "model.npz", folder / "calibration.npz")
    design = compile_model(*files, target="ulx3s-85f", sequences=2)
    assert proven == [design.engine]
    assert design.engine.sequences == 2
