# amaranth: UnusedElaboratable=no
"""Boards: clocks, flash loader, synthesis and real bitstreams of tiny networks."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw_tests.unit.networks import random_calibration, random_network
from hw_tests.unit.test_cli_errors import refused
from lstmith.boards import top
from lstmith.boards.board import Board, Front
from lstmith.boards.catalogue import BOARDS, find_board, with_front
from lstmith.boards.clock import ecp5_dividers, gowin_dividers, ice40_dividers, pll_clocks, with_clock
from lstmith.boards.top import LIGHTS, BoardTop, Flash, find_platform
from lstmith.compiler.design import Design
from lstmith.compiler.program_image import build_memory_image
from lstmith.compiler.quantise.quantise import quantise
from lstmith.compiler.sizing.size import limits_for, size_engine
from lstmith.flow.attempt import Work
from lstmith.flow.bitstream import build, estimate_seconds, synthesise
from lstmith.flow.families import ASKED_MORE, SYNTHESIS, bitstream_name
from lstmith.flow.identity import build_identity
from lstmith.flow.routing import LOG
from lstmith.flow.seeds import reached_clocks
from lstmith.flow.toolchain import RESOURCES, TimingError, ToolError, count_cells, logic_cells
from lstmith.rtl.link.flash import flash_content
from lstmith.rtl.link.pins import front_pins
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.link_identity import Identity
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.policy import Policy

ROOT = Path(__file__).parents[2]


def _design(board: str, units: int, inputs: int, lanes: int) -> Design:
    rng = np.random.default_rng(3)
    network, target = random_network(rng, units, inputs), find_board(board)
    quantised = quantise(network, random_calibration(rng, network), precision=[8], limits=limits_for(target)).network
    config, _ = size_engine(quantised, target, lanes=lanes)
    return Design(config, quantised, network, board)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_clock_has_a_setting(board) -> None:
    if board.clock_mhz == board.oscillator_mhz:
        return
    if board.family == "ecp5":
        divide_in, feedback, divide_out = ecp5_dividers(board.oscillator_mhz, board.clock_mhz)
        assert board.oscillator_mhz / divide_in * feedback == board.clock_mhz
        assert 400 <= board.clock_mhz * divide_out <= 800
    elif board.family == "gowin":
        divide_in, feedback, divide_out = gowin_dividers(board.oscillator_mhz, board.clock_mhz)
        assert board.oscillator_mhz / divide_in * feedback == board.clock_mhz
        assert board.oscillator_mhz / divide_in >= 3
        assert 400 <= board.clock_mhz * divide_out <= 1200
    else:
        divr, divf, divq = ice40_dividers(board.oscillator_mhz, board.clock_mhz)
        vco = board.oscillator_mhz / (divr + 1) * (divf + 1)
        assert vco / (1 << divq) == board.clock_mhz
        assert 533 <= vco <= 1066


def test_the_page_tells_the_clocks() -> None:
    rows = [line for line in (ROOT / "docs" / "board.md").read_text().splitlines() if " MHz | " in line]
    told = {name: row.split(" | ")[2] for row in rows for name in re.findall(r"`(.*?)`", row.split(" | ")[1])}
    # Of one kind only the end of the name changes.
    told = {f"ulx3s{name}" if name.startswith("-") else name: clock for name, clock in told.items()}
    assert told == {board.name: f"{board.clock_mhz:g} MHz" for board in BOARDS}


def test_clock_without_a_setting() -> None:
    with pytest.raises(ValueError, match=r"^No PLL setting makes 61\.7 MHz of 25\.0 MHz$"):
        ecp5_dividers(25.0, 61.7)
    with pytest.raises(ValueError, match=r"^No PLL setting makes 17\.1 MHz of 12\.0 MHz$"):
        ice40_dividers(12.0, 17.1)
    with pytest.raises(ValueError, match=r"^No PLL setting makes 36\.7 MHz of 27\.0 MHz$"):
        gowin_dividers(27.0, 36.7)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_clocks_of_a_board(board: Board) -> None:
    clocks = pll_clocks(board)
    assert clocks == sorted(set(clocks))
    assert {board.clock_mhz, board.oscillator_mhz} <= set(clocks)
    assert all(clock * 1000 == int(clock * 1000) for clock in clocks)
    assert with_clock(board, clocks[-1]).clock_mhz == clocks[-1]


def test_a_clock_that_no_setting_gives() -> None:
    told = r"^option --clock: 61\.7 MHz is no clock .* of ULX3S 85F makes of 25 MHz; the nearest are 60 and 62\.5$"
    with pytest.raises(UserError, match=told):
        with_clock(find_board("ulx3s-85f"), 61.7)


def test_a_given_clock_and_the_fastest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second build takes what the first one left; ``auto`` ends at a clock that is met."""
    monkeypatch.setattr(top, "LinkedBoard", _StandIn)
    monkeypatch.setenv("LSTMITH_CACHE", str(tmp_path / "kept"))
    design = _design("ulx3s-25f", 5, 4, 1)
    found = [build(design, "ulx3s-25f", tmp_path / "out", clock=100.0) for _ in range(2)]
    assert [result["reused"] for result in found] == [[], ["synthesis", "placement and routing"]]
    assert found[0]["clock_mhz"] == found[1]["clock_mhz"] == found[1]["target_mhz"] == 100
    stages: list[str] = []
    fastest = build(design, "ulx3s-25f", tmp_path / "out", clock="auto", progress=stages.append)
    assert fastest["fmax_mhz"] >= fastest["clock_mhz"] > 100
    assert fastest["clock_mhz"] in pll_clocks(find_board("ulx3s-25f"))
    assert stages[:3] == ["synthesis", "placement and routing", f"synthesis, {stages[2].split(', ')[1]}"]


