"""Figures by network, kept so that one network may be measured again without the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from lstmith.compiler.files import whole_file
from lstmith.scripts.bench.stamps import MEASURED, stamp


def measured_and_kept(
    names: Iterable[str], every: Sequence[str], measure: Callable[[str], dict[str, Any]], folder: Path
) -> dict[str, Any]:
    """Measure networks, and give the figures of all that were ever measured.

    Parameters
    ----------
    names : iterable of str
        Networks to measure.
    every : sequence of str
        All networks, in the order of the result.
    measure : callable
        A network's figures, as JSON values.
    folder : Path
        Keeps each network's figures, with the day and the commit.

    Returns
    -------
    dict
        ``measured``: stamps by network; ``networks``: their figures; ``missing``: names that were never measured.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        found = measure(name)
        with whole_file(folder / f"{name}.json") as draft:
            draft.write_text(json.dumps({**found, MEASURED: stamp()}) + "\n")
    files = {name: path for name in every if (path := folder / f"{name}.json").is_file()}
    values = {name: json.loads(path.read_text()) for name, path in files.items()}
    stamps = {name: each.pop(MEASURED) for name, each in values.items()}
    return {
        MEASURED: stamps,
        "networks": list(values.values()),
        "missing": [name for name in every if name not in values],
    }
