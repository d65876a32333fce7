"""The page of a campaign, and the mutants that change nothing."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

from lstmith.scripts.mutation.campaign import MARGIN, SLOWER, Campaign
from lstmith.spec.errors import UserError

_FIELDS = ["mutant", "reason"]
_HEAD = f"""# Mutants

A mutant is a file with one small fault: another operator, the other side of a comparison's edge, a constant plus one,
a width minus one, an assignment dropped, a condition inverted, the arms of a choice swapped. The tests that claim the
file and call the function run on it, one file of tests after the other, up to a number. A mutant that none of them
notices *survives*. A run that takes {SLOWER} times as long as without the fault and {MARGIN} seconds counts as killed,
and is told apart: it *timed out*. *Equivalent* ones change nothing that may be observed;
[the list](equivalent_mutants.csv) says why. The score is killed and timed out, of all that are not equivalent.

`make mutation` samples all files and writes this page ([decision 60](../decisions/0060-mutants-in-memory.md),
[decision 65](../decisions/0065-mutants-meet-several-tests.md)).

"""


def equivalents(path: Path) -> dict[str, str]:
    """Mutants that change nothing, by label, with the reason.

    Raises
    ------
    UserError
        If the list has other columns, a line without a reason, or a mutant twice.
    """
    found: dict[str, str] = {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != _FIELDS:
            raise UserError(str(path), f"has the columns {reader.fieldnames}", f"name them {','.join(_FIELDS)}")
        for row in reader:
            label, reason = row["mutant"], row["reason"]
            if not reason or label in found:
                problem = "is there twice" if label in found else "has no reason"
                raise UserError(f"{path}, mutant {label!r}", problem, "give each mutant one line with a reason")
            found[label] = reason
    return found


def _row(name: str, counts: Counter[str]) -> str:
    killed, late, alive, same = (counts[key] for key in ("failed", "timed out", "passed", "equivalent"))
    different = killed + late + alive
    score = f"{100 * (killed + late) / different:.1f} %" if different else "-"
    return f"| {name} | {killed + late + alive + same} | {killed} | {late} | {same} | {alive} | {score} |\n"


def _list(title: str, lines: list[str]) -> str:
    return f"\n## {title}\n" + "".join(f"- {line}\n" for line in sorted(lines)) if lines else ""


def totals(found: Campaign, same: dict[str, str]) -> dict[str, Counter[str]]:
    """Verdicts by block, and of ``all``; an equivalent mutant that survives is ``equivalent``."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in found.outcomes:
        told = "equivalent" if outcome.verdict == "passed" and outcome.mutant.label in same else outcome.verdict
        for block in (Path(outcome.mutant.file).parent.as_posix(), "all"):
            counts[block][told] += 1
    return dict(counts)


def figures(found: Campaign, same: dict[str, str], command: str, stamp: str) -> str:
    """Totals by block as JSON, for those who compare commits; parameters as for :func:`page`."""
    blocks = {block: dict(sorted(counts.items())) for block, counts in sorted(totals(found, same).items())}
    return json.dumps({"measured": stamp, "command": command, "blocks": blocks}, indent=1) + "\n"


def page(found: Campaign, same: dict[str, str], command: str, stamp: str) -> str:
    """The page: totals per block, then survivors by name, then tests that took no part.

    Parameters
    ----------
    found : Campaign
    same : dict of str to str
        Equivalent mutants by label.
    command : str
        What was run.
    stamp : str
        Day and commit of the code.
    """
    blocks = totals(found, same)
    total = blocks.pop("all", Counter())
    alive = [outcome.mutant.label for outcome in found.outcomes if outcome.verdict == "passed"]
    text = _HEAD + f"Measured {stamp} with `{command}`; "
    text += f"the mutants' runs took {found.seconds / 60:.0f} minutes of a processor.\n\n"
    text += "| block | mutants | killed | timed out | equivalent | survive | score |\n|---|---|---|---|---|---|---|\n"
    text += "".join(_row(f"`{block}`", counts) for block, counts in sorted(blocks.items())) + _row("all", total)
    text += _list("Survivors", [f"`{label}`" for label in alive if label not in same])
    return text + _list(
        "Files that take no part", [f"`{file}`: no fast or unit test claims it" for file in found.left_out]
    )
