"""A board behind SPI in both simulators: random SCK, pauses, bytes broken off; h and cycles equal golden's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.cocotb.bench_runs import run_bench
from hw_tests.unit.link_cases import identity, small_design
from lstmith.boards.top import SIMULATED, simulation_verilog
from lstmith.host.request import integer_request
from lstmith.host.run import run_golden
from lstmith.host.simulate import SIMULATORS
from lstmith.spec.codes import Verdict
from lstmith.spec.link_map import Feature
from lstmith.spec.memory_image import image_tag
from lstmith.spec.policy import Policy

ROOT = Path(__file__).parents[2]
FEATURES = {"full": Feature.RECORDS | Feature.STATES | Feature.SPI, "narrow": Feature.SPI}


@pytest.mark.drawn(1)
@pytest.mark.parametrize(("simulator", "features"), list(zip(SIMULATORS, ("narrow", "full"), strict=True)))
@pytest.mark.parametrize("verdict", [Verdict.NONE, Verdict.ARGMAX])
def test_equals_golden(
    simulator: str,
    features: str,
    verdict: Verdict,
    rng: np.random.Generator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is lost or repeated, whatever the controller does between the bits of a byte."""
    design = small_design(np.random.default_rng(5), units=3, inputs=2, lanes=2)
    if verdict is not Verdict.NONE:
        network = replace(design.network, layers=(replace(design.network.layers[0], verdict=verdict),))
        design = replace(design, network=network, engine=replace(design.engine, verdicts=True))
    image, config = design.image(), design.engine
    told = identity(config, features=FEATURES[features], ring_words=128)
    (tmp_path / "board.v").write_text(simulation_verilog(told, image, image_tag(image, config)))
    design.save(tmp_path / "design")
    x = rng.normal(0, 1, (2, 3, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    (tmp_path / "seed.json").write_text(json.dumps(int(rng.integers(1 << 31))))
    run_bench("spi_bench", "LSTMITH_SPI", [tmp_path / "board.v"], SIMULATED, simulator, tmp_path)
    request = integer_request(design, [Policy()], design.network.quantise_input(x))
    golden = run_golden(request)
    if verdict is Verdict.NONE:
        np.testing.assert_array_equal(np.load(tmp_path / "h.npy"), golden.h)
    else:
        with np.load(tmp_path / "verdicts.npz") as found:
            np.testing.assert_array_equal(found["told"], golden.layers[-1].verdict)
            np.testing.assert_array_equal(found["lights"], golden.layers[-1].verdict[:, -1])
    if features == "narrow":
        return
    with np.load(tmp_path / "records.npz") as found:
        np.testing.assert_array_equal(found["h"], golden.layers[-1].h)
        np.testing.assert_array_equal(found["verdict"], golden.layers[-1].verdict)
        np.testing.assert_array_equal(found["cycles"], run_golden(request, found["idle"]).cycles)
