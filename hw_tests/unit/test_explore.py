"""``lstmith explore``: figures that hold, a Pareto set that nothing beats, reasons for the rest, what is refused."""

from __future__ import annotations

import contextlib
import csv
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_tests.unit.tuning_cases import UNITS, WIDTH, walk
from lstmith.boards.catalogue import find_board
from lstmith.campaign import Store, Task
from lstmith.cli.main import execute
from lstmith.compiler.design import Design
from lstmith.explore.hardware import placed, synthesised
from lstmith.explore.objectives import parse
from lstmith.explore.pareto import divide, thin
from lstmith.explore.points import Candidate, Point
from lstmith.explore.run import results_of
from lstmith.explore.search import Request, explore
from lstmith.spec.policy import Mode, Policy
from lstmith.spec.policy_file import load_policy
from lstmith.tuning.engine import GoldenEngine
from lstmith.tuning.pieces import Recorded
from lstmith.tuning.task import Task as Tuned

BOARDS = ("ulx3s-25f", "icebreaker")
MAX_LOSS = 0.006


def raises(h: np.ndarray, x: np.ndarray, lengths: np.ndarray, y: object) -> float:
    """A metric that does not work."""
    raise RuntimeError("no such thing")


def inputs(folder: Path) -> None:
    """A small network and data for it."""
    rng = np.random.default_rng(5)
    shapes = {"W_ih": (4 * UNITS, WIDTH), "W_hh": (4 * UNITS, UNITS), "b_ih": (4 * UNITS,), "b_hh": (4 * UNITS,)}
    arrays: dict[str, Any] = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    np.savez(folder / "model.npz", **arrays)
    np.savez(folder / "data.npz", x=walk(rng, 4, 80))


def call(folder: Path, *options: object, out: str = "out", model: str = "model.npz") -> list[str]:
    given: dict[object, object] = dict(zip(options[::2], options[1::2], strict=True))
    wanted: dict[object, object] = {
        "--boards": ",".join(BOARDS),
        "--metric": "h_error",
        "--max-loss": MAX_LOSS,
        "--trials": 12,
        "--workers": 1,
        **given,
    }
    named: dict[object, object] = {"--data": folder / "data.npz", "-o": folder / out, "--json": folder / f"{out}.json"}
    chosen = [(option, value) for option, value in {**named, **wanted}.items() if value is not None]
    return ["explore", str(folder / model), *(str(part) for pair in chosen for part in pair)]


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with inputs, and what was explored in ``out`` and ``out.json``."""
    folder = tmp_path_factory.mktemp("explore")
    inputs(folder)
    assert execute(call(folder)) == 0
    return folder


def test_the_front_is_what_its_designs_do(explored: Path) -> None:
    """Every point's design runs, and has just the loss and the cycles that were told."""
    result = json.loads((explored / "out.json").read_text())
    assert result["stages"].keys() == {"estimate", "golden"}
    assert result["evaluated"] == sum(result["stages"].values())
    assert {one["board"] for one in result["front"]} == set(BOARDS)
    for one in result["front"]:
        folder = explored / "out" / one["design"]
        design = Design.load(folder)
        engine = design.engine
        assert (design.target, engine.lanes, engine.mac) == (one["board"], one["lanes"], one["mac"])
        assert (engine.rows_per_cycle, engine.planes, engine.delta) == (
            one["rows_per_cycle"], one["planes"], one["delta"]
        )  # fmt: skip
        assert {layer.precision for layer in design.network.layers} == {one["precision"]}
        policies = load_policy(explored / "out" / one["policy_file"], len(design.network.layers))
        task = Tuned.load(folder, explored / "data.npz", "h_error")
        found = task.evaluator(task.split.heldout, cuts=False)(policies)
        figures = one["objectives"]
        assert (found.loss, found.cycles) == (figures["loss"], figures["cycles"])
        assert figures["loss"] <= MAX_LOSS
        assert one["stage"] == "golden"
    one = result["front"][0]
    arguments = ["run", str(explored / "out" / one["design"]), "--input", str(explored / "data.npz"), "--engine"]
    arguments += ["golden", "--policy", str(explored / "out" / one["policy_file"]), "-o", str(explored / "y.npz")]
    assert execute([*arguments, "--json", str(explored / "run.json")]) == 0


