"""docs/link.md says what spec/link_map.py says, docs/spi.md what the boards say."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmith.scripts.bench.link.docs import document, tables

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", sorted(tables()))
def test_tables_are_up_to_date(name: str) -> None:
    text = (ROOT / document(name)).read_text()
    found = text.partition(f"<!-- {name} begin -->\n")[2].partition(f"<!-- {name} end -->")[0]
    assert found == tables()[name], "run python -m lstmith.scripts.bench.link.docs"
