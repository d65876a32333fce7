"""Silero VAD on real speech, 64 lanes, 8-bit weights: the core equals golden frame by frame, cycle by cycle."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import numpy as np
import numpy.typing as npt
import pytest

from hw_tests.cocotb.core_cases import Case, differences, golden_case, image_writes, policy_writes
from lstmith.compiler.host_graph import HostGraph
from lstmith.compiler.importer import load_model
from lstmith.compiler.quantise import quantise
from lstmith.compiler.size import weight_words
from lstmith.compiler.split import split_model
from lstmith.golden.config import EngineConfig
from lstmith.golden.errors import UserError
from lstmith.golden.image import Image, build_image
from lstmith.golden.model import GoldenModel
from lstmith.golden.policy import Mode, Policy
from lstmith.golden.quantised import QuantNetwork
from lstmith.host.jobs import Job
from lstmith.host.simulate import Simulation
from lstmith.rtl.top import to_verilog
from lstmith.scripts.accuracy import padded
from lstmith.scripts.silero import features, model_path
from lstmith.scripts.speech import calibration_audio, demo_audio

LANES = 64
FRAMES = {"verilator": 300, "icarus": 50}


@pytest.fixture(scope="module")
def network_and_input() -> tuple[QuantNetwork, npt.NDArray[np.int16]]:
    """The network at 8 bits and the demo recording as its input, int16 [T, 128]."""
    try:
        calibration, demo = calibration_audio(), demo_audio()
    except (UserError, URLError) as error:
        pytest.skip(f"recordings cannot be fetched: {error}")
    graph = HostGraph(split_model(model_path()))
    data = padded([features(recording.samples, graph) for recording in calibration])
    network = quantise(load_model(model_path()), data, precision=[8]).network
    return network, network.quantise_input(features(demo.samples, graph))


def _engine(network: QuantNetwork) -> tuple[EngineConfig, Image]:
    layer = network.layers[0]
    config = EngineConfig(
        lanes=LANES,
        precisions=(8,),
        acc_width=layer.sum_bound.bit_length() + 1,
        operand_width=max(layer.x_grid.span, layer.h_grid.span).bit_length() + 1,
        weight_depth=weight_words(network, LANES),
    )
    return config, build_image(network, config, [Policy()])


@pytest.mark.parametrize("simulator", sorted(FRAMES))
def test_speech(simulator: str, network_and_input: tuple[QuantNetwork, npt.NDArray[np.int16]], tmp_path: Path) -> None:
    network, x = network_and_input
    frames = FRAMES[simulator]
    # From the middle: speech, and pauses between sentences.
    x = x[200 : 200 + frames]
    assert len(x) == frames
    config, image = _engine(network)
    model = GoldenModel(network, config)
    modes = list(Mode) if simulator == "verilator" else [Mode.DELTA]
    # Initial contents cost Verilator minutes to compile, bus writes cost Icarus minutes to run.
    loaded = simulator == "verilator"
    cases: list[Case] = []
    for mode in modes:
        policies = [Policy(mode)]
        own = build_image(network, config, policies)
        writes = image_writes(own, config) if loaded and not cases else policy_writes(own)
        cases.append(golden_case(mode.name, model, policies, Job(x, writes))[0])
    source = tmp_path / "core.v"
    source.write_text(to_verilog(config, None if loaded else image))
    answers = Simulation([source], simulator, tmp_path / "simulation").run([case.job for case in cases])
    found = [line for case, answer in zip(cases, answers, strict=True) for line in differences(case, answer)]
    assert not found, "\n".join(found)
    assert all((answer.results == answers[0].results).all() for answer in answers)
    total = [int(case.cycles.sum()) for case in cases if case.cycles is not None]
    assert len(total) == len(modes)
    assert total[-1] == min(total), "delta is the shortest way"
