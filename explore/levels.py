"""The levels of an exploration, each a pure function of a module: ``function(spec, files) -> result``, all as JSON.

``spec`` holds ``layer``, ``head`` and ``stateful`` as ``lstmith compile`` takes them, and what a level's docstring
names; ``files`` are paths by name, with ``model`` and ``data`` those of the command. So any worker can compute a level,
and what it gave once need not be computed again.
"""

from __future__ import annotations

import base64
import io
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lstmith.boards.board import Board
from lstmith.boards.catalogue import find_board
from lstmith.compiler.calls import program_sequences, read_calls
from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.importers.importer import Model, read_model
from lstmith.compiler.options import CompileOptions
from lstmith.compiler.pipeline import compile_chain
from lstmith.compiler.program_image import build_memory_image
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.sizing.choose import KINDS
from lstmith.compiler.sizing.drain import other_rows
from lstmith.compiler.sizing.early import empty_network
from lstmith.compiler.sizing.estimate import DIGIT_FAMILIES, estimate, fits
from lstmith.compiler.sizing.size import fitting_engines, most_planes, size_engine
from lstmith.compiler.symbols import with_symbols
from lstmith.explore.points import Point
from lstmith.golden.cycles import dense_breakdown
from lstmith.golden.network import FloatNetwork
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.policy_check import default_policies
from lstmith.tuning.pieces import Segment
from lstmith.tuning.task import read_labels, split_of

#: Dense steps that are counted: from the third on all are the same.
_STEPS = 4


def estimated(spec: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, Any]:
    """All engines that a network may have on a board, with estimated cells and the cycles of a dense step.

    Parameters
    ----------
    spec : mapping
        ``board``.
    files : mapping
        ``model`` and ``data``.

    Returns
    -------
    dict
        ``points``: values of :class:`.points.Point`, and ``figures``; ``left``: what does not fit the board, and why.
    """
    board = find_board(spec["board"])
    network = _read(spec, files, CompileOptions(target=board.name)).network
    points: list[dict[str, Any]] = []
    left: list[dict[str, str]] = []
    for precision in board.precisions:
        for planes, delta in ((1, False), *((count, True) for count in range(1, most_planes(board, delta=True) + 1))):
            for mac in KINDS:
                if mac == "digit" and board.family not in DIGIT_FAMILIES:
                    continue
                asked = Point(board.name, precision, planes, delta, mac, 0, 0)
                try:
                    points += _sized(network, board, asked, left)
                except UserError as error:
                    left.append({"point": _family(asked), "why": f"too large: {error.problem}"})
                except ValueError as error:
                    left.append({"point": _family(asked), "why": f"no engine: {error}"})
    return {"points": points, "left": left}


def _sized(network: FloatNetwork, board: Board, asked: Point, left: list[dict[str, str]]) -> Iterator[dict[str, Any]]:
    empty = empty_network(network, board, asked.precision, asked.planes)
    for config in fitting_engines(empty, board, asked.mac, planes=asked.planes, delta=asked.delta):
        for engine in (config, *(replace(config, rows_per_cycle=rows) for rows in other_rows(config))):
            point = replace(asked, lanes=engine.lanes, rows=engine.rows_per_cycle)
            if not fits(engine, board):
                left.append({"point": point.name, "why": f"too large for {board.name}"})
                continue
            cycles = int(dense_breakdown(empty, engine, _STEPS).cycles[0, -1])
            yield {"point": point.values, "figures": {**cells(engine, board), **speed(cycles, board)}}


def _family(point: Point) -> str:
    """An engine's name without its lanes."""
    return point.name.replace("-0", "-")


def cells(engine: EngineConfig, board: Board) -> dict[str, float]:
    """Estimated cells by the names of objectives."""
    cost = estimate(engine, board)
    return {"luts": cost.luts, "dsps": cost.dsps, "brams": cost.brams}


def speed(cycles: float, board: Board) -> dict[str, float]:
    """Cycles, and microseconds at the board's clock."""
    return {"cycles": cycles, "us": cycles / board.clock_mhz}


def compiled(spec: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, Any]:
    """A network in integers, as a design of one engine; formats are fitted to the part of the data that is tuned on.

    Parameters
    ----------
    spec : mapping
        ``point``: an engine with such numbers.
    files : mapping
        ``model`` and ``data``.

    Returns
    -------
    dict
        ``design``: the directory as an archive in Base64.
    """
    point = Point.of(spec["point"])
    options = CompileOptions(
        precision=point.precision,
        target=point.board,
        lanes=point.lanes,
        mac=point.mac,
        planes=point.planes,
        delta=point.delta,
    )
    read = _read(spec, files, options)
    calls = read_calls(files["data"], read.plan, read.networks, "data", stateful=spec["stateful"])
    [sequences] = program_sequences(calls, read.plan, read.networks)
    parts = split_of(sequences, read_labels(files["data"], sequences))
    design = compile_chain(read, _calibration(sequences, parts.tune), options)
    with tempfile.TemporaryDirectory(prefix="lstmith-explore-") as name:
        folder = Path(name) / "design"
        design.save(folder)
        return {"design": packed(folder)}


def _read(spec: Mapping[str, Any], files: Mapping[str, Path], options: CompileOptions) -> Model:
    model, data, layer, head = files["model"], files["data"], spec["layer"], spec["head"]
    read = read_model(model, layer, head=head)
    if len(read.networks) > 1:
        raise UserError(str(model), f"has {len(read.networks)} chains of layers", "choose one with --layer")
    return with_symbols(read, model, layer, data, options, head=head)


def _calibration(sequences: Sequences, part: list[Segment]) -> Calibration:
    """The part of sequences that is tuned on, which begins where they do."""
    rows = [segment.sequence for segment in part]
    state = sequences.state and [(h[rows], c[rows]) for h, c in sequences.state]
    known = sequences.calibration()
    lengths = sequences.lengths[rows].copy()
    lengths[:] = [segment.end for segment in part]
    return replace(known, x=sequences.x[rows, : int(lengths.max())], lengths=lengths, state=state)


def with_engine(design: Design, point: Point) -> Design:
    """A design with the same network and another engine.

    Raises
    ------
    UserError
        If the board has no room for it, which weights alone can tell: their sums may be wide.
    """
    board = find_board(point.board)
    engine, sizing = size_engine(
        design.network, board, lanes=point.lanes, mac=point.mac, planes=point.planes, delta=point.delta
    )
    if engine.rows_per_cycle != point.rows:
        engine = replace(engine, rows_per_cycle=point.rows)
        cost = estimate(engine, board)
        sizing = replace(sizing, luts=cost.luts, dsps=cost.dsps, brams=cost.brams)
    if not fits(engine, board):
        raise UserError("target", f"{board.name} has no room for {point.lanes} lanes", "use fewer lanes")
    # Building the memory image proves that every field holds what this network needs.
    build_memory_image(design.network, engine, default_policies(design.network, engine))
    report = {**design.report, "sizing": sizing.summary()}
    return replace(design, engine=engine, target=board.name, report=report)


def packed(folder: Path) -> str:
    """A folder as an archive in Base64."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.writestr(zipfile.ZipInfo(path.relative_to(folder).as_posix()), path.read_bytes())
    return base64.b64encode(content.getvalue()).decode()


def unpack(text: str, folder: Path) -> None:
    """Inverse of :func:`packed`."""
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(text))) as archive:
        archive.extractall(folder)
