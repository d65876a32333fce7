"""``python -m lstmith.scripts.fuzz`` (``make fuzz``): mutated files and hostile devices; docs/verification/fuzz.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.cli.console import progress, remark, say
from lstmith.scripts.bench.stamps import stamp
from lstmith.scripts.measuring import ended, find_tests, options, publish

_HEAD = """# Files and devices that mean harm

`make fuzz` mutates files of every kind that `compile` and `run` read, and answers the driver with nonsense. Those
that are *signed* get right checksums again, so that what these protect is read.

*Refused*: exit code 2 with a message, and nothing is written. *Accepted*: the output is whole and finite. *Hang*: over
{seconds} seconds of the processor; *memory*: over {megabytes} MB; *warned*: a library's warning reached the user;
*wrong*: an output that is not whole, one beside a refusal, or one in spite of a checksum.

"""
#: Verdicts that are as they must be.
RIGHT = ("refused", "accepted")


def _options() -> argparse.Namespace:
    parser = options("fuzz", __doc__)
    parser.add_argument("--files", type=int, default=20_000, help="Mutants of files, of all kinds in turn.")
    parser.add_argument("--devices", type=int, default=2_000, help="Devices that answer nonsense.")
    parser.add_argument("--first", type=int, default=0, help="Number of the first one: one alone with --files 1.")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _files(given: argparse.Namespace, work: Path, counts: dict[str, Counter[str]], bad: list[str]) -> None:
    from lstmith.scripts.fuzz.attempts import attempt
    from lstmith.scripts.fuzz.files import KINDS, originals
    from lstmith.scripts.fuzz.mutants import place, protected, right

    (work / "originals").mkdir()
    contents = originals(work / "originals", np.random.default_rng(given.seed))
    for kind in KINDS:
        with tempfile.TemporaryDirectory(dir=work) as name:
            place(replace(kind, mutations=()), contents, np.random.default_rng(given.seed), Path(name))
            found = attempt(list(kind.arguments), Path(name), kind.output, right)
        if found.verdict != "accepted":
            raise RuntimeError(f"{kind.name} without a fault is {found.verdict}: {found.told}")
    with progress("files", given.files) as report:
        for number in range(given.first, given.first + given.files):
            kind = KINDS[number % len(KINDS)]
            rng = np.random.default_rng([given.seed, number])
            with tempfile.TemporaryDirectory(dir=work) as name:
                folder = Path(name)
                place(kind, contents, rng, folder)
                found = attempt(list(kind.arguments), folder, kind.output, right)
                if found.verdict == "accepted" and protected(kind, contents, folder):
                    found = replace(found, verdict="wrong")
            counts[kind.name][found.verdict] += 1
            _note(number, kind.name, found, bad)
            report(number - given.first + 1)


def _devices(given: argparse.Namespace, work: Path, counts: dict[str, Counter[str]], bad: list[str]) -> None:
    from lstmith.scripts.fuzz.devices import Devices

    devices = Devices(work / "devices", np.random.default_rng(given.seed))
    with progress("devices", given.devices) as report:
        for number in range(given.first, given.first + given.devices):
            with tempfile.TemporaryDirectory(dir=work) as name:
                found = devices.attempt(np.random.default_rng([given.seed, 1, number]), number, Path(name))
            counts["device"][found.verdict] += 1
            _note(number, "device", found, bad)
            report(number - given.first + 1)


def _note(number: int, kind: str, found: Any, bad: list[str]) -> None:
    if found.verdict not in RIGHT:
        last = (found.told.strip().splitlines() or [""])[-1]
        bad.append(f"{number}, {kind}: {found.verdict}: {last[:200]}")
        remark(bad[-1])


def page(figures: dict[str, Any]) -> str:
    """The page: verdicts by kind, and what was not right."""
    from lstmith.scripts.fuzz.attempts import MEGABYTES, SECONDS, VERDICTS

    text = _HEAD.format(seconds=SECONDS, megabytes=MEGABYTES)
    text += f"Measured {figures['measured']} with `{figures['command']}`: "
    text += f"{figures['seconds'] / 60:.0f} minutes by the clock.\n\n"
    text += f"| kind | inputs | {' | '.join(VERDICTS)} |\n|{'---|' * (len(VERDICTS) + 2)}\n"
    for kind, counts in figures["kinds"].items():
        cells = [str(counts.get(verdict, 0)) for verdict in VERDICTS]
        text += f"| {kind} | {sum(counts.values())} | {' | '.join(cells)} |\n"
    return text + ("\n## Not right\n" + "".join(f"- `{line}`\n" for line in figures["bad"]) if figures["bad"] else "")


def main() -> None:
    """Tries all, and writes the page."""
    given, begin, when = _options(), time.monotonic(), stamp()
    find_tests()
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    bad: list[str] = []
    with tempfile.TemporaryDirectory(prefix="lstmith_fuzz_") as name:
        work = Path(name)
        if given.files:
            _files(given, work, counts, bad)
        if given.devices:
            _devices(given, work, counts, bad)
    total = Counter[str]()
    for each in counts.values():
        total.update(each)
    command = f"python -m lstmith.scripts.fuzz --files {given.files} --devices {given.devices} --seed {given.seed}"
    command += f" --first {given.first}" if given.first else ""
    figures = {
        "measured": when,
        "command": command,
        "seconds": round(time.monotonic() - begin),
        "kinds": {**{kind: dict(each) for kind, each in counts.items()}, "all": dict(total)},
        "bad": bad,
    }
    publish(given.documents, "fuzz", figures, page(figures))
    say(", ".join(f"{count} {verdict}" for verdict, count in sorted(total.items())))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    ended(main)
