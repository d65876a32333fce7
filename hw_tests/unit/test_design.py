"""The design directory: what is saved is loaded, damage is named, nothing is left half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.design import Design
from lstmith.compiler.importers.planner import plan_model
from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.quantise import quantise
from lstmith.compiler.sizing.size import size_engine
from lstmith.golden.network import FloatNetwork
from lstmith.spec.errors import UserError
from lstmith.spec.quantised import QuantNetwork
from lstmith.vad import silero


@pytest.fixture(scope="module")
def design() -> Design:
    rng = np.random.default_rng(1)
    network = random_network(rng, 5, 3, layers=2, peepholes=True)
    first = replace(network.layers[0], h0=np.full(5, 0.5), c0=np.full(5, -1.0))
    network = FloatNetwork((first, network.layers[1]))
    result = quantise(network, random_calibration(rng, network), precision=[8, 16], limits=EngineLimits(planes=2))
    engine, sizing = size_engine(result.network, None)
    return Design(engine, result.network, network, report={**result.summary(), "sizing": sizing.summary()})


def _assert_same(first: object, second: object) -> None:
    for name, value in asdict(first).items():  # type: ignore[call-overload]
        np.testing.assert_array_equal(value, getattr(second, name), err_msg=name, strict=isinstance(value, np.ndarray))


def test_round_trip(design: Design, tmp_path: Path) -> None:
    design.save(tmp_path / "d")
    loaded = Design.load(tmp_path / "d")
    assert loaded.engine == design.engine
    assert (loaded.target, loaded.graph, loaded.report) == ("generic", None, design.report)
    for first, second in zip(design.source.layers, loaded.source.layers, strict=True):
        _assert_same(first, second)
    for quantised, again in zip(design.network.layers, loaded.network.layers, strict=True):
        assert (quantised.x_grid, quantised.h_grid) == (again.x_grid, again.h_grid)
        for name in ("weights", "mantissa", "shift", "bias", "peep"):
            np.testing.assert_array_equal(getattr(quantised, name), getattr(again, name), strict=True)
        for name in ("precision", "planes", "c_frac", "peep_shift", "x_lsb"):
            assert getattr(quantised, name) == getattr(again, name)


def test_what_policies_need_is_kept(design: Design, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    layers = tuple(
        replace(
            layer,
            counts=(4, 2),
            reduced_bias=rng.integers(-99, 99, (2, 20)),
            idle_h=rng.integers(-99, 99, 5),
        )
        for layer in design.network.layers
    )
    network = QuantNetwork(layers, rng.integers(-7, 8, 8))
    replace(design, network=network).save(tmp_path / "d")
    loaded = Design.load(tmp_path / "d").network
    assert loaded.predictor is not None
    np.testing.assert_array_equal(loaded.predictor, network.predictor, strict=True)
    for layer, again in zip(network.layers, loaded.layers, strict=True):
        for name in ("weights", "reduced_bias", "idle_h"):
            np.testing.assert_array_equal(getattr(layer, name), getattr(again, name), strict=True)
        assert (again.planes, again.counts) == (2, (4, 2))


def test_the_graph_around_the_lstm_is_kept(design: Design, tmp_path: Path) -> None:
    graph = plan_model(silero.model_path())
    replace(design, graph=graph).save(tmp_path / "d")
    loaded = Design.load(tmp_path / "d").graph
    assert loaded is not None
    assert loaded.inputs == graph.inputs
    assert loaded == graph


def test_bytes_do_not_depend_on_time_or_place(design: Design, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    design.save(tmp_path / "a")
    monkeypatch.setattr("time.time", lambda: 2e9)
    monkeypatch.setattr("time.localtime", lambda *_: (2033, 5, 18, 3, 33, 20, 2, 138, 0))
    design.save(tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["design.json", "engine.json", "float.npz", "network.npz"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_earlier_design_is_replaced_and_other_files_are_not(design: Design, tmp_path: Path) -> None:
    path = tmp_path / "d"
    design.save(path)
    design.save(path)
    (path / "mine").write_text("keep")
    with pytest.raises(UserError, match="d: holds mine, which 'lstmith compile' did not write; choose a new path"):
        design.save(path)
    assert (path / "mine").read_text() == "keep"
    assert [entry.name for entry in tmp_path.iterdir()] == ["d"]
    for taken in (tmp_path / "file", tmp_path / "full" / "file"):
        taken.parent.mkdir(exist_ok=True)
        taken.write_text("keep")
    for taken in (tmp_path / "file", tmp_path / "full"):
        with pytest.raises(UserError, match=r"exists and holds no design\.json; choose a new path"):
            design.save(taken)
    assert (tmp_path / "full" / "file").read_text() == "keep"


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_interrupted_save_leaves_the_earlier_design(
    design: Design, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "d"
    design.save(path)
    for step in ("lstmith.compiler.design_files._save_arrays", "lstmith.compiler.files.sync"):
        with monkeypatch.context() as patch:
            patch.setattr(step, _interrupted)
            with pytest.raises(KeyboardInterrupt):
                replace(design, target="other").save(path)
        assert [entry.name for entry in tmp_path.iterdir()] == ["d"]
        assert Design.load(path).target == "generic"


def test_unwritable_place(design: Design, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/d: cannot be written \(Not a directory\); choose a writable path$"):
        design.save(tmp_path / "file" / "d")


def _edit(name: str, change: Callable[[dict], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        content = json.loads((path / name).read_text())
        change(content)
        (path / name).write_text(json.dumps(content))

    return apply


def _arrays(change: Callable[[dict], object], name: str = "network.npz") -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        with np.load(path / name) as content:
            arrays = dict(content)
        change(arrays)
        np.savez(path / name, **arrays)

    return apply


def _cut(name: str, arrays: dict) -> None:
    arrays[name] = np.zeros(3, dtype=np.int64)


DAMAGE: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: (path / "design.json").unlink(), r"d: is not a design \(no design\.json\); give a directory"),
    (lambda path: (path / "design.json").write_text("{"), r"design\.json: is damaged \("),
    (lambda path: (path / "design.json").write_text("[]"), r"design\.json: holds a list; compile the model again$"),
    (lambda path: (path / "engine.json").unlink(), r"engine\.json: cannot be read \(No such file or directory\)"),
    (lambda path: (path / "network.npz").write_bytes(b"PK"), r"network\.npz: is not an \.npz file"),
    (lambda path: (path / "network.npz").write_bytes(b"PK\3\4"), r"network\.npz: is not an \.npz file"),
    (lambda path: (path / "float.npz").unlink(), r"float\.npz: cannot be read \(No such file"),
    (
        _edit("design.json", lambda d: d.update(format=11)),
        r"field format: is 11, of another version of lstmith; this one reads 10; compile the model again$",
    ),
    (
        _edit("design.json", lambda d: d.update(format=4)),
        r"field format: is 4, of another version of lstmith; this one reads 10; compile the model again$",
    ),
    (_edit("design.json", lambda d: d["layers"][0].pop("planes")), r"field layers\[0\] field planes: is None"),
    (_edit("design.json", lambda d: d["layers"][0].update(planes=3)), r"layers\[0\]: is damaged \(Planes of 8-bit"),
    (_edit("design.json", lambda d: d["layers"][0].update(counts=["2"])), r"layers\[0\] field counts: is \['2'\]"),
    (_edit("design.json", lambda d: d["layers"][0].update(counts=[3])), r"\(Layer idle_h must have shape|reduced_bias"),
    (_edit("design.json", lambda d: d.update(layers=[])), r"field layers: is empty"),
    (
        _edit("design.json", lambda d: d["programs"][0].update(layers=0)),
        r"\[0\] field layers: is 0, of 2 that are left",
    ),
    (
        _edit("design.json", lambda d: d["programs"][0].update(layers=3)),
        r"\[0\] field layers: is 3, of 2 that are left",
    ),
    (_edit("design.json", lambda d: d["programs"][0].update(layers=1)), r"field programs: has 1 layers of 2"),
    (_edit("design.json", lambda d: d.pop("target")), r"field target: is None"),
    (_edit("design.json", lambda d: d["layers"][1].update(c_frac="x")), r"field layers\[1\] field c_frac: is 'x'"),
    (_edit("design.json", lambda d: d["layers"][0].update(precision=5)), r"layers\[0\]: is damaged \(Precision must"),
    (_edit("design.json", lambda d: d["layers"][0]["x_grid"].update(shift=99)), r"is damaged \(Grid shift must"),
    (_edit("design.json", lambda d: d["layers"][0]["x_grid"].update(exponent=0.5)), r"field x_grid: is \{.*0\.5\}"),
    (_edit("design.json", lambda d: d["layers"].__setitem__(0, 3)), r"layers\[0\]: is 3"),
    (
        _arrays(lambda a: a.update(l0_weights=a["l0_weights"].reshape(-1))),
        r"layers\[0\]: is damaged \(Weights must have shape",
    ),
    *(
        (
            _arrays(partial(_cut, f"l0_{name}")),
            rf"layers\[0\]: is damaged \(Layer {name} must have shape",
        )
        for name in ("mantissa", "shift", "bias", "peep", "order")
    ),
    (
        _arrays(lambda a: a["l0_c0"].fill(np.nan), "float.npz"),
        r"float\.npz field l0_c0: holds values that are not",
    ),
    (
        _edit("design.json", lambda d: d["layers"][0].update(x_lsb=0.0)),
        r"layers\[0\] field x_lsb: is 0\.0; compile",
    ),
    (
        _edit("design.json", lambda d: d["layers"][0].update(h_lsb=float("nan"))),
        r"layers\[0\] field h_lsb: is nan;",
    ),
    (_arrays(lambda a: a.update(l0_h0=np.zeros(3)), "float.npz"), r"float\.npz layer 0: is damaged \(.* field h0 must"),
    (
        _arrays(lambda a: a.update(l1_weights=a["l1_weights"][:, 1:])),
        r"network\.npz: is damaged \(Layer 1 must read the 5 values of the one before, not 4\)",
    ),
    (
        _arrays(lambda a: a.update(l0_w_ih=a["l0_w_ih"][:, 1:]), "float.npz"),
        r"is damaged \(Layer 0 has 5 units and 3 inputs, and in float\.npz 5 and 2\)",
    ),
    (_arrays(lambda a: a.update(l0_w_ih=np.zeros(8)), "float.npz"), r"layer 0: is damaged \(Layer .* field w_ih must"),
    (_edit("engine.json", lambda d: d.update(lanes=0)), r"engine\.json: is damaged \(Engine lanes must"),
    (_edit("engine.json", lambda d: d.update(colour=1)), r"Unknown engine parameters: colour"),
    (
        _edit("engine.json", lambda d: d.update(rows_per_cycle=1.0)),
        r"engine\.json: is damaged \(Engine rows_per_cycle must be an integer",
    ),
    (
        _edit("engine.json", lambda d: d.pop("c_width")),
        r"is damaged \(Missing engine parameters: c_width",
    ),
    (_arrays(lambda a: a.pop("l1_bias")), r"network\.npz field l1_bias: is missing"),
    (_arrays(lambda a: a.update(predictor=np.zeros(3, dtype=np.int64))), r"network\.npz: is damaged \(Predictor must"),
    (_arrays(lambda a: a.update(predictor=np.zeros(8))), r"network\.npz field predictor: is float64, not int64"),
    (_arrays(lambda a: a.update(l0_bias=a["l0_bias"] / 2)), r"field l0_bias: is float64, not int64"),
    (_arrays(lambda a: a.update(l0_weights=a["l0_weights"] * 1000)), r"layers\[0\]: is damaged \(Layer weights must"),
]


#: Changes that leave a design of right types and shapes, but another one.
EDITS: list[tuple[Callable[[Path], object], str]] = [
    (_edit("engine.json", lambda d: d.update(lanes=d["lanes"] + 1)), "engine.json"),
    (_edit("engine.json", lambda d: d.update(c_width=20)), "engine.json"),
    (_edit("design.json", lambda d: d["layers"][0].update(c_frac=9)), "design.json"),
    (_edit("design.json", lambda d: d["layers"][0].update(name="other")), "design.json"),
    (_edit("design.json", lambda d: d["checksums"].pop("engine.json")), "engine.json"),
    (_arrays(lambda a: a.update(l0_bias=a["l0_bias"] + 1)), "network.npz"),
    (lambda path: (path / "float.npz").write_bytes((path / "float.npz").read_bytes() + b"\0"), "float.npz"),
]


@pytest.mark.parametrize(("edit", "name"), EDITS)
def test_a_file_that_was_edited_is_noticed(
    design: Design, tmp_path: Path, edit: Callable[[Path], object], name: str
) -> None:
    path = tmp_path / "d"
    design.save(path)
    edit(path)
    with pytest.raises(UserError, match=rf"{name}: was changed after the design was written .*; compile the model"):
        Design.load(path)


def test_an_edited_graph_is_noticed(design: Design, tmp_path: Path) -> None:
    path = tmp_path / "d"
    replace(design, graph=plan_model(silero.model_path())).save(path)
    edited = path / "graph" / "plan.json"
    edited.write_text(edited.read_text() + " ")
    with pytest.raises(UserError, match=r"graph/plan\.json: was changed after the design was written"):
        Design.load(path)


@pytest.mark.parametrize(("damage", "problem"), DAMAGE, ids=[problem for _, problem in DAMAGE])
def test_damage_is_named(design: Design, tmp_path: Path, damage: Callable[[Path], object], problem: str) -> None:
    path = tmp_path / "d"
    design.save(path)
    damage(path)
    with pytest.raises(UserError, match=problem):
        Design.load(path)
