"""Engines of several programs: the kind of multiplier is the one that was asked for, or the better one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.compiler.chains import Chain, compile_chains
from lstmith.compiler.options import CompileOptions
from lstmith.compiler.programs import Program
from lstmith.compiler.sizing.programs import size_programs


@pytest.fixture(scope="module")
def programs() -> Sequence[Program]:
    rng = np.random.default_rng(2)
    networks = [random_network(rng, units, 3) for units in (36, 40)]
    chains = [
        Chain(f"n{index}", network, np.asarray(random_calibration(rng, network).x, np.float32))
        for index, network in enumerate(networks)
    ]
    return compile_chains(chains, precision=8).programs


@pytest.mark.parametrize("target", ["colorlight-5a75b", "generic"])
def test_auto_takes_the_kind_with_fewer_words(target: str, programs: Sequence[Program]) -> None:
    options = {mac: CompileOptions(8, target=target, mac=mac) for mac in ("dsp", "digit", "auto")}
    sized = {mac: size_programs(programs, each) for mac, each in options.items()}
    kinds = {mac: engine.mac for mac, (engine, _) in sized.items()}
    words = {mac: report.weight_words for mac, (_, report) in sized.items()}
    assert (kinds["dsp"], kinds["digit"]) == ("dsp", "digit")
    if target == "generic":
        # Without a board nothing tells the kinds apart.
        assert kinds["auto"] == "dsp"
    else:
        assert words["dsp"] != words["digit"]
        assert words["auto"] == min(words["dsp"], words["digit"])
