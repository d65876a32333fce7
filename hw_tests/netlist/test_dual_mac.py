"""iCE40's multiplier that takes both rows of a word, as yosys maps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_tests.cocotb.vectors import run_checks
from hw_tests.fast.rtl.array.mac.mac_cases import dual_check

pytestmark = pytest.mark.netlist


def test_every_product(tmp_path: Path) -> None:
    run_checks({"dual": dual_check()}, "icarus", tmp_path, "ice40")
