"""Layouts: every field holds the largest value that there may be."""

from __future__ import annotations

import pytest

from lstmith.rtl.layouts import length_layout


@pytest.mark.parametrize("entries", range(1, 70))
def test_lengths_count_every_entry(entries: int) -> None:
    """A whole list, none of whose entries is of one plane alone, has two digits per entry."""
    widths = {name: field.width for name, field in length_layout(entries, 2)}
    assert widths == {
        "count": entries.bit_length(),
        "low": entries.bit_length(),
        "digits": (2 * entries).bit_length(),
    }
    assert {name for name, _ in length_layout(entries, 1)} == {"count"}
