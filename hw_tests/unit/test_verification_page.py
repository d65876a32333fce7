"""The totals of docs/verification: from what pytest lists, the list of properties, and the campaign of mutants."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hw_tests.formal.properties import all_properties
from lstmith.scripts.docs.stages import Block, blocks, blocks_page
from lstmith.scripts.docs.verification import counted_by_tier, history, history_text, page, readme_text

LISTING = """hw_tests/fast/rtl/test_top.py: 12
hw_tests/fast/golden/test_cell.py: 3
hw_tests/unit/test_cli.py: 40
SKIPPED [1] hw_tests/unit/test_training.py:8: training needs the extra torch
"""


def test_tests_are_counted_by_tier() -> None:
    assert counted_by_tier(LISTING) == {"fast": 15, "unit": 40}


def test_totals() -> None:
    """Mutants that time out are noticed; those that change nothing count for neither."""
    mutants = {
        "measured": "yesterday",
        "command": "make mutation",
        "blocks": {
            "all": {"failed": 90, "timed out": 5, "passed": 5, "equivalent": 7},
            "golden": {"failed": 60, "equivalent": 7},
            "rtl/link": {"failed": 30, "timed out": 5, "passed": 5},
        },
    }
    flips = {
        "all": {"masked": 4, "hang": 2, "right after a reset": 3, "right after a reload": 1, "right after nothing": 2}
    }
    written: dict[str, dict[str, Any]] = {
        "mutation": mutants,
        "flips": {"measured": "once", "command": "make flips", "counts": flips},
        "long": {"measured": "now", "command": "make long", "steps": 5000, "mismatches": 1, "wrong_cycles": 2},
    }
    text = page({"measured": "today", "properties": len(all_properties()), "tests": {"fast": 15}}, written)
    assert "makes the core right | 4 of 6 | once | `make flips` |" in text
    assert "in values and cycles | 4,997 of 5,000 | now | `make long` |" in text
    assert "fuzz.json" not in text
    assert "| mutants of `golden/`, `rtl/` noticed | 95 of 100 (95.0 %) | yesterday | `make mutation` |" in text
    assert f"| properties proven | {len(all_properties())} | today |" in text
    assert "| tests | 15 | today |" in text
    assert "| `hw_tests/unit` | 0 |" in text


def test_blocks_are_put_together_from_what_commands_found() -> None:
    mutation = {
        "blocks": {
            "all": {"failed": 29, "passed": 1},
            "golden": {"failed": 10},
            "rtl": {"failed": 9, "timed out": 10, "passed": 1},
            "rtl/link": {"passed": 2, "failed": 2},
        }
    }
    hardware = {
        "all": {"line": {"met": 1}},
        "rtl/top.py": {"line": {"met": 3, "missed": 1}, "toggle": {"met": 9, "missed": 1, "waived": 5}},
        "rtl/engine.py": {"line": {"met": 96}},
    }
    software = {"golden": {"branches": 1, "branches met": 0}, "golden/cell.py": {"branches": 20, "branches met": 19}}
    coverage = {"rtl": {"blocks": hardware}, "python": {"blocks": software}}
    golden, rtl, link = blocks(LISTING, mutation, coverage, ["rtl/top.py", "rtl/engine.py", "rtl/link/ring.py"])
    assert golden == Block("golden", 3, 0, 0, None, None, 0.95, 1.0)
    assert rtl == Block("rtl", 12, 2, 1, 0.99, 0.9, None, 0.95)
    assert link == Block("rtl/link", 0, 1, 2, None, None, None, 0.5)
    text = blocks_page([golden, rtl, link])
    assert "| `golden` | 3 | - | - | 95.0% | 100.0% | 0 | V3 | none |" in text
    assert "| `rtl` | 12 | 99.0% | 90.0% | - | 95.0% | 2 | D3, V2 | 1 mutant survives |" in text
    assert (
        "| D3, V0 | no tests of its own; mutants below 95%; lines not measured; toggles not measured; 2 mutants" in text
    )


@pytest.mark.parametrize(
    ("block", "stage", "exceptions"),
    [
        (Block("rtl/cell", 1, 1, 0, 1.0, 1.0, None, 1.0), "V3", ""),
        (Block("rtl/cell", 1, 0, 0, 1.0, 1.0, None, 1.0), "V2", "nothing proven"),
        (Block("rtl/cell", 1, 1, 0, 0.94, 1.0, None, 1.0), "V1", "lines below 95%"),
        (Block("rtl/cell", 1, 1, 0, 1.0, 0.89, None, 1.0), "V1", "toggles below 90%"),
        (Block("golden", 1, 0, 0, None, None, 0.89, 1.0), "V1", "branches below 90%"),
        (Block("golden", 1, 0, 2, None, None, 0.9, 0.95), "V2", "2 mutants survive"),
        (Block("golden", 0, 0, 0, None, None, 0.9, 1.0), "V0", "no tests of its own"),
    ],
)
def test_stages(block: Block, stage: str, exceptions: str) -> None:
    assert (block.verification, block.exceptions) == (stage, exceptions)


def test_a_block_that_is_in_no_bitstream_says_so() -> None:
    wrappers = Block("rtl/wrappers", 1, 1, 0, 1.0, 1.0, None, 1.0)
    assert (wrappers.design, wrappers.verification) == ("D2", "V3")
    assert "in no bitstream" in wrappers.exceptions


def test_history_is_that_of_git(tmp_path: Path) -> None:
    """Totals of each commit that changed them, newest first; what a commit had not measured yet is a dash."""
    assert history_text(history(tmp_path)) == ""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    path = tmp_path / "docs" / "verification" / "verification.json"
    path.parent.mkdir(parents=True)
    for count, more in ((1, {}), (2, {"mutation": {"mutants of `rtl/` noticed": "9 of 10"}})):
        path.write_text(json.dumps({"properties": count, "tests": {"fast": count, "unit": 1}, **more}))
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", "totals"], check=True)
    found = history(tmp_path)
    assert [told["properties"] for _, _, told in found] == [2, 1]
    assert all(len(day) == len("2026-01-01") for _, day, _ in found)
    new, old = history_text(found).splitlines()[-2:]
    assert new.endswith("| 2 | 3 | 9 of 10 | - | - | - |")
    assert old.endswith("| 1 | 2 | - | - | - | - |")


def test_readme_has_the_totals_of_the_page() -> None:
    folder = Path(__file__).parents[2] / "docs" / "verification"
    figures = json.loads((folder / "verification.json").read_text())
    written = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("mutation", "coverage")}
    assert readme_text(figures, written) in (folder.parents[1] / "README.md").read_text()
