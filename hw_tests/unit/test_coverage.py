"""Coverage: the plan's bins, Verilator's points mapped back to their files, waivers, and the page."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.core_cases import golden_case
from hw_tests.cocotb.random_networks import input_of, random_engine
from lstmith.golden.model import GoldenModel
from lstmith.host.jobs import CoreJob
from lstmith.scripts.coverage.engines import LARGE_STEPS, LARGE_UNITS, draw, draw_large, steered
from lstmith.scripts.coverage.labels import labels_of
from lstmith.scripts.coverage.plan import AXES, CROSSES, Bin, Cross, Plan
from lstmith.scripts.coverage.points import SourceMap, read_points, signal_rose, store_points, stored_points
from lstmith.scripts.coverage.python_code import by_block
from lstmith.scripts.coverage.report import Waivers, bin_figures, page, point_figures, totals
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Policy

ROOT = Path(__file__).parents[2]
TEXT = f"""
(* src = "{ROOT}/rtl/control.py:77" *)
module core(clk, a, rst);
  (* src = "{ROOT}/rtl/bus.py:31" *)
  wire [1:0] a;
  assign b = a & (* src = "{ROOT}/rtl/control.py:12" *) c;
  (* src = "{ROOT}/rtl/control.py:20" *)
  always @(posedge clk)
    held <= \\$7 ;
  always @* begin
    if (\\$auto$verilog_backend.cc:2355:dump_module$1 ) begin end
    \\$7  = held;
    if (rst) begin
      \\$7  = 1'h0;
    end
  end
endmodule

(* src = "/elsewhere/amaranth/lib/fifo.py:9" *)
module \\core.queue (clk);
  wire level;
