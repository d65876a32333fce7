"""Mutants, the tests that claim their files, and a campaign that is stopped and goes on."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from lstmith.scripts.mutation.campaign import Store, sampled
from lstmith.scripts.mutation.claims import claiming, files
from lstmith.scripts.mutation.mutants import mutants
from lstmith.scripts.mutation.report import equivalents
from lstmith.spec.errors import UserError

ROOT = Path(__file__).parents[2]
HARDWARE = """
def elaborate(m, a, b, x):
    m.d.comb += [a.eq(1), b.eq(2)]
    m.d.sync += x.eq(Mux(a, b, x))
    with m.If(a):
        pass
"""
#: A file of four mutants: one is noticed, one hangs, and two survive: to begin with 1, and to count by 2.
LOOP = "def last(limit):\n    i = 0\n    while i < limit:\n        i += 1\n    return i\n"
TEST = """
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def test_last():
    spec = spec_from_file_location("loop", Path(__file__).parents[3] / "golden" / "loop.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.last(6) == 6
"""


def _texts(text: str) -> list[str]:
    return [mutant.text for mutant in mutants("golden/a.py", text)]


def test_one_assignment_of_a_list_is_dropped() -> None:
    texts = _texts(HARDWARE)
    assert any("m.d.comb += [b.eq(2)]" in text for text in texts)
    assert any("m.d.comb += [a.eq(1)]" in text for text in texts)
    assert any("m.d.sync += x" not in text for text in texts)


def test_arms_and_conditions() -> None:
    texts = _texts(HARDWARE)
    assert any("Mux(a, x, b)" in text for text in texts)
    assert any("m.If(a == 0)" in text for text in texts)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a < b", "a <= b"),
        ("a + b", "a - b"),
        ("a or b", "a and b"),
        ("not a", "a"),
        ("x if a else b", "b if a else x"),
    ],
)
def test_operators(before: str, after: str) -> None:
    assert _texts(f"y = {before}\n") == [f"y = ({after})\n"]


def test_constants_and_what_holds_no_behaviour() -> None:
    assert _texts("y = True\n") == ["y = (False)\n"]
    assert _texts('"""Text."""\nz: "1 | 2"\nraise ValueError(1)\n') == []


def test_every_mutant_of_the_project_is_valid_and_has_a_name_of_its_own() -> None:
    for file in ("rtl/link/receiver.py", "golden/cell.py", "compiler/quantise/rows.py"):
        text = (ROOT / file).read_text(encoding="utf-8")
        found = mutants(file, text)
        assert len({mutant.label for mutant in found}) == len(found) > 40
        for mutant in found:
            assert ast.dump(ast.parse(mutant.text)) != ast.dump(ast.parse(text)), mutant.name


def test_claims() -> None:
    """The test of the file's name, those that import the file, then those that import what imports it."""
    fast = ROOT / "hw_tests" / "fast" / "rtl"
    claims = claiming(ROOT, "rtl/cell/squash.py")
    assert claims[0] == fast / "cell" / "test_squash.py"
    assert fast / "cell" / "test_gates.py" in claims
    assert fast / "lists" / "test_encoder.py" not in claims
    assert all(claiming(ROOT, file) for file in files(ROOT) if file.startswith(("golden/", "rtl/")))


def test_the_sample_takes_files_in_turn_and_depends_on_the_seed() -> None:
    by_file = {name: mutants(name, "y = a + b + c + d + e + f + g\n") for name in ("a", "b")}
    first = sampled(by_file, 6, 1)
    assert [mutant.file for mutant in first] == ["a", "b"] * 3
    assert first == sampled(by_file, 6, 1) != sampled(by_file, 6, 2)


def test_equivalents_need_a_reason(tmp_path: Path) -> None:
    equivalents(ROOT / "docs" / "verification" / "equivalent_mutants.csv")
    path = tmp_path / "list.csv"
    path.write_text("mutant,reason\na: b,\n")
    with pytest.raises(UserError, match="no reason"):
        equivalents(path)


def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text("{\n")
    with pytest.raises(UserError, match="line 1"):
        Store(tmp_path / "results.jsonl")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository of one file and its test."""
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden" / "loop.py").write_text(LOOP)
    tests = tmp_path / "hw_tests" / "fast" / "golden"
    tests.mkdir(parents=True)
    (tests / "test_loop.py").write_text(TEST)
    (tmp_path / "docs" / "verification").mkdir(parents=True)
    (tmp_path / "docs" / "verification" / "equivalent_mutants.csv").write_text(
        "mutant,reason\ngolden/loop.py: last: i = 0: 0 -> 1,No caller asks for less than one.\n"
    )
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['slow', 'netlist']\n")
    return tmp_path


def test_a_campaign_is_counted_and_goes_on(tree: Path) -> None:
    command = [sys.executable, "-m", "lstmith.scripts.mutation", "--root", str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "1 failed, 2 passed, 1 timed out", done.stdout + done.stderr
    assert "survives  golden/loop.py: last: i += 1: 1 -> 2" in done.stdout
    assert "i = 0" not in done.stdout
    page = (tree / "docs" / "verification" / "mutation.md").read_text()
    assert "| all | 4 | 1 | 1 | 1 | 1 | 66.7 % |" in page
    store = tree / "build" / "mutation" / "results.jsonl"
    lines = store.read_text().splitlines()
    store.write_text("\n".join(lines[:3]) + "\n")
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    assert len(store.read_text().splitlines()) == len(lines) == 5
    assert (tree / "golden" / "loop.py").read_text() == LOOP


def test_what_one_test_misses_the_next_one_meets(tree: Path) -> None:
    """A test that imports the file comes behind the one of its name; both decide."""
    tests = tree / "hw_tests" / "fast" / "golden"
    (tests / "test_loop.py").write_text(TEST.replace(" == 6", ""))
    (tests / "test_wide.py").write_text(TEST + "\n\ndef unused():\n    import lstmith.golden.loop\n")
    command = [sys.executable, "-m", "lstmith.scripts.mutation", "--root", str(tree), "--tests"]
    one = subprocess.run([*command, "1"], capture_output=True, text=True, timeout=120, check=True)
    assert one.stdout.splitlines()[-1] == "3 passed, 1 timed out", one.stdout + one.stderr
    both = subprocess.run([*command, "2"], capture_output=True, text=True, timeout=120, check=True)
    assert both.stdout.splitlines()[-1] == "1 failed, 2 passed, 1 timed out", both.stdout + both.stderr


def test_an_unknown_file_is_refused(tree: Path) -> None:
    command = [sys.executable, "-m", "lstmith.scripts.mutation", "nonsense", "--root", str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == "files nonsense: no such file; name one below rtl, golden, compiler\n"
