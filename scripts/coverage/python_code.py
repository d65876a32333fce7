"""Lines and branches of the golden model and of the compiler that tests run, by coverage.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Folders that are measured.
FOLDERS = ("golden", "compiler")
#: Files of tests that run, as patterns: those of the two folders that neither synthesise nor train.
TESTS = (
    "hw_tests/fast/golden/test_*.py",
    "hw_tests/fast/compiler/**/test_*.py",
    *(
        f"hw_tests/unit/test_{name}.py"
        for name in (
            *("import_*", "quantise*", "graph_*", "head_programs", "program*", "policy_errors", "plan_run", "order"),
            *("numbers", "kinds", "symbols", "size", "choose", "early", "memories", "outputs", "design", "data"),
            *("calls", "chains", "fixed", "register_texts", "report", "hostile_files", "cli_errors", "margins"),
        )
    ),
)


class TestsFailedError(Exception):
    """A test failed, so that nothing is said of coverage; the message is the end of what pytest told."""


def measure(tests: Sequence[str], workers: int, folder: Path, root: Path) -> dict[str, dict[str, int]]:
    """Counts by block: ``lines``, ``lines met``, ``branches``, ``branches met``.

    Parameters
    ----------
    tests : sequence of str
        Patterns of files.
    workers : int
        Processes.
    folder : Path
        For what coverage.py writes.
    root : Path
        Of the sources.

    Raises
    ------
    TestsFailedError
    """
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / "python.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(workers), "--dist", "loadfile"]
    command += ["-m", "(not slow or drawn) and not netlist", "--cov-branch", f"--cov-report=json:{report}"]
    command += [*(f"--cov={name}" for name in FOLDERS)]
    command += sorted(str(path) for pattern in tests for path in root.glob(pattern))
    environment = {**os.environ, "COVERAGE_FILE": str(folder / ".coverage")}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise TestsFailedError("\n".join(done.stdout.splitlines()[-30:]))
    return by_block(json.loads(report.read_text(encoding="utf-8")))


def by_block(report: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Counts by folder of what coverage.py reports."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, file in report["files"].items():
        summary = file["summary"]
        for block in (Path(name).parent.as_posix(), name):
            counts = found[block]
            counts["lines"] += summary["num_statements"]
            counts["lines met"] += summary["covered_lines"]
            counts["branches"] += summary["num_branches"]
            counts["branches met"] += summary["covered_branches"]
    return {block: dict(counts) for block, counts in found.items()}