def test_what_seeds_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is missed is told too; processor time only where it was spent."""
    monkeypatch.setattr(top, "LinkedBoard", _StandIn)
    monkeypatch.setenv("LSTMITH_CACHE", str(tmp_path / "kept"))
    design, board = _design("ulx3s-25f", 5, 4, 1), replace(find_board("ulx3s-25f"), clock_mhz=800.0)
    first, again = (dict(reached_clocks(design, board, [2, 3])) for _ in range(2))
    assert [figures["seed"] for figures in first.values()] == [2, 3]
    assert all(0 < figures["fmax_mhz"] < 800 and figures["minutes"] > 0 for figures in first.values())
    assert {seed: figures["fmax_mhz"] for seed, figures in again.items()} == {
        seed: figures["fmax_mhz"] for seed, figures in first.items()
    }
    assert all(figures["minutes"] is None for figures in again.values())


def test_cells_are_counted_once() -> None:
    cells = {"LUT4": 3, "CCU2C": 2, "TRELLIS_FF": 5, "DP16KD": 1, "MULT18X18D": 4, "PFUMX": 9}
    assert count_cells(cells) == {"luts": 3, "carries": 2, "ffs": 5, "brams": 1, "spram": 0, "dsps": 4}
    small = {"SB_LUT4": 1, "SB_DFFSR": 2, "SB_DFF": 1, "SB_MAC16": 8, "SB_SPRAM256KA": 4, "SB_RAM40_4K": 7}
    assert count_cells(small) == {"luts": 1, "carries": 0, "ffs": 3, "brams": 7, "spram": 4, "dsps": 8}


@pytest.mark.drawn(1)
@pytest.mark.parametrize("family", ["gowin", "nexus"])
def test_synthesis(family: str) -> None:
    stages: list[str] = []
    result = synthesise(_design("ulx3s-85f", 5, 4, 1), family, stages.append)
    assert stages == ["synthesis"]
    assert {*RESOURCES, "fmax_mhz", "target_mhz", "seed", "tool_versions", "seconds"} <= set(result)
    assert result["luts"] > 500
    assert result["ffs"] > 500
    assert result["dsps"] >= 7
    assert (result["fmax_mhz"], result["target_mhz"], result["seed"]) == (None, None, None)


class _StandIn(wiring.Component):
    """In place of the linked core: its pins, and next to nothing behind them."""

    def __init__(self, identity: Identity, image: MemoryImage, tag: int = 0, flash: Flash | None = None):
        pins = {"flash_select": Out(1), "flash_clock": Out(1), "flash_copi": Out(1), "flash_cipo": In(1)}
        self._has_flash = flash is not None
        self._front = front_pins(identity)
        super().__init__({**self._front, "lights": Out(len(LIGHTS)), **(pins if self._has_flash else {})})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = Signal(24)
        m.d.sync += count.eq(count + 1)
        ways: dict[bool, list[Signal]] = {True: [], False: []}
        for name, member in self._front.items():
            ways[member.flow is In].append(getattr(self, name))
        m.d.sync += Cat(ways[False]).eq(Cat(ways[True]))
        m.d.comb += self.lights.eq(count[-len(LIGHTS) :])
        if self._has_flash:
            m.d.sync += [self.flash_clock.eq(~self.flash_clock), self.flash_copi.eq(self.flash_cipo)]
            m.d.comb += self.flash_select.eq(count[0])
        return m


@pytest.mark.drawn(3)
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_every_board_is_built(board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clock, reset, pins and every tool, around a stand-in: real cores take minutes (`lstmith bench boards`)."""
    monkeypatch.setattr(top, "LinkedBoard", _StandIn)
    result = build(_design(board.name, 5, 4, 1), board, tmp_path / "out")
    assert result["fmax_mhz"] >= board.clock_mhz / 0.9
    assert result["ffs"] >= 11
    assert Path(result["bitstream"]).name == bitstream_name(board)
    assert (tmp_path / "out" / bitstream_name(board)).stat().st_size > 50_000


