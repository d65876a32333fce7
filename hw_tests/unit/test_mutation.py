"""Mutants, the tests that claim their files, and a campaign that is stopped and goes on."""

from __future__ import annotations

import ast
import builtins
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lstmith.scripts.mutation.campaign import Store, sampled
from lstmith.scripts.mutation.claims import claiming, files
from lstmith.scripts.mutation.mutants import TOLD, mutants, told_scopes
from lstmith.scripts.mutation.recorder import SHARED, Calls, Recorder
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


def test_a_width_loses_a_bit_and_a_flag_keeps_its_own() -> None:
    """One bit more would hold nothing that is ever read."""
    assert _texts("a = Signal(8)\n") == ["a = Signal((7))\n"]
    assert _texts("a = In(signed(16))\n") == ["a = In(signed((15)))\n"]
    assert _texts("a = StructLayout({'one': 1, 'two': 2})\n") == ["a = StructLayout({'one': 1, 'two': (1)})\n"]
    assert _texts("a = Out(1)\nb = Const(c, 1)\n") == []
    assert _texts("a = b[:3]\n") == ["a = b[:(2)]\n"]
    assert _texts("a = Signal(n - 1)\n") == ["a = Signal((n + 1))\n", "a = Signal(n - (2))\n"]


def test_options_without_behaviour_stay() -> None:
    assert _texts("a = zip(b, c, strict=True)\nd = Signal(reset_less=True)\ne = Instance('CELL', p_SIZE=4)\n") == []


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
    # Tests of the folder and of those around it come before those of what uses it elsewhere.
    near = [claim.parent in (fast / "cell", fast) for claim in claims]
    assert near == sorted(near, reverse=True)
    assert 0 < sum(near) < len(near)
    assert all(claiming(ROOT, file) for file in files(ROOT) if file.startswith(("golden/", "rtl/")))


def test_the_sample_takes_files_in_turn_and_depends_on_the_seed() -> None:
    by_file = {name: mutants(name, "y = a + b + c + d + e + f + g\n") for name in ("a", "b")}
    first = sampled(by_file, 6, 1)
    assert [mutant.file for mutant in first] == ["a", "b"] * 3
    assert first == sampled(by_file, 6, 1) != sampled(by_file, 6, 2)


def test_a_line_more_moves_nothing_else_of_the_sample() -> None:
    """What was measured of a file stays in the sample after an edit of it, but for what the new line adds."""
    text = "y = a + b + c + d + e + f + g\n"
    before, after = (sampled({"a": mutants("a", each)}, 6, 1) for each in (text, text + "z = h * i\n"))
    names = {mutant.label for mutant in after}
    assert len({mutant.label for mutant in before} - names) <= 1


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
    # The page of all that is known runs nothing, and says what was run.
    told = subprocess.run([*command, "--stored"], capture_output=True, text=True, timeout=60, check=True)
    assert told.stdout == done.stdout
    assert store.read_text().splitlines() == lines
    again = (tree / "docs" / "verification" / "mutation.md").read_text()
    assert [row for row in again.splitlines() if "|" in row] == [row for row in page.splitlines() if "|" in row]
    assert "--stored" not in again
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


def test_files_whose_tests_do_not_call_the_function_do_not_count(tree: Path) -> None:
    """The file of the mutant's name comes first, but calls nothing of it: the one behind is the one that counts."""
    own = tree / "hw_tests" / "fast" / "golden" / "test_loop.py"
    own.with_name("test_wide.py").write_text(TEST + "\n\ndef unused():\n    import lstmith.golden.loop\n")
    own.write_text("def test_nothing():\n    import lstmith.golden.loop\n")
    command = [sys.executable, "-m", "lstmith.scripts.mutation", "--root", str(tree), "--tests", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "1 failed, 2 passed, 1 timed out", done.stdout + done.stderr


def test_a_mutant_meets_the_tests_that_call_its_function(tmp_path: Path) -> None:
    """What the tests of a file share is of all of them; of a module's own lines, those that call a function of it."""
    path = tmp_path / "calls.json"
    recorder = Recorder(path)
    told = getattr(builtins, TOLD)
    names: dict[str, Any] = {}
    exec(told_scopes("golden/a.py", '"""D."""\ndef f():\n    pass\n\n\ndef g():\n    pass\n'), names)
    for test, name in (("slow", "f"), ("quick", "f"), ("other", "g")):
        recorder._test = test
        names[name]()
    recorder._test = SHARED
    told("golden/b.py", "f")
    recorder._seconds = {"slow": 1.0, "quick": 0.1, "other": 0.2}
    recorder.pytest_sessionfinish()
    calls = Calls.read(path)
    assert calls.of("golden/a.py", "f", 9.0) == ["quick", "slow"]
    assert calls.of("golden/a.py", "f", 0.5) == ["quick"]
    assert calls.of("golden/a.py", "g", 0.0) == ["other"]
    assert calls.of("golden/a.py", "h", 9.0) == []
    assert calls.of("golden/a.py", "", 9.0) == ["quick", "other", "slow"]
    assert calls.of("golden/b.py", "f", 9.0) == ["quick", "other", "slow"]


def test_what_ended_before_the_limit_is_used(tree: Path) -> None:
    """A slow test of a file keeps none of the others from noticing a mutant."""
    test = tree / "hw_tests" / "fast" / "golden" / "test_loop.py"
    test.write_text(TEST + "\n\ndef test_for_ever():\n    while True:\n        pass\n")
    command = [sys.executable, "-m", "lstmith.scripts.mutation", "--root", str(tree), "--baseline", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "1 failed, 2 passed, 1 timed out", done.stdout + done.stderr


def test_a_mutant_that_one_test_noticed_meets_no_other(tree: Path) -> None:
    """Though a new test comes before the one that noticed it."""
    own = tree / "hw_tests" / "fast" / "golden" / "test_loop.py"
    own.rename(own.with_name("test_wide.py")).write_text(TEST + "\n\ndef unused():\n    import lstmith.golden.loop\n")
    command = [sys.executable, "-m", "lstmith.scripts.mutation", "--root", str(tree)]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    own.write_text(TEST)
    store = tree / "build" / "mutation" / "results.jsonl"
    known = len(store.read_text().splitlines())
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "1 failed, 2 passed, 1 timed out"
    new = [json.loads(line) for line in store.read_text().splitlines()[known:]]
    assert sorted(entry["name"] for entry in new) == [
        "golden/loop.py: last: i += 1: 1 -> 2",
        "golden/loop.py: last: i = 0: 0 -> 1",
        "hw_tests/fast/golden/test_loop.py",
    ]


def test_an_unknown_file_is_refused(tree: Path) -> None:
    command = [sys.executable, "-m", "lstmith.scripts.mutation", "nonsense", "--root", str(tree)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == "files nonsense: no such file; name one below rtl, golden, compiler\n"