def test_nothing_beats_the_front_and_all_others_have_a_reason(explored: Path) -> None:
    with (explored / "out" / "points.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["name"] for row in rows}) == len(rows)
    result = json.loads((explored / "out.json").read_text())
    front = [row for row in rows if not row["left because"]]
    assert [row["name"] for row in front] == [one["name"] for one in result["front"]]
    within = [row for row in rows if row["stage"] == "golden" and float(row["loss"]) <= MAX_LOSS]
    for one in front:
        for other in within:
            better = float(other["us"]) < float(one["us"]) and float(other["luts"]) < float(one["luts"])
            assert not (better and other["board"] == one["board"]), (one["name"], other["name"])
    reasons = {row["left because"].partition(" ")[0] for row in rows if row["left because"]}
    assert {"dominated", "loss"} <= reasons
    table = (explored / "out" / "pareto.md").read_text()
    assert all(str(one["lanes"]) in table for one in result["front"])
    assert (explored / "out" / "pareto.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_run_takes_the_place_of_the_first(explored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (explored / "out.json").read_text()
    assert execute([*call(explored), "--explain", "--json-lines"]) == 0
    assert json.loads((explored / "out.json").read_text())["front"] == json.loads(before)["front"]
    told = capsys.readouterr().out
    assert "dominated by" in told
    assert "cells on ecp5 are estimates of luts, dsps and brams: median error " in told
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert {"doing": "tuning policies", "part": 1.0} in lines
    (explored / "out" / "note.txt").write_text("mine")
    assert execute(call(explored)) == 2
    assert "holds note.txt, which 'lstmith explore' did not write" in capsys.readouterr().err
    (explored / "out" / "note.txt").unlink()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--boards", "ulx3s-25f,nothing"), r"option --boards: 'nothing' is unknown; use one of ulx3s-85f"),
        (("--metric", "f2"), "option --metric: 'f2' is unknown; use h_error"),
        (("--metric", f"lower:{__name__}:raises"), "raised RuntimeError: no such thing"),
        (("--metric", "accuracy"), "field y: is missing, which metric accuracy needs"),
        (("--max-loss", "little"), "Invalid value for '--max-loss'"),
        (("--max-loss", "nan"), "option --max-loss: is nan; give a number from 0 up"),
        (("--objective", "us,speed"), "option --objective: 'speed' is unknown; use us, cycles, nJ"),
        (("--objective", "us,us"), "option --objective: names us twice"),
        (("--objective", "us=fast"), "option --objective: is 'us=fast'; give a positive number"),
        (("--max-loss", "0.00001"), "option --max-loss: nothing of "),
        (("--clocks", "50"), "option --clocks: needs engines that are placed; add --place"),
        (("--place", 1, "--clocks", "50,fast"), "option --clocks: is '50,fast'; give MHz"),
        (("--place", 1, "--clocks", "62.5"), "option --clocks: 62.5 MHz is no clock that the PLL of iCEBreaker"),
        (("--scheduler", "tcp://127.0.0.1:1"), "scheduler tcp://127.0.0.1:1: does not answer"),
        (("--objective", "us=0.01"), "reaches us of at most 0.01, loss of at most 0.006; the nearest is ulx3s-25f-"),
    ],
)
def test_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str], options: Sequence[object], told: str) -> None:
    inputs(tmp_path)
    assert execute(call(tmp_path, *options)) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.strip().splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.npz", "model.npz"]


def test_a_network_that_fits_no_board(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs(tmp_path)
    units = 600
    arrays: dict[str, Any] = {"W_ih": np.zeros((4 * units, WIDTH)), "W_hh": np.zeros((4 * units, units))}
    np.savez(tmp_path / "model.npz", **arrays, b_ih=np.zeros(4 * units), b_hh=np.zeros(4 * units))
    assert execute(call(tmp_path, "--boards", "icebreaker")) == 2
    assert "option --boards: has no board with room for the network" in capsys.readouterr().err


def candidates(*figures: tuple[float, float], board: str = "ulx3s-25f") -> list[Candidate]:
    point = Point(board, 8, 1, True, "dsp", 1, 2)
    return [
        Candidate(point, "golden", {"us": us, "luts": luts}, label=f"c{index}")
        for index, (us, luts) in enumerate(figures)
    ]


def kept(store: Path) -> int:
    """Results in a store."""
    with contextlib.closing(sqlite3.connect(store)) as database:
        return int(database.execute("SELECT count(*) FROM results").fetchone()[0])


def test_a_killed_run_goes_on(explored: Path, tmp_path: Path) -> None:
    """After kill -9 what was computed is not computed again; the result is that of a run in one go, on any workers."""
    inputs(tmp_path)
    store = tmp_path / "store.sqlite"
    arguments = call(tmp_path, "--store", store)
    script = "import sys; from lstmith.cli.main import execute; sys.exit(execute(sys.argv[1:]))"
    with subprocess.Popen([sys.executable, "-c", script, *arguments]) as run:
        until = time.monotonic() + 120
        while (not store.exists() or kept(store) < 3) and time.monotonic() < until:
            time.sleep(0.05)
        run.kill()
    done = kept(store)
    assert done >= 3
    assert not (tmp_path / "out").exists()
    computed = []

    def counted(store: Store, *given: Any) -> None:
        computed.append(given[0])
        put(store, *given)

    put = Store.put
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "put", counted)
        assert execute(arguments) == 0
    assert len(set(computed)) == len(computed) == kept(store) - done > 0
    front = json.loads((tmp_path / "out.json").read_text())["front"]
    assert front == json.loads((explored / "out.json").read_text())["front"]
    assert execute(call(tmp_path, "--workers", 2)) == 0
    assert json.loads((tmp_path / "out.json").read_text())["front"] == front


