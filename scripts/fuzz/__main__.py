"""``python -m lstmith.scripts.fuzz`` (``make fuzz``): mutated files and hostile devices; docs/verification/fuzz.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from lstmith.cli.console import progress, remark, say
from lstmith.scripts.bench.stamps import stamp
from lstmith.scripts.fuzz.side_by_side import Try, run_attempts
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
    parser.add_argument("--workers", type=_workers, default=os.cpu_count() or 1, help="Commands at a time.")
    return parser.parse_args()


def _workers(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes, 1 or more")
    return int(text)


def _met(
    what: str, run: Try, given: argparse.Namespace, count: int, work: Path, found: dict[str, Counter[str]]
) -> list[str]:
    """Try so many of a kind, count their verdicts, and return what was not right, by number."""
    bad: dict[int, str] = {}
    with progress(what, count) as report:
        numbers = range(given.first, given.first + count)
        for done, (number, kind, attempt) in enumerate(run_attempts(run, numbers, given.workers, work), 1):
            found[kind][attempt.verdict] += 1
            if attempt.verdict not in RIGHT:
                last = (attempt.told.strip().splitlines() or [""])[-1]
                bad[number] = f"{number}, {kind}: {attempt.verdict}: {last[:200]}"
                # Of one alone, which repeats what many found, all that the command told.
                remark(bad[number] if count > 1 else f"{number}, {kind}: {attempt.verdict}\n{attempt.told}")
            report(done)
    return [bad[number] for number in sorted(bad)]


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
    from lstmith.scripts.fuzz.commands import Files
    from lstmith.scripts.fuzz.devices import Devices

    counts: dict[str, Counter[str]] = defaultdict(Counter)
    bad: list[str] = []
    with tempfile.TemporaryDirectory(prefix="lstmith_fuzz_") as name:
        work = Path(name)
        if given.files:
            bad += _met("files", Files(work, given.seed).attempt, given, given.files, work, counts)
        if given.devices:
            bad += _met("devices", Devices(work, given.seed).attempt, given, given.devices, work, counts)
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
