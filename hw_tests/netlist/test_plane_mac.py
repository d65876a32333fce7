"""MACs of two digit planes as yosys maps them: what they compute, and what their lanes take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.vectors import run_checks
from hw_tests.fast.rtl.array.mac.mac_cases import random_check
from lstmith.rtl.array.array import SystolicArray
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.scripts.bench.area import synthesised
from lstmith.spec.config import EngineConfig

pytestmark = pytest.mark.netlist

CYCLES = 1500
#: Widths of digits, of operands and of sums.
SIZES = (((4,), 9, 20), ((4,), 11, 24), ((8,), 17, 40), ((4, 8), 17, 40))


@pytest.mark.drawn(1)
@pytest.mark.parametrize(("family", "kinds"), [("ecp5", ("dsp", "digit")), ("ice40", ("dsp",))])
def test_mapped_sums(family: str, kinds: tuple[str, ...], rng: np.random.Generator, tmp_path: Path) -> None:
    checks = {}
    for kind in kinds:
        for word_bits, operand_width, acc_width in SIZES:
            mac = MacParameters(
                kind=kind,
                family=family,
                word_bits=word_bits,
                planes=2,
                operand_width=operand_width,
                acc_width=acc_width,
                pipelined=family == "ecp5",
            )
            checks[f"{kind}_{'_'.join(map(str, word_bits))}_{operand_width}"] = random_check(rng, mac, CYCLES)
    run_checks(checks, "icarus", tmp_path, family)


@pytest.mark.parametrize(
    ("precisions", "operand_width", "acc_width", "logic"), [((4, 8), 13, 24, 152), ((4, 8, 16), 17, 40, 349)]
)
def test_lane_takes(
    precisions: tuple[int, ...], operand_width: int, acc_width: int, logic: int, tmp_path: Path
) -> None:
    config = EngineConfig(
        lanes=2,
        family="ecp5",
        precisions=precisions,
        planes=2,
        operand_width=operand_width,
        acc_width=acc_width,
    )
    two, four = (synthesised(SystolicArray(replace(config, lanes=lanes)), tmp_path) for lanes in (2, 4))
    assert (four.logic - two.logic) / 2 <= logic
    assert four.dsps - two.dsps == 4
