"""Several chains of layers in one design: compiled, kept, run, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_tests.unit.networks import random_calibration, random_network
from lstmith.boards.catalogue import DEFAULT, find_board
from lstmith.compiler.chains import Chain, compile_chains
from lstmith.compiler.design import Design
from lstmith.golden.model import GoldenModel
from lstmith.host.accelerator import Accelerator
from lstmith.host.board_sim import VirtualBoard
from lstmith.host.request import RunRequest
from lstmith.host.results import mismatches
from lstmith.host.run import run_golden
from lstmith.host.runner import read_request
from lstmith.spec.errors import UserError

STEPS = 6


@pytest.fixture(scope="module")
def design() -> Design:
    """An encoder, a decoder that takes its states over, and a stack that has nothing to do with them."""
    rng = np.random.default_rng(7)
    networks = {"encoder": random_network(rng, 9, 4), "decoder": random_network(rng, 9, 6)}
    networks["stack"] = random_network(rng, 5, 3, layers=2)
    # Its larger cell states take a coarser format.
    wide = replace(networks["decoder"].layers[0], bias=networks["decoder"].layers[0].bias + 3.0)
    networks["decoder"] = replace(networks["decoder"], layers=(wide,))
    chains = [
        Chain(name, network, random_calibration(rng, network).x, "encoder" if name == "decoder" else None)
        for name, network in networks.items()
    ]
    return compile_chains(chains, target="generic")


def _request(design: Design, program: str, rng: np.random.Generator, after: RunRequest | None = None) -> RunRequest:
    chosen = design.select(program)
    x = rng.normal(0, 1, (2, STEPS, chosen.network.inputs)).astype(np.float32)
    return read_request(chosen, {"x": x, "lengths": np.array([STEPS, STEPS - 2])}, None, after)


def test_one_engine_for_all(design: Design, tmp_path: Path) -> None:
    engine = design.engine
    assert (engine.programs, engine.units, engine.layers, engine.inputs) == (3, 10, 2, 6)
    encoder, decoder, _ = design.programs
    assert encoder.state_format == decoder.state_format
    assert all(entry["error"]["mean"] < 0.02 for entry in design.report["programs"].values())
    design.save(tmp_path / "d")
    loaded = Design.load(tmp_path / "d")
    assert [(entry.name, entry.place) for entry in loaded.programs] == [
        ("encoder", 0),
        ("decoder", 0),
        ("stack", 0),
    ]
    for mine, kept in zip(design.programs, loaded.programs, strict=True):
        for layer, same in zip(mine.network.layers, kept.network.layers, strict=True):
            np.testing.assert_array_equal(layer.weights, same.weights)
    assert loaded.image().descriptors == design.image().descriptors


def test_each_program_runs_as_its_network(design: Design, rng: np.random.Generator) -> None:
    for name in ("encoder", "decoder", "stack"):
        request = _request(design, name, rng)
        traces = GoldenModel(request.design.network, design.engine).run(request.x, request.policies)
        run = run_golden(request)
        np.testing.assert_array_equal(run.layers[-1].h[0], traces[-1].h[0])
        # A sequence's first step waits for its program's descriptors.
        assert run.cycles[0, 0] > run.cycles[0, 2]


def test_states_are_handed_over(design: Design, rng: np.random.Generator) -> None:
    """As if the decoder had been given the encoder's last states, but for the time that it takes."""
    encoder = _request(design, "encoder", rng)
    decoder = _request(design, "decoder", rng, after=encoder)
    before, run = run_golden(encoder), run_golden(decoder)
    given = replace(decoder, after=None, state=before.final_states())
    loaded = run_golden(given)
    for mine, theirs in zip(run.layers, loaded.layers, strict=True):
        np.testing.assert_array_equal(mine.h, theirs.h)
        np.testing.assert_array_equal(mine.c, theirs.c)
    extra = run.cycles - loaded.cycles
    assert (extra[:, 0] >= 9).all()  # nine units are listed anew
    assert not extra[:, 1:].any()
    zero = run_golden(replace(given, state=None))
    assert (zero.layers[0].h != run.layers[0].h).any()


