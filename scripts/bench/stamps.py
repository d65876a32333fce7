"""When and at which commit figures were measured, so that a table never looks newer than it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache

from lstmith.flow.commit import source_commit

#: Key of the figures that holds each part's stamp.
MEASURED = "measured"


@cache
def stamp() -> str:
    """Day and commit when this process first asked, which is the code it runs, whatever is committed meanwhile."""
    return f"{date.today().isoformat()} at `{source_commit().hex()[:7]}`"


def told(stamps: Mapping[str, str]) -> str:
    """A sentence that tells which parts were measured when, the latest first.

    Parameters
    ----------
    stamps : mapping of str to str
        What :func:`stamp` gave, by part.
    """
    latest_first = sorted(set(stamps.values()), reverse=True)
    if not latest_first:
        return "Not measured yet."
    if len(latest_first) == 1:
        return f"Measured {latest_first[0]}."
    by_stamp = [f"{when}: {', '.join(part for part in stamps if stamps[part] == when)}" for when in latest_first]
    return f"Measured {'; '.join(by_stamp)}."
