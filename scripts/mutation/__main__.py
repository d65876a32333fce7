"""``python -m lstmith.scripts.mutation``: runs mutants and writes docs/verification/mutation.md."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from lstmith.scripts.bench.stamps import stamp
from lstmith.scripts.measuring import ROOT, ended
from lstmith.scripts.mutation.campaign import Settings, campaign
from lstmith.scripts.mutation.report import equivalents, figures, page
from lstmith.scripts.mutation.runs import warm

#: Runs at a time, at most: memory, and the other work of a machine.
MOST_WORKERS = 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lstmith.scripts.mutation", description=__doc__)
    parser.add_argument("files", nargs="*", help="Beginnings of file names, as rtl/link; default: all.")
    parser.add_argument("--sample", type=int, default=1050, help="Mutants of all files, taken in turns.")
    parser.add_argument("--stored", action="store_true", help="Run none: the page of all that earlier runs found.")
    parser.add_argument("--seed", type=int, default=1, help="Of the sample and of random tests.")
    parser.add_argument("--workers", type=int, choices=range(1, MOST_WORKERS + 1), default=MOST_WORKERS)
    parser.add_argument("--baseline", type=float, default=60.0, help="Seconds of a file of tests without a fault.")
    parser.add_argument("--tests", type=int, default=8, help="Files of tests that call it, at most.")
    parser.add_argument("--budget", type=float, default=6.0, help="Seconds of the tests of each, without a fault.")
    parser.add_argument("--root", type=Path, default=ROOT, help="The repository.")
    parser.add_argument("--store", type=Path, help="Results; default build/mutation/results.jsonl of the root.")
    parser.add_argument("--page", type=Path, help="Page to write; default of a run over all files: docs/verification.")
    return parser.parse_args()


def main() -> None:
    """Runs the campaign of the command line."""
    given = _options()
    root = given.root.resolve()
    documents = root / "docs" / "verification"
    same, when = equivalents(documents / "equivalent_mutants.csv"), stamp()
    warm()
    store = given.store or root / "build" / "mutation" / "results.jsonl"
    sample = None if given.stored else given.sample
    limits = given.baseline, given.tests, given.budget
    found = campaign(Settings(root, store, given.seed, sample, tuple(given.files), given.workers, *limits))
    command = " ".join(["python -m lstmith.scripts.mutation", *given.files])
    command += f" --sample {given.sample} --seed {given.seed}"
    command += f" --baseline {given.baseline:g} --tests {given.tests} --budget {given.budget:g}"
    # What the store holds is of these commands.
    told = store.with_name("commands.txt")
    commands = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    if not given.stored:
        commands = list(dict.fromkeys([*commands, command]))
        told.write_text("".join(f"{each}\n" for each in commands), encoding="utf-8")
    command = "`, `".join(commands) if given.stored else command
    target = given.page or (None if given.files else documents / "mutation.md")
    if target is not None:
        target.write_text(page(found, same, command, when), encoding="utf-8")
        target.with_suffix(".json").write_text(figures(found, same, command, when), encoding="utf-8")
    for outcome in found.outcomes:
        if outcome.verdict == "passed" and outcome.mutant.label not in same:
            print(f"survives  {outcome.mutant.label}")
    totals = Counter(outcome.verdict for outcome in found.outcomes)
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(totals.items())))


if __name__ == "__main__":
    ended(main)
