"""The kind of multiplier and the lane count with the fewest nanoseconds per step on a board."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt

from lstmith.boards.board import Board
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.sizing.report import SizingReport
from lstmith.compiler.sizing.size import lane_counts, size_engine
from lstmith.golden.cycles import CycleModel
from lstmith.golden.model import GoldenModel
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.policy_check import default_policies
from lstmith.spec.quantised import QuantNetwork

#: Kinds, the cheaper one in lookup tables first.
KINDS = ("dsp", "digit")
#: Lane counts of each kind that are compared.
COUNTS = 3
#: Sequences and steps of the calibration data whose cycles are counted, and the steps before that settle.
SEQUENCES, STEPS, SETTLED = 4, 64, 8


@dataclass(frozen=True)
class Candidate:
    """An engine that was compared.

    Parameters
    ----------
    mac : str
    lanes : int
    cycles_per_step : float
        Of the default policy on calibration data.
    clock_mhz, ns_per_step : float
        The board's clock, which its bitstreams have whatever the lanes are made of, and the step's duration.
    luts, dsps, brams : int
        Estimated.
    """

    mac: str
    lanes: int
    cycles_per_step: float
    clock_mhz: float
    ns_per_step: float
    luts: int
    dsps: int
    brams: int


def choose_engine(
    network: QuantNetwork,
    board: Board,
    calibration: Calibration,
    *,
    lanes: int | None = None,
    planes: int | None = None,
    delta: bool = True,
) -> tuple[EngineConfig, SizingReport]:
    """The engine with the fewest nanoseconds per step; of equal ones, the one with the fewest lookup tables.

    Parameters
    ----------
    network : QuantNetwork
    board : Board
    calibration : Calibration
        Typical inputs.
    lanes : int or None
        None compares the lane counts with the fewest weight words.
    planes : int or None
    delta : bool
        As :func:`.size.size_engine`.

    Returns
    -------
    config, report
        As :func:`.size.size_engine`; the report names all candidates.

    Raises
    ------
    UserError
        If the network does not fit the board with any kind.
    """
    sized, refusal = [], None
    for mac in KINDS:
        try:
            sized += list(_sized(network, board, mac, lanes, planes, delta))
        except UserError as error:
            # What keeps the first kind from fitting is what the user hears of.
            refusal = refusal or error
    if not sized:
        assert refusal is not None
        raise refusal
    x = network.quantise_input(some_steps(calibration))
    candidates = [_candidate(network, *engine, board, x) for engine in sized]
    best = min(range(len(sized)), key=lambda index: (candidates[index].ns_per_step, candidates[index].luts))
    config, report = sized[best]
    if lanes is None:
        alone, reason = size_engine(network, board, mac=config.mac, planes=planes, delta=delta)
        limited_by = reason.limited_by if alone.lanes == config.lanes else "cycles, which more lanes would not lower"
        report = replace(report, limited_by=limited_by)
    return config, replace(report, candidates=[asdict(candidate) for candidate in candidates])


def _sized(
    network: QuantNetwork, board: Board, mac: str, lanes: int | None, planes: int | None, delta: bool
) -> Iterator[tuple[EngineConfig, SizingReport]]:
    counts = lane_counts(network, board, mac, planes=planes, delta=delta)[:COUNTS] if lanes is None else [lanes]
    for count in counts:
        yield size_engine(network, board, lanes=count, mac=mac, planes=planes, delta=delta)


def some_steps(calibration: Calibration) -> npt.NDArray[np.floating]:
    """Steps whose cycles are counted, float [n, t, I], zero beyond a sequence's end."""
    some = calibration.x[:SEQUENCES, :STEPS]
    if calibration.lengths is None:
        return some
    inside = np.arange(some.shape[1]) < calibration.lengths[:SEQUENCES, None]
    return np.where(inside[:, :, None], some, 0.0)


def cycles_per_step(
    network: QuantNetwork, config: EngineConfig, policies: list[Policy], x: npt.NDArray[np.int16]
) -> float:
    """Mean cycles of settled steps of some input (int16 [n, t, I]), or of all if none is."""
    cycles = CycleModel(network, config).cycles(GoldenModel(network, config).run(x, policies), policies)
    return float(cycles[:, min(SETTLED, x.shape[1] - 1) :].mean())


def _candidate(
    network: QuantNetwork, config: EngineConfig, report: SizingReport, board: Board, x: npt.NDArray[np.int16]
) -> Candidate:
    mean = cycles_per_step(network, config, default_policies(network, config), x)
    assert report.luts is not None
    assert report.dsps is not None
    assert report.brams is not None
    return Candidate(
        mac=config.mac,
        lanes=config.lanes,
        cycles_per_step=round(mean, 1),
        clock_mhz=board.clock_mhz,
        ns_per_step=round(mean * 1000 / board.clock_mhz, 1),
        luts=report.luts,
        dsps=report.dsps,
        brams=report.brams,
    )