def test_the_best_are_built(tmp_path: Path) -> None:
    """Levels of synthesis and placement, with figures made up: who is not built, or misses its clock, is left."""
    inputs(tmp_path)
    request = Request(
        model=tmp_path / "model.npz",
        data=tmp_path / "data.npz",
        metric="h_error",
        boards=BOARDS,
        objectives=parse("us,luts", MAX_LOSS),
        max_loss=MAX_LOSS,
        trials=10,
        synth=3,
        place=2,
        clocks={"ulx3s-25f": (50.0, 62.5, 75.0)},
        seeds=2,
    )
    serial, built = results_of(None, None), []

    def results(function: Any, tasks: Sequence[Task]) -> Iterator[Any]:
        if function not in (synthesised, placed):
            yield from serial(function, tasks)
            return
        for number, task in enumerate(tasks):
            built.append((function, Design.load(task.files["design"]).target))
            cells = {"luts": 1000 + number, "dsps": 5, "brams": 6}
            if function is synthesised:
                yield cells
                continue
            spec = task.spec
            assert (spec["seed"], spec["seeds"]) == (1, 2)
            reached = {"ulx3s-25f": 70.0, "icebreaker": 20.0}[spec["board"]]
            yield cells | {"fmax_mhz": reached, "target_mhz": spec["clock_mhz"]}

    found = explore(request, results, tmp_path / "scratch", lambda level, part: None)
    assert [board for function, board in built if function is synthesised] == [*BOARDS, BOARDS[0]]
    assert [one.level for one in found.pareto] == ["place"]
    # Of three clocks the fastest that is met: the second.
    (best,) = found.pareto
    assert (best.point.board, best.clock_mhz, best.figures["luts"]) == ("ulx3s-25f", 62.5, 1001)
    assert best.figures["us"] == best.figures["cycles"] / 62.5
    assert [board for function, board in built if function is placed] == ["ulx3s-25f"] * 3 + ["icebreaker"]
    assert found.counts["synth"] == 3
    reasons = [one.left for one in found.left]
    assert "not among the best 3 for synth" in reasons
    assert f"reaches 20.0 MHz of {find_board('icebreaker').clock_mhz:g}" in reasons


def test_who_is_beaten_is_left() -> None:
    stay, left = divide(candidates((1, 10), (2, 5), (2, 11), (1, 10)), ("us", "luts"), lambda one: one.point.board)
    assert [one.label for one in stay] == ["c0", "c1"]
    assert [(one.label, one.left) for one in left] == [
        ("c2", "dominated by ulx3s-25f-w8-1p-1dsp-c0"),
        ("c3", "dominated by ulx3s-25f-w8-1p-1dsp-c0"),
    ]
    # Figures that may be wrong by a tenth leave nobody out who is worse by less.
    kept, _ = divide(
        candidates((1, 10), (1.05, 10.5), (1.2, 12)), ("us", "luts"), lambda one: 0, {"us": 0.1, "luts": 0.1}
    )
    assert [one.label for one in kept] == ["c0", "c1"]


def test_few_stand_for_many(rng: np.random.Generator) -> None:
    us = np.sort(rng.uniform(1, 100, 60))
    many = candidates(*((float(one), float(1000 / one)) for one in us))
    kept, left = thin(many, ("us", "luts"), 6)
    assert len(kept) <= 6
    assert len(kept) + len(left) == len(many)
    assert kept[0].figures["us"] == us[0]
    assert kept[-1].figures["us"] == us[-1]
    assert all(one.left.startswith("like ulx3s-25f-") for one in left)
    assert thin(many[:3], ("us", "luts"), 6) == (many[:3], [])


def test_engines_of_the_same_numbers_share_runs(explored: Path, rng: np.random.Generator) -> None:
    """What one engine's run tells of another is what that engine's own run tells."""
    result = json.loads((explored / "out.json").read_text())
    folders = [explored / "out" / one["design"] for one in result["front"] if one["precision"] == 8]
    made = Design.load(folders[0])
    others = [Design.load(folder).engine for folder in folders[1:] if Design.load(folder).engine.planes == 1]
    recorded = Recorded(list(walk(rng, 2, 60)))
    engine = GoldenEngine(made.network, made.source, made.engine)
    policies = [Policy(Mode.DENSE)]
    run = engine.run(engine.prepared(recorded, cuts=False), policies, others=others)
    assert len(run.others) == len(others) > 0
    for config, costs in zip(others, run.others, strict=True):
        own = GoldenEngine(made.network, made.source, config)
        alone = own.run(own.prepared(recorded, cuts=False), policies).costs
        assert (alone.cycles == costs.cycles).all()
        assert alone.energy(config) == costs.energy(config)
