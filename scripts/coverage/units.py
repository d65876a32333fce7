"""The checks of the fast tier on Verilator, which counts lines and toggles of each unit."""

from __future__ import annotations

import importlib
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hw_tests.checks import Check
from hw_tests.cocotb.test_units import GROUPS
from hw_tests.cocotb.vectors import run_checks
from lstmith.flow.tools import verilator_environment
from lstmith.scripts.coverage.engines import OPTIONS
from lstmith.scripts.coverage.points import Point, SourceMap, read_points


def covered(group: str, rng: np.random.Generator, folder: Path, root: Path) -> Counter[Point]:
    """Points that a group's checks meet, each check at the fast tier's size.

    Parameters
    ----------
    group : str
        One of the groups of ``hw_tests/cocotb/test_units.py``.
    rng : Generator
    folder : Path
        For the build; emptied before.
    root : Path
        Of the sources.

    Raises
    ------
    AssertionError
        If a unit answers wrong.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    checks: dict[str, Check] = {}
    for unit in GROUPS[group]:
        *folders, name = unit.split(".")
        module = importlib.import_module(".".join(("hw_tests.fast.rtl", *folders, f"test_{name}")))
        checks |= {f"{name}_{case}": check for case, check in module.checks(rng, full=False).items()}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in verilator_environment().items():
            patch.setenv(name, value)
        run_checks(checks, "verilator", folder, options=OPTIONS)
    text = (folder / "units.v").read_text(encoding="utf-8")
    return read_points(folder / "coverage.dat", SourceMap(text, root))
