"""The totals of docs/verification: from what pytest lists, the list of properties, and the campaign of mutants."""

from __future__ import annotations

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
    text = page({"measured": "today", "properties": len(all_properties()), "tests": {"fast": 15}}, mutants)
    assert "| mutants of `golden/`, `rtl/` noticed | 95 of 100 (95.0 %) | yesterday | `make mutation` |" in text
    assert f"| properties proven | {len(all_properties())} | today |" in text
    assert "| tests | 15 | today |" in text
    assert "| `hw_tests/unit` | 0 |" in text
