"""The checks of the fast tier at their full size on Verilator: one build for a group of units.

Icarus takes minutes for what Verilator does in seconds. It runs them as they are, with `pytest -m slow`: whole engines
on Icarus are a part of every run.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from hw_tests.checks import Check
from hw_tests.cocotb.vectors import SIMULATORS, run_checks

#: Units whose tables are of about the same length, by folder of ``rtl`` and file.
GROUPS = {
    "macs": ("array.mac.dsp", "array.mac.digit"),
    "arithmetic": ("cell.activation", "cell.squash", "cell.requantise", "cell.cell"),
    "array": ("array.array", "array.lane", "array.mac.negated", "array.weight_bank", "cell.drain_reader", "cell.gates"),
    "lists": ("lists.encoder", "lists.symbol_encoder", "lists.input_stage", "lists.feedback", "lists.column_lists"),
    "cell": ("cell.monitor", "cell.predictor", "cell.state_loader", "cell.state_memory"),
    "small": ("prim.arith", "prim.product", "prim.ram", "control", "drain_path"),
    "sequencer": (
        *("sequencer.slot_issuer", "sequencer.throttle", "sequencer.recompute_decision"),
        *("sequencer.pass_control", "sequencer.sequencer", "program_store"),
    ),
    "link": (
        *("link.admission", "link.answer", "link.collect", "link.executor", "link.frame"),
        *("link.queue", "link.receiver", "link.ring", "link.spi", "link.uart"),
    ),
}


@pytest.mark.drawn(3)
@pytest.mark.parametrize(
    "simulator", [pytest.param(each, marks=pytest.mark.slow if each == "icarus" else ()) for each in SIMULATORS]
)
@pytest.mark.parametrize("group", GROUPS)
def test_units(group: str, simulator: str, rng: np.random.Generator, tmp_path: Path) -> None:
    checks: dict[str, Check] = {}
    for unit in GROUPS[group]:
        *folders, name = unit.split(".")
        module = importlib.import_module(".".join(("hw_tests.fast.rtl", *folders, f"test_{name}")))
        checks |= {f"{name}_{case}": check for case, check in module.checks(rng, full=simulator == "verilator").items()}
    run_checks(checks, simulator, tmp_path)