_FRONTS = [(board, front) for board in BOARDS for front in Front if front is Front.UART or board.spi]


@pytest.mark.parametrize(("board", "front"), _FRONTS, ids=lambda part: getattr(part, "name", part))
def test_every_pin_has_its_place(board: Board, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the board's files say of clock, serial port or SPI, and lights stands in the constraints, once."""
    monkeypatch.setattr(top, "LinkedBoard", _StandIn)
    design = _design(board.name, 5, 4, 1)
    board, config = with_front(board, front), replace(design.engine, family=board.family)
    identity, image = build_identity(board, config), build_memory_image(design.network, config, [Policy()])
    assert identity.unpack(identity.pack()) == identity
    platform = find_platform(board)
    platform.build(BoardTop(board, identity, image), name="top", do_build=False, emit_src=False).extract(str(tmp_path))
    text = next(path for path in tmp_path.iterdir() if path.suffix in (".lpf", ".pcf", ".cst")).read_text()
    resource = board.uart if front is Front.UART else ("spi_front", 0)
    lines = {line.name: line.ios[0].map_names(platform._conn_pins, line) for line in platform.lookup(*resource).ios}
    names = ("rx", "tx") if front is Front.UART else ("select", "sck", "copi", "cipo", "irq", "ready")
    for pin in (pin for name in names for pin in lines[name]):
        assert len(re.findall(rf"\b{pin}\b", text)) == 1
    resources = {name for name, *_ in board.lights} | {platform.default_clk}
    assert all(re.search(rf"\b{name}_\d", text) for name in resources)


def test_what_a_board_is_reached_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With SPI the fastest SCK stands where the baud does, and any clock will do; a bitstream comes of it."""
    monkeypatch.setattr(top, "LinkedBoard", _StandIn)
    board, design = with_front(find_board("icebreaker"), "spi"), _design("icebreaker", 5, 4, 1)
    assert build_identity(replace(board, clock_mhz=12.0), design.engine).baud == 2_000_000
    assert min(pll_clocks(board)) <= min(pll_clocks(find_board("icebreaker")))
    result = build(design, board, tmp_path / "out")
    assert Path(result["bitstream"]).stat().st_size > 50_000


@pytest.mark.parametrize(
    ("board", "front", "told"),
    [
        ("ulx3s-85f", "i2c", "'i2c' is unknown; use one of uart, spi"),
        ("colorlight-5a75b", "spi", "is spi, Colorlight 5A-75B has no pins for it; use uart, or one of ulx3s-85f, "),
    ],
)
def test_a_front_that_cannot_be_had(
    board: str, front: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _design("ulx3s-85f", 5, 4, 1).save(tmp_path / "design")
    asked = (tmp_path / "design", "--board", board, "--front", front, "-o", tmp_path / "out")
    assert refused(tmp_path, capsys, "build", *asked).startswith(f"lstmith: option --front: {told}")


def test_bitstreams_are_named_as_the_loader_wants_them() -> None:
    assert {bitstream_name(board) for board in BOARDS if board.family == "gowin"} == {"lstmith.fs"}
    assert {bitstream_name(board) for board in BOARDS if board.family != "gowin"} == {"lstmith.bit"}


@pytest.mark.slow
def test_tang_nano(tmp_path: Path) -> None:
    found = find_board("tang-nano-9k")
    result = build(_design(found.name, 20, 1, 2), found, tmp_path / "out")
    assert result["fmax_mhz"] >= found.clock_mhz / 0.9
    assert (result["dsps"], result["spram"]) == (8, 0)
    assert set(result["tool_versions"]) == {"yosys", "nextpnr-himbaechel-gowin", "apycula"}
    # Only the blocks whose timing nextpnr knows (``flow._USED_MEMORIES``).
    assert {cell for cell in result["cells"] if re.match("S?DP|SP", cell)} <= {"SDPB", "SDPX9B"}
    assert (tmp_path / "out" / "lstmith.fs").stat().st_size > 3_000_000


def test_unknown_family() -> None:
    with pytest.raises(UserError, match=r"^family: is 'xc7'; use one of ecp5, ice40, gowin, nexus$"):
        synthesise(_design("ulx3s-85f", 5, 4, 1), "xc7")


def test_unknown_board() -> None:
    with pytest.raises(UserError, match=r"^board: 'ulx3s' is unknown; use one of ulx3s-85f, "):
        find_board("ulx3s")


def test_a_design_for_another_family_is_refused(tmp_path: Path) -> None:
    design = _design("ulx3s-85f", 5, 4, 1)
    for board in ("icebreaker", "tang-nano-9k"):
        with pytest.raises(UserError, match=rf"^design: was compiled for .*; compile it again with --target {board}$"):
            build(design, board, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_failing_tool_is_one_line_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SYNTHESIS, "ecp5", "no_such_pass")
    with pytest.raises(
        ToolError, match=r"^yosys failed \(ERROR: No such command: no_such_pass.*\), see /.*\.out$"
    ) as caught:
        build(_design("ulx3s-85f", 5, 4, 1), find_board("ulx3s-85f"), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert Path(str(caught.value).rsplit("see ")[1]).exists()
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("keep")
    with pytest.raises(UserError, match=r"mine: exists and holds no build\.json; "):
        build(_design("ulx3s-85f", 5, 4, 1), find_board("ulx3s-85f"), tmp_path / "mine")
    assert (tmp_path / "mine" / "file").read_text() == "keep"


@pytest.mark.drawn(1)
@pytest.mark.parametrize(("board", "size"), [("ulx3s-85f", 5), ("icebreaker", 16)])
def test_bitstream(board: str, size: int, tmp_path: Path) -> None:
    found = find_board(board)
    design = _design(board, size, size - 1, 1)
    stages: list[str] = []
    out = tmp_path / "out"
    result = build(design, found, out, progress=stages.append)
    assert stages == ["synthesis", "placement and routing", "bitstream"]
    assert result["fmax_mhz"] >= result["target_mhz"] == result["clock_mhz"] == found.clock_mhz
    assert (result["tools"], result["seeds"]) == ("packaged", {"1": result["fmax_mhz"]})
    # A lane's, and those of the cell unit and the options; beside few lanes the activations have some too.
    assert result["dsps"] == (2 + 9 if found.family == "ecp5" else 1 + 4 + 2)
    assert result["seed"] == 1
    assert {*RESOURCES, "tool_versions", "seconds"} <= set(result)
    assert all(step["delay"] > 0 for step in result["critical_path"])
    assert (out / "lstmith.bit").stat().st_size > 50_000
    if found.family == "ecp5":
        # Else the PLL's clock would count: nextpnr leaves out what it knows no net of.
        (asked,) = {float(mhz) for mhz in re.findall(r"'clock\.clk': .* \(PASS at (.*) MHz\)", (out / LOG).read_text())}
        assert asked == pytest.approx(ASKED_MORE * found.clock_mhz, rel=1e-3)
    assert json.loads((out / "build.json").read_text()) == result
    if not found.weights_initialised:
        image = build_memory_image(design.network, design.engine, [Policy()])
        assert (out / "weights.bin").read_bytes() == flash_content(image)
        assert result["weights_offset"] == found.flash_offset


def test_a_netlist_that_is_too_large_is_not_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "LinkedBoard", _StandIn)
    design, board = _design("ulx3s-25f", 5, 4, 1), replace(find_board("ulx3s-25f"), luts=10)
    stages: list[str] = []
    work = Work(board, design.engine, design.image(), tmp_path, stages.append)
    with pytest.raises(UserError, match=r"^board ulx3s-25f: has 10 luts, and the design takes [2-9]\d; compile "):
        next(work.attempts(board.clock_mhz, [1]))
    assert stages == ["synthesis"]


@pytest.mark.drawn(1)
@pytest.mark.parametrize(("room", "placer"), [(2.0, "Running Static placer"), (1.3, "Running main analytical placer")])
def test_full_devices_have_another_placer(
    room: float, placer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The static one need not end where little is left."""
    monkeypatch.setattr(top, "LinkedBoard", _StandIn)
    design, board = _design("ulx3s-25f", 5, 4, 1), find_board("ulx3s-25f")
    work = Work(board, design.engine, design.image(), tmp_path / "first")
    next(work.attempts(board.clock_mhz, [1]))
    taken = logic_cells(work.results[board.clock_mhz, 1].figures["cells"])
    work = Work(replace(board, luts=int(room * taken)), design.engine, design.image(), tmp_path / "second")
    next(work.attempts(board.clock_mhz, [1]))
    assert placer in (work.results[board.clock_mhz, 1].folder / LOG).read_text()


def test_missed_timing_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top, "LinkedBoard", _StandIn)
    fast = replace(find_board("ulx3s-85f"), clock_mhz=800.0)
    told = r"^board ulx3s-85f: timing missed: [\d.]+ MHz of 800\.0 MHz is the best of seeds 1, 2, 3, .*; see /.*$"
    with pytest.raises(TimingError, match=told) as caught:
        build(_design("ulx3s-85f", 5, 4, 1), fast, tmp_path / "out")
    result = caught.value.result
    assert 20 < result["fmax_mhz"] == max(result["seeds"].values()) < 800
    assert (result["clock_mhz"], list(result["seeds"])) == (800.0, ["1", "2", "3"])
    assert Path(str(caught.value).rsplit("see ")[1]).exists()
    assert list(tmp_path.iterdir()) == []


def test_build_time_grows_with_the_engine() -> None:
    small, large = (EngineConfig(lanes=lanes, precisions=(4, 8), family="ecp5") for lanes in (16, 64))
    assert 60 < 2 * estimate_seconds(small) < estimate_seconds(large) < 1200
