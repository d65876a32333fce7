"""``python -m lstmith.scripts.fuzz`` (``make fuzz``): mutated files and hostile devices; docs/verification/fuzz.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstmith.cli.console import progress, remark, say
from lstmith.compiler.files import read_json
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
#: What is tried.
FILES, DEVICES = "files", "devices"


def _options() -> argparse.Namespace:
    parser = options("fuzz", __doc__)
    parser.add_argument("--files", type=int, default=20_000, help="Mutants of files, of all kinds in turn.")
    parser.add_argument("--devices", type=int, default=2_000, help="Devices that answer nonsense.")
    parser.add_argument("--first", type=int, default=0, help="Number of the first one: one alone with --files 1.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="Try those alone that the page lists as not right.")
    parser.add_argument("--workers", type=_workers, default=os.cpu_count() or 1, help="Commands at a time.")
    return parser.parse_args()


def _workers(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of processes, 1 or more")
    return int(text)


def _tried(
    numbers: Mapping[str, Sequence[int]], seed: int, workers: int
) -> tuple[dict[str, Counter[str]], list[dict[str, Any]]]:
    """Try files and devices by their numbers: verdicts by kind, and what was not right."""
    find_tests()
    from lstmith.scripts.fuzz.commands import Files
    from lstmith.scripts.fuzz.devices import Devices

    counts: dict[str, Counter[str]] = defaultdict(Counter)
    bad: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="lstmith_fuzz_") as name:
        work = Path(name)
        for what, make in ((FILES, Files), (DEVICES, Devices)):
            if numbers[what]:
                bad += _met(what, make(work, seed).attempt, numbers[what], workers, work, counts)
    return dict(counts), bad


def _met(
    what: str, run: Try, numbers: Sequence[int], workers: int, work: Path, found: dict[str, Counter[str]]
) -> list[dict[str, Any]]:
    """Try numbers of a kind, count their verdicts, and return what was not right, by number."""
    bad: dict[int, dict[str, Any]] = {}
    with progress(what, len(numbers)) as report:
        for done, (number, kind, attempt) in enumerate(run_attempts(run, numbers, workers, work), 1):
            found[kind][attempt.verdict] += 1
            if attempt.verdict not in RIGHT:
                last = (attempt.told.strip().splitlines() or [""])[-1][:200]
                verdict = {"of": what, "number": number, "kind": kind, "verdict": attempt.verdict, "told": last}
                bad[number] = verdict
                # Of one alone, which repeats what many found, all that the command told.
                remark(line(verdict) if len(numbers) > 1 else f"{line(verdict | {'told': ''})}\n{attempt.told}")
            report(done)
    return [bad[number] for number in sorted(bad)]


def line(bad: Mapping[str, Any]) -> str:
    """One that was not right."""
    return f"{bad['number']}, {bad['kind']}: {bad['verdict']}: {bad['told']}"


def page(figures: Mapping[str, Any]) -> str:
    """The page: verdicts by kind, and what was not right."""
    from lstmith.scripts.fuzz.attempts import MEGABYTES, SECONDS, VERDICTS

    text = _HEAD.format(seconds=SECONDS, megabytes=MEGABYTES)
    text += f"Measured {figures['measured']} with `{figures['command']}`: "
    text += f"{figures['seconds'] / 60:.0f} minutes by the clock.\n"
    for again in figures["again"]:
        text += f"{again['tried']} that were not right were tried again {again['measured']}, with `--again`: "
        text += f"{again['tried'] - again['bad']} were right, and are counted as such.\n"
    text += f"\n| kind | inputs | {' | '.join(VERDICTS)} |\n|{'---|' * (len(VERDICTS) + 2)}\n"
    for kind, counts in figures["kinds"].items():
        cells = [str(counts.get(verdict, 0)) for verdict in VERDICTS]
        text += f"| {kind} | {sum(counts.values())} | {' | '.join(cells)} |\n"
    listed = "".join(f"- `{line(bad)}`\n" for bad in figures["bad"])
    return text + (f"\n## Not right\n{listed}" if listed else "")


def all_tried(given: argparse.Namespace, when: str) -> dict[str, Any]:
    """The figures of so many files and devices."""
    begin = time.monotonic()
    numbers = {what: range(given.first, given.first + count) for what, count in _counts(given).items()}
    counts, bad = _tried(numbers, given.seed, given.workers)
    command = f"python -m lstmith.scripts.fuzz --files {given.files} --devices {given.devices} --seed {given.seed}"
    command += f" --first {given.first}" if given.first else ""
    return {
        "measured": when,
        "command": command,
        "seed": given.seed,
        "seconds": round(time.monotonic() - begin),
        "kinds": with_total(counts),
        "bad": bad,
        "again": [],
    }


def tried_again(given: argparse.Namespace, when: str, before: dict[str, Any]) -> dict[str, Any]:
    """The figures of before, in which those that were not right have the verdicts of the present code."""
    numbers = {what: [bad["number"] for bad in before["bad"] if bad["of"] == what] for what in (FILES, DEVICES)}
    found, bad = _tried(numbers, before["seed"], given.workers)
    counts = {kind: Counter[str](each) for kind, each in before["kinds"].items() if kind != "all"}
    for each in before["bad"]:
        counts[each["kind"]][each["verdict"]] -= 1
    for kind, verdicts in found.items():
        counts[kind].update(verdicts)
    tried = {"measured": when, "tried": len(before["bad"]), "bad": len(bad)}
    return {**before, "kinds": with_total(counts), "bad": bad, "again": [*before["again"], tried]}


def _counts(given: argparse.Namespace) -> dict[str, int]:
    return {FILES: given.files, DEVICES: given.devices}


def with_total(counts: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    """Verdicts by kind, those of none left out, and of all kinds."""
    total = sum(counts.values(), Counter[str]())
    return {**{kind: dict(+each) for kind, each in counts.items()}, "all": dict(+total)}


def main() -> None:
    """Tries all, or those again that were not right, and writes the page; one alone is told, and no page is written."""
    given, when = _options(), stamp()
    if given.again:
        before = read_json(given.documents / "fuzz.json", "run it without --again first")
        figures = tried_again(given, when, before) if before["bad"] else before
    else:
        figures = all_tried(given, when)
    if given.again or sum(_counts(given).values()) > 1:
        publish(given.documents, "fuzz", figures, page(figures))
    say(", ".join(f"{count} {verdict}" for verdict, count in sorted(figures["kinds"]["all"].items())))
    sys.exit(1 if figures["bad"] else 0)


if __name__ == "__main__":
    ended(main)
