"""The bench of steps as tables, and in words only what its intervals carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lstmith.scripts.bench.blocks import Table, markdown
from lstmith.scripts.bench.stamps import MEASURED, told
from lstmith.scripts.bench.steps.bench import BY_CHANGE, BY_LOT, CONTROLS, EVERYTHING, ORACLE, RULE
from lstmith.scripts.bench.steps.model import Form
from lstmith.scripts.bench.steps.runner import STRETCH

RULES = (
    "Every network runs in golden's integers with weights of two digit planes, without thresholds. In {share:.0%}"
    " of its steps the low digits are not read. In the form *values* they are lost for that step, as in the "
    "papers; in the form *deferred* the low plane keeps its references and pays later, as in the engine. A choice"
    " is a number per step; the steps with the lowest are chosen, the same share for every choice, never the "
    "first of a sequence. The *rule* is D/N of the papers: how far the step before moved the cell state, over its"
    " size. *A step later* is what an engine knows that waits for nothing. Controls: *random* (3 seeds, means), "
    "*periodic*, *warm-up* (only the first steps are read whole), *inverted*, and *learned* (ridge regression of "
    "second order on twelve figures that are known when the step begins, fitted to tried steps of the data to "
    "tune on). The *oracle* tries every step of the judged data, takes those after which h is least off, and "
    "again around its own choice; it looks into the future, and it is greedy, so that it is evidence and no "
    "bound. *Columns* are chosen one by one in every step, and read no more of the low plane than random steps "
    "do: those within a threshold of their reference, or by lot."
)
FIGURES = (
    "*Words* is the part of the low plane that is read. *Error* is the mean absolute error of h against float. "
    "*Error over the rule's* and *loss over the rule's* say how much worse than the rule a choice is, with the 95"
    " % interval of a paired bootstrap (1,000 draws of stretches of {stretch} steps or of words for the error, of"
    " the workload's units for quality): the rule is better where the whole interval is above zero. *No loss* is "
    "as in [adaptive](adaptive.md): worse than float by at most 0.5 % relative, or 0.1 % of decisions."
)


def step_tables(result: dict[str, Any]) -> dict[str, Table]:
    """A table per network and form, and a summary first."""
    found = {"all networks": summary_table(result)}
    for network in result["networks"]:
        for form in Form:
            found[f"{network['name']}, {form.value}"] = _table(network, form)
    return found


def steps_text(result: dict[str, Any]) -> str:
    """The block of the results page."""
    parts = [told(result[MEASURED]), RULES.format(share=result["share"]), FIGURES.format(stretch=STRETCH)]
    parts += [verdict(result), markdown(*summary_table(result))]
    if result["missing"]:
        parts.append(f"Not measured yet by this command: {', '.join(result['missing'])}.\n")
    for network in result["networks"]:
        parts.append(
            f"**{network['name']}, {network['metric']}.** {network['weights']}-bit weights, {network['steps']} steps; "
            f"float {network['of_float']:.4g}, allowed loss {_number(network, network['allowed'])}."
        )
        for form in Form:
            parts.append(f"Form *{form.value}*:\n\n{markdown(*_table(network, form))}")
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def verdict(result: dict[str, Any]) -> str:
    """What the tables show: nothing is claimed that a control reaches as well."""
    pairs = [(network, form) for network in result["networks"] for form in Form]
    alone = [_named(network, form) for network, form in pairs if not _as_good(network, form)]
    kept = [_named(network, form) for network, form in pairs if _rows(network, form)[RULE]["without_loss"]]
    only = [_named(network, form) for network, form in pairs if _kept_alone(network, form)]
    columns = [network["name"] for network in result["networks"] if _columns_better(network)]
    steps = [network["name"] for network in result["networks"] if _columns_beat_steps(network)]
    count = len(result["networks"])
    return (
        f"**Per step.** The rule has a smaller error of h than every control, beyond chance, in {len(alone)} of "
        f"{len(pairs)} cases ({_listed(alone)}). It loses nothing in {len(kept)} ({_listed(kept)}); nothing is "
        f"lost by it, and something by all of the controls, in {len(only)} ({_listed(only)}). "
        f"**Per column.** With no more of the low plane read, columns of small change have a smaller error than "
        f"columns by lot in {len(columns)} of {count} networks ({_listed(columns)}), and a smaller one than every "
        f"choice of steps, the oracle's too, in {len(steps)} of {count} ({_listed(steps)})."
    )


def summary_table(result: dict[str, Any]) -> Table:
    """A row per network and form."""
    columns = [
        "network",
        "form",
        "error: rule",
        "best control",
        "its error",
        "oracle",
        "all steps",
        "columns, small change",
    ]
    columns += [
        "columns by lot",
        "controls as good as the rule",
        "no loss: rule",
        "no loss: controls",
        "no loss: oracle",
    ]
    rows: list[list[object]] = []
    for network in result["networks"]:
        for form in Form:
            by_name = _rows(network, form)
            best = min(CONTROLS, key=lambda name: by_name[name]["error"])
            able = [name for name in CONTROLS if by_name[name]["without_loss"]]
            rows.append(
                [
                    network["name"],
                    form.value,
                    _error(by_name[RULE]),
                    best,
                    _error(by_name[best]),
                    _error(by_name[ORACLE]),
                    _error(by_name["all steps"]),
                    *(_error(by_name[name]) if name in by_name else "" for name in (BY_CHANGE, BY_LOT)),
                    ", ".join(_as_good(network, form)) or "none",
                    "yes" if by_name[RULE]["without_loss"] else "no",
                    ", ".join(able) or "none",
                    "yes" if by_name[ORACLE]["without_loss"] else "no",
                ]
            )
    return columns, rows


def _table(network: dict[str, Any], form: Form) -> Table:
    columns = ["choice", "words", "error", "error over the rule's, 95 %", network["metric"], "loss, 95 %"]
    columns += ["loss over the rule's, 95 %", "no loss"]
    rows: list[list[object]] = []
    for name, row in _rows(network, form).items():
        other = name != RULE
        rows.append(
            [
                name,
                f"{row['words']:.0%}",
                _error(row),
                _spread(row["error_more"], lambda value: f"{100 * value:+.1f} %") if other else "",
                _number(network, row["quality"]),
                _spread(row["loss"], lambda value: _number(network, value)),
                _spread(row["loss_more"], lambda value: _number(network, value)) if other else "",
                "yes" if row["without_loss"] else "no",
            ]
        )
    return columns, rows


def _rows(network: dict[str, Any], form: Form) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in network["rows"] if row["form"] == form.value}


def _as_good(network: dict[str, Any], form: Form) -> list[str]:
    """Controls whose error of h is not larger than the rule's beyond chance."""
    by_name = _rows(network, form)
    return [name for name in CONTROLS if by_name[name]["error_more"][1] <= 0]


