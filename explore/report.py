"""What an exploration leaves behind: figures, tables, a plot, and designs with their policies."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lstmith.boards.catalogue import find_board
from lstmith.cli.pictures import save_picture
from lstmith.compiler.design import Design
from lstmith.compiler.design_files import FOLDER as DESIGN
from lstmith.compiler.files import Folder
from lstmith.compiler.marks import EXPLORATION, EXPLORATION_PICTURE, POLICY
from lstmith.compiler.outputs import save_json
from lstmith.compiler.sizing.estimate import told_error
from lstmith.explore.levels import with_engine
from lstmith.explore.objectives import FIGURES
from lstmith.explore.points import Candidate
from lstmith.explore.search import Exploration, Request

MARKER, TABLE, POINTS, PICTURE = "explore.json", "pareto.md", "points.csv", "pareto.png"
DESIGNS, POLICIES = "designs", "policies"
#: What is in the directory; a directory that holds anything else is never replaced.
FOLDER = Folder(
    "lstmith explore",
    MARKER,
    ("front", "evaluated"),
    (MARKER, TABLE, POINTS, PICTURE, f"{POLICIES}/*.json", *(f"{DESIGNS}/*/{name}" for name in DESIGN.names)),
)
COLUMNS = ("board", "weights", "planes", "lanes", "rows", "policy", "MHz", *FIGURES, "metric", "stage")


def write(draft: Path, request: Request, found: Exploration) -> dict[str, Any]:
    """Write all of it into a directory; gives what R.json holds."""
    # Of the extra `report`, which `--help` can do without.
    from lstmith.explore.figure import pareto_figure

    result = figures(request, found)
    save_json(draft / MARKER, result, EXPLORATION)
    (draft / TABLE).write_text(markdown(found.pareto))
    _write_points(draft / POINTS, found)
    save_picture(draft / PICTURE, pareto_figure(request, found), EXPLORATION_PICTURE)
    (draft / POLICIES).mkdir()
    known = {numbers: Design.load(folder) for numbers, folder in found.designs.items()}
    for one in found.pareto:
        with_engine(known[one.point.numbers], one.point).save(draft / DESIGNS / one.name)
        assert one.policy is not None
        save_json(draft / POLICIES / f"{one.name}.json", one.policy, POLICY)
    return result


def figures(request: Request, found: Exploration) -> dict[str, Any]:
    """R.json."""
    return {
        "metric": request.metric,
        "max_loss": request.max_loss,
        "objectives": [one.name for one in request.objectives],
        "boards": list(request.boards),
        "split": found.split,
        "figures_of": "heldout",
        "evaluated": sum(found.counts.values()),
        "stages": found.counts,
        "front": [_entry(one) for one in found.pareto],
    }


def _entry(one: Candidate) -> dict[str, Any]:
    point = one.point
    return {
        "name": one.name,
        "board": point.board,
        "precision": point.precision,
        "planes": point.planes,
        "delta": point.delta,
        "lanes": point.lanes,
        "mac": point.mac,
        "rows_per_cycle": point.rows,
        "clock_mhz": one.clock_mhz,
        "policy": one.policy,
        "objectives": one.figures,
        "stage": one.level,
        "design": f"{DESIGNS}/{one.name}",
        "policy_file": f"{POLICIES}/{one.name}.json",
    }


def rows(candidates: Sequence[Candidate]) -> list[list[object]]:
    """Candidates as cells under ``COLUMNS``."""
    return [
        [
            one.point.board,
            f"{one.point.precision} bit",
            one.point.planes if one.point.delta else "no delta",
            f"{one.point.lanes} {one.point.mac}",
            one.point.rows,
            one.label,
            f"{one.clock_mhz:g}",
            *(f"{one.figures[name]:.4g}" if name in one.figures else "" for name in (*FIGURES, "metric")),
            one.level,
        ]
        for one in candidates
    ]


def markdown(candidates: Sequence[Candidate]) -> str:
    """The Pareto set as a table, with what its columns are."""
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows(candidates)]
    told = [f"- {name}: {meaning}" for name, meaning in FIGURES.items()]
    families = sorted({find_board(one.point.board).family for one in candidates})
    told += [f"- estimates of luts, dsps and brams on {family}: {told_error(family)}" for family in families]
    return "\n".join(["# Pareto set", "", *lines, "", *told]) + "\n"


def _write_points(path: Path, found: Exploration) -> None:
    """Everything that was looked at, with why it is not in the Pareto set."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", *COLUMNS, "left because"])
        for one, cells in zip(found.pareto, rows(found.pareto), strict=True):
            writer.writerow([one.name, *cells, ""])
        for one, cells in zip(found.left, rows(found.left), strict=True):
            writer.writerow([one.name, *cells, one.left])
        for name, why in found.unfit:
            writer.writerow([name, *[""] * len(COLUMNS), why])


def written(folder: Path) -> dict[str, Any]:
    """What an earlier exploration left as R.json."""
    return dict(json.loads((folder / MARKER).read_text()))
