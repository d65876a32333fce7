"""The totals of docs/verification: from what pytest lists, the list of properties, and the campaign of mutants."""

from __future__ import annotations

from typing import Any

from hw_tests.formal.properties import all_properties
from lstmith.scripts.docs.verification import counted_by_tier, page

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
