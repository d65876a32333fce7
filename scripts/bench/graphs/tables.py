"""What the graphs bench found, as tables."""

from __future__ import annotations

from typing import Any

from lstmith.scripts.bench.blocks import Table, markdown
from lstmith.scripts.bench.graphs.bench import LIMIT, counts
from lstmith.scripts.bench.graphs.demos import DEMOS, demo_table
from lstmith.scripts.bench.stamps import MEASURED, told
from lstmith.spec.errors import UserError

_COLUMNS = [
    *("graph", "what it is", "layers on the core", "programs", "nodes on core", "on host", "mean error", "largest"),
    *("decisions", "differ"),
]
_TITLES = {"real": "Real files", "made": "Forms of exporters and bug reports"}


_BOARD = "On the virtual board"
_SHOWN = (
    "Networks whose answer leaves the device, a board's top level in Verilator. Cycles are those of all programs, and "
    "so are bytes on the wire, with the link's own answers; a step is one of the network's. The answers are compared "
    "with golden's one by one."
)


def graph_tables(result: dict[str, Any]) -> dict[str, Table]:
    """By title."""
    missing = [part for part in (*_TITLES, "refused") if part not in result]
    if missing:
        raise UserError("option --part", f"leaves out {missing[0]!r}, which was not measured yet", "measure all parts")
    tables = {title: case_table(result[group]) for group, title in _TITLES.items()}
    refused = [[each["name"], each["about"], each["said"]] for each in result["refused"]]
    shown = {name: result[name] for name in DEMOS if name in result}
    return {
        _BOARD: demo_table(shown),
        **tables,
        "Refused": (["model", "what it is", "what is said"], refused),
    }


def case_table(cases: dict[str, Any]) -> Table:
    """A row for each graph."""
    rows: list[list[object]] = []
    for name, case in cases.items():
        errors = ["-" if case[key] is None else f"{case[key]:.1e}" for key in ("mean_error", "largest_error")]
        nodes = case["nodes"]
        rows.append(
            [
                name if case["reference"] == "onnxruntime" else f"{name} *",
                case["about"], case["layers"], case["programs"], nodes.get("core", 0), nodes.get("host", 0), *errors,
                case["decisions"] or "-", case["differ"] if case["decisions"] else "-",
            ]
        )  # fmt: skip
    return _COLUMNS, rows


def _states(result: dict[str, Any]) -> str:
    """A sentence on states that a graph gives out for its next call, which are judged apart."""
    found = {name: case for group in _TITLES for name, case in result[group].items() if case["state_error"] is not None}
    errors = ", ".join(
        f"{name} {case['state_error']:.1e} with {case['saturated']:,} saturated cell states"
        for name, case in found.items()
    )
    return (
        "States that a graph gives out for its next call are judged apart, since cell states that count up stop at the "
        f"limit of their format, where tanh is flat, which `run` tells; their mean errors are {errors}. "
        if found
        else ""
    )


def graphs_text(result: dict[str, Any]) -> str:
    """The page's block."""
    tables = graph_tables(result)
    total, right = counts([*result["made"].values(), *result["real"].values()])
    worst = max(
        case["mean_error"] for group in _TITLES for case in result[group].values() if case["mean_error"] is not None
    )
    lines = [
        f"{told(result[MEASURED])} Whole graphs with 16-bit weights and operands on the golden model, which the RTL "
        "equals, against "
        f"onnxruntime's own run of the same file (`lstmith bench graphs`). {right} of {total} are right: the mean "
        f"error of every output is at most {LIMIT:g} of its range, and every decision is the same. The largest mean "
        f"error is {worst:.1e}. {len(result['refused'])} more cannot be exact, and are refused by name. Errors are of "
        "the worst output; decisions are the graph's own (an index, a comparison), or the largest value of a softmax, "
        f"or a sigmoid above one half. {_states(result)}* onnxruntime refuses the file, so the float model is the "
        "reference.",
        "",
    ]
    for title, found in tables.items():
        lines += [
            f"## {title}",
            "",
            *([_SHOWN, ""] if title == _BOARD else []),
            markdown(*found),
        ]
    return "\n".join(lines)
