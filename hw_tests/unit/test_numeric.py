"""Errors by their cause: each stage's figure moves when, and only when, what it stands for is at fault."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.limits import EngineLimits
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.quantise import quantise
from lstmith.golden.network import FloatArray, FloatNetwork
from lstmith.scripts.numeric.__main__ import page, shares
from lstmith.scripts.numeric.networks import deep_case
from lstmith.scripts.numeric.stages import STAGES, Errors, measure
from lstmith.spec.config import EngineConfig
from lstmith.spec.quantised import QuantNetwork


def _engine(network: QuantNetwork, c_width: int = 18) -> EngineConfig:
    return EngineConfig(
        lanes=1,
        precisions=(16,),
        acc_width=48,
        operand_width=18,
        units=sum(layer.units for layer in network.layers),
        inputs=network.inputs,
        layers=len(network.layers),
        peepholes=True,
        c_width=c_width,
    )


def _made(rng: np.random.Generator) -> tuple[FloatNetwork, QuantNetwork, FloatArray]:
    network = random_network(rng, 8, 4, layers=2, peepholes=True)
    data = random_calibration(rng, network)
    return (
        network,
        quantise(network, data, precision=[16, 16], limits=EngineLimits()).network,
        data.x.astype(np.float64),
    )


def test_stages_of_a_network_that_fits(rng: np.random.Generator) -> None:
    """Each stage is small, and with all of them the float network is as far from float64 as golden is."""
    network, integer, x = _made(rng)
    found = measure(network, integer, _engine(integer), x)
    assert list(found.stages) == list(STAGES)
    assert max(found.stages.values()) < 1e-3
    assert found.stages["datapath"] < found.stages["c"] + 2e-4
    assert found.nudged < 1e-6
    assert found.cause(1e-3) is None


def test_an_input_beyond_its_calibration_is_clipped(rng: np.random.Generator) -> None:
    network, integer, x = _made(rng)
    found = measure(network, integer, _engine(integer), 4 * x)
    assert found.cause(5e-3) == "input clipping"


def test_weights_that_differ_are_the_weights_fault(rng: np.random.Generator) -> None:
    network, integer, x = _made(rng)
    worse = replace(integer.layers[0], weights=integer.layers[0].weights * 7 // 8)
    found = measure(network, replace(integer, layers=(worse, *integer.layers[1:])), _engine(integer), x)
    assert found.cause(5e-4) == "weights and shared scales"


def test_a_narrow_cell_state_is_to_blame() -> None:
    case = deep_case(0)
    limits = EngineLimits(c_width=14)
    integer = quantise(case.network, Calibration(case.calibration), precision=[16] * 3, limits=limits).network
    found = measure(case.network, integer, _engine(integer, c_width=14), case.x)
    assert found.cell > 100
    assert found.cause(1e-3) == "c"


def test_a_cause_is_the_first_beyond_the_bound() -> None:
    stages = dict(zip(STAGES, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0), strict=True))
    assert Errors(stages, 0.0, 9.0, 1.0).cause(3.5) == "h"
    assert Errors(stages, 4.0, 9.0, 1.0).cause(3.5) == "the network itself"
    assert Errors(stages, 9.0, 9.0, 1.0).cause(6.0) is None


def test_shares_and_their_page() -> None:
    errors = {"stages": dict.fromkeys(STAGES, 1e-4), "nudged": 0.0, "peak": 1.0, "cell": 1.0}
    row = {"name": "1", "group": "wild", "bits": 16, **errors}
    rows = [{**row, "cause": None}, {**row, "cause": "c"}, {"name": "2", "group": "wild", "bits": 16, "refused": "no"}]
    found = shares(rows, 16, "wild")
    assert (found["networks"], found["refused"], found["within"], found["causes"]) == (3, 1, 1, {"c": 1})
    assert found["median"] == pytest.approx(1e-4)
    wider = {"networks": 20, "within": 19, "mean": 3e-4, "most": 2e-3}
    text = page({"measured": "today", "command": "make numeric", "shares": {16: {"wild": found}}, "wider": {22: wider}})
    assert "| 16 bits | 0.001 | wild | 3 | 1 | 1 | 0 | 0 | 0 | 0 | 0 | 1 | 0 |" in text
    assert "| 22 | 20 | 19 | 3.0e-04 | 2.0e-03 |" in text
