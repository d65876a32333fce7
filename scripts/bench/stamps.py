"""When and at which commit figures were measured, so that a table never looks newer than it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from lstmith.flow.commit import source_commit

#: Key of the figures that holds each part's stamp.
MEASURED = "measured"


def now() -> str:
    """Today, and the commit of this source."""
    return f"{date.today().isoformat()} at `{source_commit().hex()[:7]}`"


def told(stamps: Mapping[str, str]) -> str:
    """A sentence that tells which parts were measured when, the latest first.

    Parameters
    ----------
    stamps : mapping of str to str
        What :func:`now` gave, by part.
    """
    latest_first = sorted(set(stamps.values()), reverse=True)
    if not latest_first:
        return "Not measured yet."
    if len(latest_first) == 1:
        return f"Measured {latest_first[0]}."
    by_stamp = [f"{stamp}: {', '.join(part for part in stamps if stamps[part] == stamp)}" for stamp in latest_first]
    return f"Measured {'; '.join(by_stamp)}."
