"""The bench of whole graphs, part by part."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lstmith.scripts.bench.choices import check_known
from lstmith.scripts.bench.graphs.bench import measure, refusals
from lstmith.scripts.bench.graphs.cases import Case, made_cases, real_cases
from lstmith.scripts.bench.graphs.demos import DEMOS, run_demo
from lstmith.scripts.bench.stamps import MEASURED, stamp

#: Graphs against onnxruntime, what is refused, and each network on the virtual board.
PARTS = ("real", "made", "refused", *DEMOS)


def run_graphs(report: Callable[[str], None], parts: Sequence[str]) -> dict[str, Any]:
    """Some parts as JSON values, by name, and when they were measured.

    Raises
    ------
    UserError
        If there is no such part.
    """
    check_known("--part", parts, PARTS)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "model.onnx"
        measures: dict[str, Callable[[], Any]] = {
            "real": lambda: _measured(real_cases(), path, report),
            "made": lambda: _measured(made_cases(), path, report),
            "refused": lambda: refusals(path),
        }
        for part in parts:
            report(part)
            found[part] = measures[part]() if part in measures else run_demo(part)
    return {**found, MEASURED: dict.fromkeys(parts, stamp())}


def _measured(cases: Sequence[Case], path: Path, report: Callable[[str], None]) -> dict[str, Any]:
    found = {}
    for case in cases:
        report(case.name)
        found[case.name] = measure(case, path)
    return found
