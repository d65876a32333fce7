"""``python -m lstmith.scripts.numeric`` (``make numeric``): errors of random networks and their causes.

Writes docs/verification/numeric.md and numeric.json.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from lstmith.cli.console import progress, say
from lstmith.compiler.quantise.calibration import Calibration
from lstmith.compiler.quantise.quantise import quantise
from lstmith.compiler.sizing.size import limits_for, size_engine
from lstmith.scripts.bench.stamps import stamp
from lstmith.scripts.measuring import ended, find_tests, options, publish
from lstmith.scripts.numeric.stages import NUDGE, STAGES, Errors, measure
from lstmith.spec.errors import UserError

if TYPE_CHECKING:
    from lstmith.scripts.numeric.networks import Case

#: Mean errors of h that networks stay below, by weight bits, unless they themselves are the cause.
BOUNDS = {4: 5e-2, 8: 1e-2, 16: 1e-3}
#: Widths of the cell state that networks whose cells reach far are tried with.
CELL_WIDTHS = (18, 20, 22, 24)
CAUSES = ("the network itself", *STAGES)
_HEAD = """# Numbers: how far the engine is from float64, and why

`make numeric` quantises random networks on one input and runs them on another, in float64 and on the golden model. The
error is the mean of |h - h in float64| of the last layer. In between, a float64 network takes over what the engine does
to numbers, one thing after the other: {stages}.

The *cause* of an error beyond the bound is the first of these that goes beyond it; or the network itself, if a change
of the input by {nudge:g} of its value does. Peepholes count as weights. *Deep peepholes* are stacks of three
layers whose cell states reach beyond 100.

"""


def _options() -> argparse.Namespace:
    parser = options("numeric", __doc__)
    parser.add_argument("--wild", type=int, default=300, help="Networks of all scales; about one in five is ordinary.")
    parser.add_argument("--deep", type=int, default=20, help="Three layers with peepholes and cells beyond 100.")
    parser.add_argument("--precisions", type=int, nargs="+", default=list(BOUNDS), choices=list(BOUNDS))
    return parser.parse_args()


def _errors(case: Case, bits: int, c_width: int) -> Errors:
    """Errors of a network, quantised at so many weight bits for an engine with so wide a cell state."""
    limits = replace(limits_for(None), c_width=c_width)
    precision = [bits] * len(case.network.layers)
    found = quantise(case.network, Calibration(case.calibration), precision=precision, limits=limits)
    engine, _ = size_engine(found.network, None, lanes=1)
    return measure(case.network, found.network, replace(engine, c_width=c_width), case.x)


def _measured(cases: Sequence[Case], precisions: Sequence[int], c_width: int) -> Iterator[dict[str, Any]]:
    """A figure for each network and precision; those that the compiler refuses have no errors."""
    with progress(f"networks, cell states of {c_width} bits", len(cases)) as report:
        for index, case in enumerate(cases):
            for bits in precisions:
                told: dict[str, Any] = {"name": case.name, "group": case.group, "bits": bits}
                try:
                    errors = _errors(case, bits, c_width)
                except UserError as error:
                    yield {**told, "refused": str(error)}
                    continue
                yield {**told, **asdict(errors), "cause": errors.cause(BOUNDS[bits])}
            report(index + 1)


def shares(rows: Sequence[Mapping[str, Any]], bits: int, group: str) -> dict[str, Any]:
    """How many networks of a group are within the bound, refused, or beyond it for which cause."""
    own = [row for row in rows if row["bits"] == bits and row["group"] == group]
    run = [row for row in own if "refused" not in row]
    causes = Counter(row["cause"] for row in run if row["cause"] is not None)
    errors = sorted(row["stages"][STAGES[-1]] for row in run)
    return {
        "networks": len(own),
        "refused": len(own) - len(run),
        "within": len(run) - sum(causes.values()),
        "causes": dict(causes),
        "median": errors[len(errors) // 2] if errors else None,
        "means": {stage: sum(row["stages"][stage] for row in run) / len(run) if run else None for stage in STAGES},
    }


def page(figures: Mapping[str, Any]) -> str:
    """The page: shares by precision and group, then errors by stage."""
    text = _HEAD.format(stages=", ".join(STAGES), nudge=NUDGE)
    text += f"Measured {figures['measured']} with `{figures['command']}`.\n\n"
    text += f"| weights | bound | networks | number | refused | within | {' | '.join(CAUSES)} |\n"
    text += f"|{'---|' * (len(CAUSES) + 6)}\n"
    for bits, groups in figures["shares"].items():
        for group, found in groups.items():
            cells = [str(found["causes"].get(cause, 0)) for cause in CAUSES]
            text += f"| {bits} bits | {BOUNDS[int(bits)]:g} | {group} | {found['networks']} | {found['refused']} | "
            text += f"{found['within']} | {' | '.join(cells)} |\n"
    text += "\nMean error of all that ran, after each stage with those before it:\n\n"
    text += f"| weights | networks | {' | '.join(STAGES)} | median of the last |\n|{'---|' * (len(STAGES) + 3)}\n"
    for bits, groups in figures["shares"].items():
        for group, found in groups.items():
            if found["median"] is not None:
                cells = [f"{found['means'][stage]:.1e}" for stage in STAGES]
                text += f"| {bits} bits | {group} | {' | '.join(cells)} | {found['median']:.1e} |\n"
    text += "\nDeep peepholes at 16 bits, by the width of the cell state, which the compiler leaves at "
    text += f"{limits_for(None).c_width}:\n\n"
    text += "| bits of c | networks | within | mean error | largest mean of a network |\n|---|---|---|---|---|\n"
    for width, found in figures["wider"].items():
        text += f"| {width} | {found['networks']} | {found['within']} | {found['mean']:.1e} | {found['most']:.1e} |\n"
    return text


def _wider(cases: Sequence[Case], c_width: int) -> dict[str, Any]:
    """What a cell state of so many bits does for 16-bit weights."""
    rows = [row for row in _measured(cases, [16], c_width) if "refused" not in row]
    errors = [row["stages"][STAGES[-1]] for row in rows]
    within = sum(row["cause"] is None for row in rows)
    return {"networks": len(rows), "within": within, "mean": sum(errors) / len(errors), "most": max(errors)}


def main() -> None:
    """Measures, and writes the page."""
    given, when = _options(), stamp()
    find_tests()
    from lstmith.scripts.numeric.networks import GROUPS, deep_case, wild_case

    deep = [deep_case(seed) for seed in range(given.deep)]
    cases = [wild_case(seed) for seed in range(given.wild)] + deep
    rows = list(_measured(cases, given.precisions, limits_for(None).c_width))
    found = {bits: {group: shares(rows, bits, group) for group in GROUPS} for bits in given.precisions}
    bits = " ".join(map(str, given.precisions))
    command = f"python -m lstmith.scripts.numeric --wild {given.wild} --deep {given.deep} --precisions {bits}"
    figures = {"measured": when, "command": command, "shares": found, "networks": rows}
    figures["wider"] = {width: _wider(deep, width) for width in CELL_WIDTHS}
    publish(given.documents, "numeric", figures, page(figures))
    for precision, groups in found.items():
        for group, counts in groups.items():
            say(f"{precision} bits, {group}: {counts['within']} of {counts['networks'] - counts['refused']} within")


if __name__ == "__main__":
    ended(main)
