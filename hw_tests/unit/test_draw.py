"""Which cases of a test `make test` runs: as many as its mark says, drawn by the seed of the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from hw_tests.cocotb.test_random_networks import test_core_equals_golden as marked

TESTS = Path(__file__).parents[1] / "cocotb" / "test_random_networks.py"
NAME = f"{marked.__name__}["
COUNT = next(mark.args[0] for mark in vars(marked)["pytestmark"] if mark.name == "drawn")


def collected(seed: int, wanted: str) -> list[str]:
    """Names of the cases of one test that a run with a seed and an expression of marks would run."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "--collect-only",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        wanted,
        TESTS,
    ]
    done = subprocess.run(
        command, env={**os.environ, "LSTMITH_SEED": str(seed)}, capture_output=True, text=True, check=True
    )
    return [line.partition("::")[2] for line in done.stdout.splitlines() if NAME in line]


def test_a_run_draws_and_the_night_takes_all() -> None:
    first, other, night = collected(1, "not slow"), collected(2, "not slow"), collected(1, "slow or drawn")
    assert len(first) == len(other) == COUNT
    assert first != other
    assert first == collected(1, "not slow")
    assert {*first, *other} < {*night}
    assert len(night) > 60