endmodule
"""


def _entry(line: int, kind: str, told: str, count: int, place: str = "core") -> str:
    fields = {"f": "core.v", "l": str(line), "t": kind, "o": told, "h": place}
    return "C '" + "".join(f"\x01{key}\x02{value}" for key, value in fields.items()) + f"' {count}\n"


def _line(text: str) -> int:
    return next(number for number, line in enumerate(TEXT.split("\n"), 1) if text in line)


def test_points_have_the_names_of_their_source(tmp_path: Path) -> None:
    branch = _line("if (rst)")
    data = tmp_path / "coverage.dat"
    data.write_text(
        "# SystemC::Coverage-3\n"
        + _entry(_line("wire [1:0] a"), "toggle", "a[1]:0->1", 3)
        + _entry(_line("wire [1:0] a"), "toggle", "a__02438[1]:0->1", 0)
        + _entry(_line("wire [1:0] a"), "toggle", "__0247:0->1", 0)
        + _entry(_line("assign b"), "branch", "cond_then", 0)
        + _entry(_line("held <="), "line", "block", 9)
        + _entry(_line("dump_module"), "branch", "if", 0)
        + _entry(branch, "branch", "if", 1)
        + _entry(branch, "branch", "else", 0)
        + _entry(_line("wire level"), "toggle", "level:0->1", 4, "core.queue"),
        encoding="utf-8",
    )
    found = read_points(data, SourceMap(TEXT, ROOT))
    assert found == {
        ("rtl/control.py", "toggle", "a[1]:0->1"): 3,
        ("rtl/control.py", "line", "12: cond_then 1"): 0,
        ("rtl/control.py", "line", "20: block 1"): 9,
        ("rtl/control.py", "line", "20: if 1"): 1,
        ("rtl/control.py", "line", "20: else 1"): 0,
    }
    assert ("rtl/control.py", "line", "20: else 1") in found, "what was never met has an entry too"
    assert signal_rose(data, ".queue", "level")
    assert not signal_rose(data, ".queue", "level", "1->0")
    store_points(tmp_path / "a.json.gz", found)
    store_points(tmp_path / "b.json.gz", Counter({("rtl/control.py", "line", "20: else 1"): 2}))
    both = stored_points(tmp_path)
    assert len(both) == len(found)
    assert both["rtl/control.py", "line", "20: else 1"] == 2


SMALL = {"mode": ("dense", "delta"), "planes": ("1 plane", "2 planes")}


def test_bins_of_a_cross() -> None:
    plan = Plan("bins", (Cross(("mode", "planes"), (("dense", "2 planes"),)),), SMALL)
    assert len(plan.hits()) == 3
    labels = {"mode": frozenset({"dense", "delta"}), "planes": frozenset({"1 plane"})}
    assert plan.bins_of(labels) & plan.empty() == plan.bins_of(labels)
    plan.sample(labels)
    plan.sample({"mode": frozenset({"delta"})})
    assert plan.empty() == {("mode x planes", ("delta", "2 planes"))}
    with pytest.raises(KeyError, match="fast"):
        plan.sample({"mode": frozenset({"fast"})})


def test_the_plan_names_its_axes() -> None:
    """A cross that leaves out what no axis has would leave out nothing."""
    for cross in CROSSES:
        for words in cross.without:
            assert len(words) == len(cross.axes), cross.name
            for axis, word in zip(cross.axes, words, strict=True):
                assert word is None or word in AXES[axis], (cross.name, word)


def test_labels_of_a_dense_run(rng: np.random.Generator) -> None:
    config, networks = random_engine(rng, 8)
    network = networks[0]
    policies = [Policy(Mode.DENSE)] * len(network.layers)
    job = CoreJob(input_of(rng, 3, network), x_stall=0.6)
    case = golden_case("dense", GoldenModel(network, config), policies, job)[0]
    for labels in labels_of(config, network, policies, case.job, case.layers, queue=frozenset({"half full"})):
        assert labels["mode"] == {"dense"}
        assert labels["list"] == {"all"}
        assert labels["restart"] == {"sums anew"}
        assert labels["x stream"] == {"x mostly waits"}
        assert labels["h stream"] == {"h flows"}
        assert labels["begin"] == {"start"}
        assert labels["queue"] == {"half full"}


def test_engines_steer_towards_empty_bins(seed: int) -> None:
    """With one bin that is left, for which few engines are right, the engine that is chosen hits it."""
    plan = Plan(f"steer {seed}", (Cross(("mac", "rows")),))
    left = ("mac x rows", ("digit", "4 rows"))
    for cross, words in plan.empty() - {left}:
        plan.sample({axis: frozenset({word}) for axis, word in zip(cross.split(" x "), words, strict=True)})
    assert plan.empty() == {left}
    drawn = steered(np.random.default_rng(seed), plan, draws=60)
    assert (drawn.config.mac, drawn.config.rows_per_cycle) == ("digit", 4)


def test_what_a_simulator_cannot_tell_steers_nothing(seed: int) -> None:
    """Where bins of the queue alone are left, the first engine is as good as any for who does not see them."""
    plan = Plan(f"blind {seed}", (Cross(("queue", "sequences")), Cross(("lanes", "mac"))))
    first = draw(np.random.default_rng(seed)).config
    other = "2 sequences" if first.sequences == 1 else "1 sequence"
    for cross, words in plan.empty():
        if other not in words:
            plan.sample({axis: frozenset({word}) for axis, word in zip(cross.split(" x "), words, strict=True)})
    assert {words[1] for _, words in plan.empty()} == {other}
    assert not plan.empty(without="queue")
    assert steered(np.random.default_rng(seed), plan, queue=False).config == first
    assert steered(np.random.default_rng(seed), plan, queue=True).config.sequences != first.sequences


def test_runs_of_a_drawn_engine_have_labels_of_the_plan(seed: int) -> None:
    drawn, plan = draw(np.random.default_rng(seed)), Plan(f"drawn {seed}")
    for labels in drawn.labels(drawn.runs) + drawn.labels(drawn.jammed):
        plan.sample(labels)
    assert len(plan.empty()) < len(plan.hits())


def test_a_large_engine(seed: int) -> None:
    """Each of its runs is labelled, and is as short as simulating hundreds of units asks for."""
    drawn = draw_large(np.random.default_rng(seed))
    assert drawn.config.units > LARGE_UNITS
    assert drawn.config.monitor
    assert drawn.config.layers > 1
    assert [len(run.job.x) for run in drawn.runs] == [LARGE_STEPS] * 3
    assert not drawn.jammed
    plan = Plan(f"large {seed}")
    for labels in drawn.labels(drawn.runs):
        plan.sample(labels)
    assert len(plan.empty()) < len(plan.hits())


def _waivers(path: Path, *lines: str) -> Path:
    path.write_text("kind,name,reason\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["line,a,"], "has no reason"),
        (["line,a,why", "line,a,because"], "is there twice"),
        (["lines,a,why"], "has an unknown kind"),
    ],
)
def test_waivers_that_say_too_little(tmp_path: Path, lines: list[str], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        Waivers.load(_waivers(tmp_path / "waivers.csv", *lines))


def test_the_projects_waivers() -> None:
    Waivers.load(ROOT / "docs" / "verification" / "coverage_waivers.csv")


def test_figures_and_their_page(tmp_path: Path) -> None:
    names = [
        "toggle,rtl/a.py: count[31]:*,takes hours",
        '"bin","mode x planes: delta, 2 planes",not yet',
        "line,z,none",
    ]
    waivers = Waivers.load(_waivers(tmp_path / "waivers.csv", *names))
    points = {
        ("rtl/a.py", "line", "1: block 1"): 4,
        ("rtl/a.py", "line", "2: if 1"): 0,
        ("rtl/a.py", "toggle", "count[31]:0->1"): 0,
        ("rtl/a.py", "toggle", "count[3]:0->1"): 1,
    }
    hits: dict[Bin, int] = {("mode x planes", ("delta", "2 planes")): 0, ("mode x planes", ("delta", "1 plane")): 5}
    summary = {"num_statements": 10, "covered_lines": 9, "num_branches": 4, "covered_branches": 3}
    figures = {
        "measured": {"engines": "today", "python": "today"},
        "ran": {"engines": "two", "python": "tests"},
        "seconds": {"engines": 60, "python": 60},
        "bins": bin_figures(hits, waivers),
        "rtl": point_figures(points, waivers),
        "python": {"blocks": by_block({"files": {"golden/cell.py": {"summary": summary}}})},
    }
    assert totals(figures) == {
        "functional bins met": "1 of 2 (1 waived)",
        "lines of the RTL": "50.0 %",
        "toggles of the RTL": "100.0 % (1 waived)",
        "branches of golden/": "75.0 %",
    }
    assert waivers.unused() == ["line: z"]
    text = page(figures)
    assert "| `rtl/a.py` | 2 | 0 | 50.0 % | 2 | 1 | 100.0 % |" in text
    assert "- `rtl/a.py: 2: if 1`" in text
    assert "| `golden/cell.py` | 10 | 90.0 % | 4 | 75.0 % |" in text
