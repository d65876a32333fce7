"""``python -m lstmith.scripts.flips`` (``make flips``): bit flips in a running core; docs/verification/flips.md."""

from __future__ import annotations

import argparse
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.cli.console import say
from lstmith.scripts.bench.stamps import stamp
from lstmith.scripts.flips.protection import costs, section
from lstmith.scripts.measuring import ROOT, ended, find_tests, options, publish
from lstmith.spec.errors import UserError

BUILD = ROOT / "build" / "flips"
VERDICTS = ("masked", "late", "wrong value", "hang")
STEPS = 4
_HEAD = """# Bit flips in a running core

`make flips` turns over one bit of a register or of a memory, at random, while a core runs a sequence; then it resets
the core for one cycle, writes its policy, and runs the sequence again. *Masked*: all results and times are those of a
run without it. *Late*: the results are right, times differ. *Hang*: no end within four times the cycles, or an output
that is no number. The core has neither parity nor a scrub, so nothing is detected: *late* and *hang* are what a host
may notice.

"""


def _options() -> argparse.Namespace:
    parser = options("flips", __doc__)
    parser.add_argument("--flips", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="Of the network, its input and the flips.")
    return parser.parse_args()


def run(flips: int, seed: int, folder: Path) -> tuple[str, list[dict[str, Any]]]:
    """The engine, and what each flip did: its path, whether it is a memory's, the verdict, what made it right again."""
    find_tests()
    from hw_tests.cocotb.core_cases import golden_case, image_writes, policy_writes
    from hw_tests.cocotb.flip_runs import simulate
    from hw_tests.cocotb.random_networks import random_input, random_network
    from lstmith.compiler.program_image import build_memory_image, words_per_lane
    from lstmith.golden.model import GoldenModel
    from lstmith.host.jobs import CoreJob
    from lstmith.rtl.cores import core_verilog
    from lstmith.scripts.flips.places import places, plainly_named
    from lstmith.spec.config import EngineConfig
    from lstmith.spec.policy import Mode, Policy

    rng = np.random.default_rng(seed)
    network = random_network(rng, [3, 5, 4], (4, 8), peepholes=True, requant_width=18, planes=2)
    span = max(max(layer.x_grid.span, layer.h_grid.span) for layer in network.layers)
    config = EngineConfig(
        lanes=2,
        precisions=(4, 8),
        acc_width=max(16, max(layer.sum_bound for layer in network.layers).bit_length() + 1),
        operand_width=max(10, span.bit_length() + 1),
        peepholes=True,
        units=9,
        inputs=3,
        layers=2,
        planes=2,
        monitor=True,
        skip=True,
    )
    config = replace(config, weight_depth=words_per_lane(network, config))
    policies = [Policy(Mode.AUTO, theta_x=1, theta_h=1)] * 2
    image = build_memory_image(network, config, policies)
    job = CoreJob(random_input(rng, STEPS, 3), image_writes(image, config))
    job = golden_case("flips", GoldenModel(network, config), policies, job)[0].job
    # Counters run on from run to run.
    job = replace(job, reads=[])
    # The last write, that all results shall be seen, is golden_case's.
    again = replace(job, writes=[*policy_writes(image), job.writes[-1]])
    core = plainly_named(core_verilog(config))
    told = f"{config.lanes} lanes, {config.units} units in {config.layers} layers, two planes, monitor, skip, peepholes"
    return told, simulate(core.text, places(core), job, again, flips, seed, folder)


def table(found: Sequence[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Verdicts and what made the core right again, of registers, memories and all."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for flip in found:
        for group in ("memories" if flip["memory"] else "registers", "all"):
            counts[group].update([flip["verdict"], f"right after {flip['right after']}"])
    return dict(counts)


def page(figures: Mapping[str, Any]) -> str:
    """The page."""
    columns = [*VERDICTS, "right after a reset", "right after a reload", "right after nothing"]
    text = _HEAD + f"Measured {figures['measured']} with `{figures['command']}` on a core of {figures['engine']}.\n\n"
    text += f"| bits of | flips | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 2)}\n"
    for group, counts in figures["counts"].items():
        cells = [counts.get(column, 0) for column in columns]
        text += f"| {group} | {sum(cells[: len(VERDICTS)])} | {' | '.join(map(str, cells))} |\n"
    text += "\n| part | flips | not masked |\n|---|---|---|\n"
    for part, (total, seen) in figures["parts"].items():
        text += f"| `{part}` | {total} | {seen} |\n"
    return text + section(figures["protection"])


def main() -> None:
    """Runs, and writes the page."""
    given, when = _options(), stamp()
    if given.flips < 1:
        raise UserError("--flips", f"is {given.flips}", "give a positive number")
    shutil.rmtree(BUILD, ignore_errors=True)
    engine, found = run(given.flips, given.seed, BUILD)
    parts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for flip in found:
        part = parts["/".join(flip["path"].split("/")[:2]).partition("$")[0]]
        part[0] += 1
        part[1] += flip["verdict"] != "masked"
    command = f"python -m lstmith.scripts.flips --flips {given.flips} --seed {given.seed}"
    counts = {group: dict(each) for group, each in table(found).items()}
    figures = {
        "measured": when,
        "command": command,
        "engine": engine,
        "counts": counts,
        "parts": dict(sorted(parts.items())),
        "protection": costs(),
    }
    publish(given.documents, "flips", figures, page(figures))
    say(", ".join(f"{count} {what}" for what, count in counts["all"].items()))


if __name__ == "__main__":
    ended(main)