def _kept_alone(network: dict[str, Any], form: Form) -> bool:
    by_name = _rows(network, form)
    return by_name[RULE]["without_loss"] and not any(by_name[name]["without_loss"] for name in CONTROLS)


def _columns_better(network: dict[str, Any]) -> bool:
    by_name = _rows(network, Form.DEFERRED)
    return bool(by_name[BY_CHANGE]["error"] < by_name[BY_LOT]["error"])


def _columns_beat_steps(network: dict[str, Any]) -> bool:
    by_name = _rows(network, Form.DEFERRED)
    steps = [row["error"] for name, row in by_name.items() if name not in (BY_CHANGE, BY_LOT, EVERYTHING)]
    return bool(by_name[BY_CHANGE]["error"] < min(steps))


def _named(network: dict[str, Any], form: Form) -> str:
    return f"{network['name']} {form.value}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def _error(row: dict[str, Any]) -> str:
    return f"{row['error']:.5f}"


def _spread(values: list[float], shown: Callable[[float], str]) -> str:
    value, low, high = values
    return f"{shown(value)} ({shown(low)} to {shown(high)})"


def _number(network: dict[str, Any], value: float) -> str:
    """Fractions in percent, other units as they are."""
    return f"{value:.3f} {network['unit']}" if network["unit"] else f"{100 * value:.3f} %"