def test_equal_weights_are_stored_once(rng: np.random.Generator) -> None:
    network, other = random_network(rng, 6, 3), random_network(rng, 6, 3)
    x = random_calibration(rng, network).x
    twice = compile_chains([Chain("one", network, x), Chain("two", network, x)], target="generic")
    apart = compile_chains([Chain("one", network, x), Chain("two", other, x)], target="generic")
    assert 2 * twice.engine.weight_depth == apart.engine.weight_depth
    assert twice.image().descriptors[0] == twice.image().descriptors[1]


def test_a_board_holds_programs_or_says_why_not(rng: np.random.Generator) -> None:
    chains = [Chain(name, network := random_network(rng, 20, 8), random_calibration(rng, network).x) for name in "ab"]
    assert compile_chains(chains, target="ulx3s-85f", mac="auto").engine.programs == 2
    large = [Chain(name, network := random_network(rng, 180, 90), random_calibration(rng, network).x) for name in "ab"]
    with pytest.raises(UserError, match=r"^target: icebreaker has .* bits for weights and the network needs"):
        compile_chains(large, target="icebreaker")


def test_what_is_refused(design: Design, rng: np.random.Generator) -> None:
    network = random_network(rng, 4, 3)
    x = random_calibration(rng, network).x
    with pytest.raises(UserError, match=r"^chains: are 0; give 1 to 8"):
        compile_chains([])
    with pytest.raises(UserError, match=r"^chains: have the name 'a' twice"):
        compile_chains([Chain("a", network, x), Chain("a", network, x)])
    with pytest.raises(UserError, match=r"^chain 'b' field keeps: names 'c', which is no earlier chain; 'b' has \[4\]"):
        compile_chains([Chain("a", network, x), Chain("b", network, x, "c")])
    larger = random_network(rng, 5, 3)
    with pytest.raises(UserError, match=r"^chain 'b' field keeps: names 'a', which has \[4\] units; 'b' has \[5\]"):
        compile_chains([Chain("a", network, x), Chain("b", larger, x, "a")])
    with pytest.raises(UserError, match=r"^program: 'tail' is none of the design's; use one of 0 encoder, 1 decoder"):
        design.select("tail")
    with pytest.raises(UserError, match=r"^program: 3 is none"):
        design.select(3)
    encoder = _request(design, "encoder", rng)
    with pytest.raises(UserError, match=r"^program stack: has states \[\(5, 'LSTM', .*\] at 0, encoder has"):
        _request(design, "stack", rng, after=encoder)
    with pytest.raises(UserError, match=r"^program decoder: is given initial states, and takes them over too"):
        replace(_request(design, "decoder", rng, after=encoder), state=run_golden(encoder).final_states())


def test_through_the_link(design: Design, rng: np.random.Generator) -> None:
    """The virtual board runs every program, and hands states over, in the cycles that golden says."""
    with VirtualBoard(design, find_board(DEFAULT)) as board, Accelerator(board.port) as accelerator:
        encoder, stack = _request(design, "encoder", rng), _request(design, "stack", rng)
        for request in (encoder, stack, _request(design, "decoder", rng, after=encoder), encoder):
            accelerator.load(request.design)
            run = accelerator.run(request)
            golden = run_golden(request, run.idle)
            assert mismatches(run, golden) == 0
            np.testing.assert_array_equal(run.cycles, golden.cycles)
        x = rng.normal(0, 1, (STEPS, 6)).astype(np.float32)
        with Accelerator("golden") as model:
            model.load(design.select("decoder"))
            accelerator.load(design.select("decoder"))
            np.testing.assert_array_equal(accelerator.infer(x), model.infer(x))
            model.state = accelerator.state = model.state
            np.testing.assert_array_equal(accelerator.infer(x), model.infer(x))
