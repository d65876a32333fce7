"""The microcontroller's C driver, compiled as C99, against a board behind SPI in Verilator: h equals golden's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lstmith.package
import lstmith.test_support
from hw_tests.unit.link_cases import identity
from hw_tests.unit.package_cases import UNITS, WIDTH, small_design
from hw_tests.unit.test_graph_verdict import graph, pick
from hw_tests.unit.test_package_driver import loaded_bytes
from lstmith.boards.top import LIGHTS, SIMULATED, simulation_verilog
from lstmith.compiler import compile_model
from lstmith.compiler.design import Design
from lstmith.host.compiled import compile_program
from lstmith.host.request import integer_request
from lstmith.host.run import run_golden
from lstmith.package import write_package
from lstmith.spec.codes import Kind
from lstmith.spec.link_map import Feature
from lstmith.spec.memory_image import image_tag
from lstmith.spec.policy_check import default_policies
from lstmith.test_support.graphs.calls import calls_of
from lstmith.test_support.graphs.exporters import STEPS as GRAPH_STEPS
from lstmith.test_support.graphs.exporters import WIDTH as GRAPH_INPUTS

DRIVER = Path(lstmith.package.__file__).with_name("driver")
BENCH = Path(lstmith.test_support.__file__).with_name("spi_bench.cpp")
#: Answers are near; many faults take many tries.
TRYING = ("-DLSTMITH_SPI_PATIENCE=300", "-DLSTMITH_SPI_TRIES=25")
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-Os", *TRYING)
OK, NO_RESULT, BAD_UNITS = 0, 4, 5
STEPS = 30
MOST_BYTES = 2048
#: With all that the link can do, and with the little of small boards.
FEATURES = {"full": Feature.RECORDS | Feature.STATES, "narrow": Feature(0)}


@pytest.fixture(scope="module", params=FEATURES)
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Design]:
    """The driver and a virtual board, as one program."""
    design = small_design(np.random.default_rng(8))
    return built(design, FEATURES[request.param], tmp_path_factory.mktemp(request.param)), design


def built(design: Design, features: Feature, folder: Path) -> Path:
    """The driver with the board of a design."""
    image, config = design.image(), design.engine
    # A ring of few words, which a step and a half fill.
    told = identity(config, features=features | Feature.SPI, ring_words=8)
    text = simulation_verilog(told, image, image_tag(image, config))
    (folder / "board.v").write_text(text)
    driver = folder / "lstmith_spi.o"
    subprocess.run(["gcc", *STRICT, "-c", str(DRIVER / "lstmith_spi.c"), "-o", str(driver)], check=True)
    options = ["--prefix", "Vboard", "-CFLAGS", f"-I{DRIVER}", "-LDFLAGS", str(driver)]
    return compile_program([folder / "board.v", BENCH], SIMULATED, folder, options)


def _told(program: Path, x: np.ndarray, units: int, faults: int, seed: int) -> list[tuple[str, list[int]]]:
    given = " ".join(map(str, (x.shape[1], units, len(x), *x.ravel().tolist())))
    command = [str(program), str(seed), str(faults)]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=True, timeout=300)
    lines = [line.split() for line in done.stdout.splitlines()]
    return [(name, [int(value) for value in values]) for name, *values in lines]


@pytest.mark.drawn(1)
@pytest.mark.parametrize("faults", [0, 2])
def test_driver_equals_golden(board: tuple[Path, Design], faults: int, rng: np.random.Generator) -> None:
    """Whatever the wires do: every step once, in its order; half a step has no result until it is whole."""
    program, design = board
    network = design.network
    units, policies = network.layers[-1].units, default_policies(network, design.engine)
    x = rng.integers(-(1 << 14), 1 << 14, (STEPS, WIDTH)).astype(np.int16)
    told = _told(program, x, units, faults, int(rng.integers(1 << 31)))
    golden = [run_golden(integer_request(design, policies, part[None])).layers[-1].h[0] for part in (x, x[:1])]
    want = np.concatenate(golden).tolist()
    assert [values for name, values in told if name == "h"] == [[0, *step] for step in want]
    statuses = [values[0] for name, values in told if name in ("open", "send", "receive")]
    # Behind the half step, and nowhere else.
    assert [place for place, status in enumerate(statuses) if status != OK] == [len(statuses) - 4]
    assert statuses[-4] == NO_RESULT


def test_a_graph_shows_its_class_at_the_pins(rng: np.random.Generator, tmp_path: Path) -> None:
    """An ONNX graph up to its ArgMax: x goes in over SPI, and the class is the answer and stands at the lights."""
    drawn = np.random.default_rng(11)
    graph(tmp_path / "m.onnx", drawn, [pick("scores", axis=1)], ["picked"], classes=1 << len(LIGHTS))
    calls = calls_of(drawn, {"x": np.zeros((GRAPH_STEPS, 2, GRAPH_INPUTS), np.float32)})
    design = compile_model(tmp_path / "m.onnx", calls, target="generic", lanes=2, head=True)
    network = design.network
    assert [layer.kind for layer in network.layers] == [Kind.LSTM, Kind.DENSE]
    x = rng.integers(-(1 << 14), 1 << 14, (STEPS, network.inputs)).astype(np.int16)
    told = _told(built(design, Feature(0), tmp_path), x, 1, 0, int(rng.integers(1 << 31)))
    policies = default_policies(network, design.engine)
    want = run_golden(integer_request(design, policies, x[None])).layers[-1].verdict[0].tolist()
    assert len(set(want)) > 1, "some steps are of another class"
    assert [values for name, values in told if name == "h"][:STEPS] == [[0, verdict] for verdict in want]
    assert [values for name, values in told if name == "lights"] == [[verdict] for verdict in want]


def test_a_wrong_number_of_units_is_seen(board: tuple[Path, Design], rng: np.random.Generator) -> None:
    program, design = board
    x = rng.integers(1 << 12, 1 << 14, (4, WIDTH)).astype(np.int16)
    told = _told(program, x, design.network.layers[-1].units - 1, 0, 1)
    assert told[-1] == ("receive", [BAD_UNITS])


def test_driver_is_small_on_riscv(tmp_path: Path) -> None:
    """The driver compiles without any library for rv32imc, and all that it takes of the memory is little."""
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", "riscv32-freestanding", "-mcpu=generic_rv32+m+c"]
    environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": str(tmp_path), "ZIG_LOCAL_CACHE_DIR": str(tmp_path)}
    target = tmp_path / "lstmith_spi.o"
    command = [*compiler, *STRICT, "-c", str(DRIVER / "lstmith_spi.c"), "-o", str(target)]
    subprocess.run(command, env=environment, check=True)
    size = loaded_bytes(target.read_bytes())
    print(f"{size} bytes")
    assert 500 < size < MOST_BYTES


def test_a_package_holds_the_driver(board: tuple[Path, Design], tmp_path: Path) -> None:
    """It compiles from there, and the page names the steps' sizes."""
    _, design = board
    write_package(design, design.generate(), tmp_path / "package")
    folder = tmp_path / "package" / "driver"
    command = ["gcc", *STRICT, "-c", str(folder / "lstmith_spi.c"), "-o", str(tmp_path / "driver.o")]
    subprocess.run(command, check=True)
    told = (tmp_path / "package" / "README.md").read_text()
    assert f"{WIDTH} values of x, and {UNITS} of h for each" in told
