"""The bench of training as tables."""

from __future__ import annotations

from typing import Any

from lstmith.scripts.bench.blocks import Table, markdown
from lstmith.scripts.bench.stamps import MEASURED, told

RULES = (
    "Each network is trained on recorded inputs alone, as `lstmith distil` trains: its float network is the "
    "teacher, and the forward pass is golden's, with the policy that it will run under. Silero and DTLN are trained "
    "on telephone prompts that nothing else uses, the others on the data that calibrates and tunes. Thresholds are "
    "searched with the same number of policies before training and after it. A network is trained for the fastest "
    "policy whose error is at most twice that of the chosen one. That error is of h, but for Silero of the "
    "probability, and so is what policies are chosen by. Static formats that lose something get the same training. "
    "It begins on the integers, and between them and the float weights too, and the lower loss on "
    "what is held back counts (*from float*); minutes are of both. *A*, *B*, *no loss* and *error* are as in "
    "[adaptive](adaptive.md); B counts from the cheapest static format that loses nothing on the data to tune on, "
    "trained or not. Minutes are of one processor."
)
SKIPS = (
    "**Skipped steps.** The rule skips a step whose input is near that of the last computed step, at most one in "
    "a row, with the threshold that skips {share:.1%} of the data to tune on. Controls skip as many steps of the data "
    "that all are judged by, by lot or at equal distances, and get the same training each. *Worse than the rule* is a "
    "paired interval; above zero the rule is better. *Of exact deltas*: where a step reads what changed, which gives "
    "the same h."
)


def trained_tables(result: dict[str, Any]) -> dict[str, Table]:
    """A table per network, and that of skips."""
    found = {network["name"]: _table(network) for network in result["networks"]}
    for network in result["networks"]:
        if "skips" in network:
            found[f"{network['name']}, skips"] = _skips(network)
    return found


def trained_text(result: dict[str, Any]) -> str:
    """The block of the results page."""
    parts = [told(result[MEASURED]), RULES]
    if result["missing"]:
        parts.append(f"Not measured by this command: {', '.join(result['missing'])}.")
    for network in result["networks"]:
        parts += [f"**{network['name']}, {network['metric']}.** {_preamble(network)}", markdown(*_table(network))]
        if "skips" in network:
            parts += [SKIPS.format(share=network["skips"]["share"]), markdown(*_skips(network))]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _preamble(network: dict[str, Any]) -> str:
    efforts = [
        f"{name} {each['minutes']:.1f} minutes ({each['near']:.1f} to within 10 % of the best loss), loss "
        f"{each['losses'][0]:.3g} to {each['losses'][1]:.3g}{_begun(each)}"
        for name, each in network["efforts"].items()
    ]
    first = next(iter(network["efforts"].values()))
    return (
        f"Base {network['base']}, best static {network['static']}; float {network['of_float']:.4g}. Training, of "
        f"{first['windows']} windows: {'; '.join(efforts)}."
    )


def _begun(effort: dict[str, Any]) -> str:
    """Where training began, if not on the integers."""
    return ", from float" if effort["from_float"] else ""


def _table(network: dict[str, Any]) -> Table:
    lanes = list(network["base_cycles"])
    columns = ["row", *(f"cycles, {each} lanes" for each in lanes), *(f"A, {each} lanes" for each in lanes)]
    columns += [*(f"B, {each} lanes" for each in lanes), "error", network["metric"], "loss", "95 %", "kept", "no loss"]
    rows: list[list[object]] = []
    for row in network["rows"]:
        rows.append(
            [
                row["name"],
                *(f"{row['cycles'][each]:.0f}" for each in lanes),
                *(f"{network['base_cycles'][each] / row['cycles'][each]:.2f}x" for each in lanes),
                *(f"{network['static_cycles'][each] / row['cycles'][each]:.2f}x" for each in lanes),
                f"{row['error']:.4f}",
                _number(network, row["quality"]),
                _number(network, row["loss"]),
                f"{_number(network, row['loss_low'])} to {_number(network, row['loss_high'])}",
                "yes" if row["kept"] else "no",
                "yes" if row["without_loss"] else "no",
            ]
        )
    return columns, rows


def _skips(network: dict[str, Any]) -> Table:
    columns = ["steps", "skips", "trained", "skipped", "cycles", "fewer cycles", "of exact deltas", "fewer of them"]
    columns += [network["metric"], "loss, 95 %", "worse than the rule, 95 %", "no loss"]
    rows: list[list[object]] = []
    every = network["skips"]["rows"]
    for row in every:
        whole = next(
            each for each in every if each["base"] == row["base"] and not each["trained"] and not each["skipped"]
        )
        rows.append(
            [
                row["base"],
                row["name"],
                "yes" if row["trained"] else "no",
                f"{row['skipped']:.1%}",
                f"{row['cycles']:.0f}",
                f"{whole['cycles'] / row['cycles']:.2f}x",
                f"{row['delta_cycles']:.0f}" if row["delta_cycles"] else "",
                f"{whole['delta_cycles'] / row['delta_cycles']:.2f}x" if row["delta_cycles"] else "",
                _number(network, row["quality"]),
                _spread(network, row["loss"]),
                "" if row["name"] == "rule" else _spread(network, row["worse_than_rule"]),
                "yes" if row["without_loss"] else "no",
            ]
        )
    return columns, rows


def _spread(network: dict[str, Any], values: list[float]) -> str:
    value, low, high = (_number(network, each) for each in values)
    return f"{value} ({low} to {high})"


def _number(network: dict[str, Any], value: float) -> str:
    """Fractions in percent, other units as they are."""
    return f"{value:.3f} {network['unit']}" if network["unit"] else f"{100 * value:.3f} %"
