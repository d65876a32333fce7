"""``python -m lstmith.scripts.bench.exploring``: Silero VAD explored over three boards; docs/results/exploring.md.

The first run has an empty store, and its time is told. Then the same command places the best, in the same store:
with ``--place`` alone it goes on there, whoever stopped it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.boards.catalogue import find_board
from lstmith.compiler.files import read_json, whole_file
from lstmith.explore.levels import cells, speed
from lstmith.golden.cycles import dense_breakdown
from lstmith.golden.network import padded
from lstmith.scripts.bench.blocks import markdown, replace_block
from lstmith.scripts.bench.presets import preset_design
from lstmith.scripts.bench.stamps import MEASURED, stamp
from lstmith.scripts.measuring import ROOT
from lstmith.spec.presets import PRESETS, Preset
from lstmith.vad.silero import model_path
from lstmith.workloads import silero

BOARDS = ("ulx3s-85f", "icebreaker", "colorlight-5a75b")
METRIC, MAX_LOSS = "h_error", 0.02
#: Of each recording so many frames of 32 ms: four times 19 seconds, half of which is tuned on.
FRAMES = 600
#: Of the best so many are placed and routed.
PLACED = 8
WORK = ROOT / "build" / "bench-exploring"
RECORD = Path(__file__).with_name("recorded") / "exploring.json"
DOCUMENT, BLOCK = ROOT / "docs" / "results" / "exploring.md", "bench:exploring"
SEARCH, PLACE = "search", "place"
#: Dense steps that are counted; from the third on all are the same.
_STEPS = 4
_FIGURES = ("us", "luts", "dsps", "brams")


def explored(place: int) -> dict[str, Any]:
    """A run of ``lstmith explore`` as a user starts it, in the bench's folder: its R.json, seconds, and processors."""
    WORK.mkdir(parents=True, exist_ok=True)
    x, lengths = padded([x[:FRAMES] for x in silero.load().inputs("tune")[silero.NETWORK]])
    np.savez_compressed(WORK / "x.npz", x=x.astype(np.float32), lengths=lengths)
    command = [str(Path(sys.executable).with_name("lstmith")), "explore", str(model_path()), "--data", "x.npz"]
    command += ["--metric", METRIC, "--max-loss", str(MAX_LOSS), "--boards", ",".join(BOARDS)]
    command += ["--store", "store.sqlite", "-o", "explored", "--json", "explored.json", "--place", str(place)]
    begun = time.monotonic()
    subprocess.run(command, cwd=WORK, check=True)
    found = json.loads((WORK / "explored.json").read_text())
    for one in found["front"]:
        del one["policy"]
    found["frames"] = int(lengths.sum())
    seconds = round(time.monotonic() - begun)
    return {**found, "seconds": seconds, "processors": os.cpu_count(), "load": os.getloadavg()[1], MEASURED: stamp()}


def record(part: str, place: int) -> None:
    """Run a part, and keep what it found beside the other's."""
    found = explored(place)
    with whole_file(RECORD) as draft:
        draft.write_text(json.dumps(load() | {part: found}, indent=1) + "\n")


def load() -> dict[str, Any]:
    """What is recorded, by part."""
    return read_json(RECORD, "restore it from the repository") if RECORD.exists() else {}


def rivals() -> dict[str, tuple[Preset, dict[str, float]]]:
    """README's engines for Silero VAD on these boards, with figures as the exploration's first level makes them."""
    found = {}
    for chosen in PRESETS:
        if chosen.board in BOARDS and chosen.serves == (128, 128):
            board, design = find_board(chosen.board), preset_design(chosen)
            cycles = int(dense_breakdown(design.network, design.engine, _STEPS).cycles[0, -1])
            found[chosen.name] = chosen, {**cells(chosen.engine, board), **speed(cycles, board)}
    return found


def matched(front: Sequence[Mapping[str, Any]], board: str | None, figures: Mapping[str, float]) -> str:
    """The fastest point of a board that is no slower and no larger than an engine; empty if there is none."""
    able = [
        one
        for one in front
        if one["board"] == board and all(one["objectives"][name] <= figures[name] for name in ("us", "luts"))
    ]
    return str(min(able, key=lambda one: one["objectives"]["us"])["name"]) if able else ""


def _front_text(front: Sequence[Mapping[str, Any]]) -> str:
    columns = ["point", "MHz", *_FIGURES, "loss", "stage"]
    rows: list[list[object]] = [
        [
            one["name"],
            f"{one['clock_mhz']:g}",
            *(f"{one['objectives'][name]:.4g}" for name in _FIGURES),
            f"{one['objectives']['loss']:.3g}",
            one["stage"],
        ]
        for one in front
    ]
    return markdown(columns, rows)


def page(parts: Mapping[str, Any]) -> str:
    """The block of the document."""
    search = parts[SEARCH]
    told = (
        f"Measured {search[MEASURED]}. `lstmith explore` of Silero VAD on {', '.join(BOARDS)} with `--metric {METRIC} "
        f"--max-loss {MAX_LOSS}`, {search['frames']} frames and an empty store: "
        f"{search['seconds'] / 60:.1f} minutes on {search['processors']} "
        f"processors (load {search['load']:.1f}) for {search['evaluated']} points by estimate and golden model.\n\n"
        f"{_front_text(search['front'])}\n"
        "README's engines for this network on these boards, by the same estimates and with dense steps, beside a point "
        "that is no slower and no larger. It may lose as much as was allowed, also where the engine loses less:\n\n"
    )
    rows: list[list[object]] = []
    for name, (chosen, figures) in rivals().items():
        point = matched(search["front"], chosen.board, figures)
        rows.append([name, chosen.board, f"{figures['us']:.1f}", f"{figures['luts']:.0f}", point or "none"])
    told += markdown(["preset", "board", "us", "luts", "no slower, no larger"], rows)
    if PLACE in parts:
        placed = parts[PLACE]
        count = sum(one["stage"] == "place" for one in placed["front"])
        told += (
            f"\nThe same with `--place {PLACED}`, {placed[MEASURED]}, went on in that store: {count} of these points "
            f"are placed and routed.\n\n{_front_text(placed['front'])}"
        )
    return told


def main() -> None:
    """Explore, place the best, and write the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--place", action="store_true", help="place alone, and go on in the store that is there")
    parser.add_argument("--recorded", action="store_true", help="write what is recorded, without running anything")
    given = parser.parse_args()
    if not (given.place or given.recorded):
        (WORK / "store.sqlite").unlink(missing_ok=True)
        record(SEARCH, 0)
        replace_block(DOCUMENT, BLOCK, page({SEARCH: load()[SEARCH]}))
    if not given.recorded:
        record(PLACE, PLACED)
    replace_block(DOCUMENT, BLOCK, page(load()))


if __name__ == "__main__":
    main()
