"""The adaptive bench as tables: one per network with everything, one short one with what it comes to."""

from __future__ import annotations

from typing import Any

from lstmith.scripts.bench.blocks import Table, markdown
from lstmith.scripts.bench.stamps import MEASURED, told

RULES = (
    "Policies are tuned on one part of a workload's data (`lstmith.tuning`), and every figure is measured once on "
    "another part, with each sequence kept whole. Cycles come from the model that equals the RTL cycle by cycle. "
    "There are two speed-ups, both over the ideal number of dense cycles, which reads every column and takes no other "
    "time: *A* over eight bits, or sixteen where eight lose something (the *base*), and *B* over the cheapest static "
    "format that loses nothing on the data to tune on. *No loss* means worse than float by at most 0.5 % relative, or "
    "0.1 % of decisions where float is what is right. The interval of the loss is a paired bootstrap: 1,000 times, "
    "whole units of the workload are drawn for the policy and for float together. *Error* is the mean absolute error "
    "of h against float: a policy is chosen by it, as the fastest whose loss, and the loss that is usual at one and a "
    "half times its error, is none. Energy is an estimate ([energy.md](../energy.md))."
)
CONTROLS = (
    "Each mechanism has controls, and it must beat them to show anything. *Random steps* (3 seeds; the interval is "
    "their spread), *every second step* and *warm-up only* (as often, after the first steps) decide in the monitor's "
    "place, *inverted rule* decides the opposite. *Random columns* defers as many columns of the low plane as the "
    "thresholds do, but chooses at random. *Static W6* is a dense network of six bits at 6/8 of the cycles. *Zero "
    "skipping* is dense without zero operands."
)


def network_tables(result: dict[str, Any]) -> dict[str, Table]:
    """A table per network: columns and rows."""
    return {_title(network): _table(network) for network in result["networks"]}


def summary_table(result: dict[str, Any]) -> Table:
    """A row per network: what is best, and whether it holds on held-out data."""
    columns = ["network", "base", "static", "best", "cycles", "A", "B", "error", "quality", "loss, 95 %", "no loss"]
    columns += ["best control without loss"]
    rows: list[list[object]] = []
    for network in result["networks"]:
        by_name = {row["name"]: row for row in network["rows"]}
        best = by_name[result["summary"]["best"][network["name"]]]
        control = result["summary"]["best_control"][network["name"]]
        rows.append(
            [
                network["name"],
                f"{network['base']}, {network['base_cycles']:.0f}",
                f"{network['static']}, {network['static_cycles']:.0f}",
                best["name"],
                f"{best['cycles_per_step']:.0f}",
                f"{best['speedup_vs_base']:.2f}x",
                f"{best['speedup_vs_static']:.2f}x",
                f"{best['error']:.4f}",
                _number(network, best["quality"]),
                _interval(network, best),
                "yes" if best["without_loss"] else "no",
                f"{control}, {by_name[control]['speedup_vs_base']:.2f}x" if control else "-",
            ]
        )
    return columns, rows


def fewer_table(result: dict[str, Any]) -> Table:
    """The best row of each network on engines of fewer lanes."""
    columns = ["network", "lanes", "policy", "base", "cycles", "A", "B", "same quality"]
    rows: list[list[object]] = []
    for network in result["networks"]:
        for count in network["fewer"]:
            rows.append(
                [
                    network["name"],
                    "/".join(str(lanes) for lanes in count["lanes"].values()),
                    count["row"],
                    f"{count['base_cycles']:.0f}",
                    f"{count['cycles']:.0f}",
                    f"{count['speedup_vs_base']:.2f}x",
                    f"{count['speedup_vs_static']:.2f}x",
                    "yes" if count["same_quality"] else "no",
                ]
            )
    return columns, rows


def full_text(result: dict[str, Any]) -> str:
    """The block of the results page."""
    parts = [f"{told(result[MEASURED])}\n\n{RULES}\n\n{CONTROLS}\n", markdown(*summary_table(result)), _means(result)]
    if any(network["fewer"] for network in result["networks"]):
        parts.append(
            f"The best policies on engines of fewer lanes, nothing tuned anew:\n\n{markdown(*fewer_table(result))}"
        )
    for network, (title, table) in zip(result["networks"], network_tables(result).items(), strict=True):
        parts.append(f"**{title}.** {_preamble(network)}\n\n{markdown(*table)}")
    return "\n".join(parts)


def means_text(result: dict[str, Any]) -> str:
    """Both speed-ups in sentences, for who reads no table."""
    summary, count = result["summary"], len(result["networks"])
    means = {name: f"{summary[f'geometric_mean_vs_{name}']:.2f}x" for name in ("base", "static")}
    sure = {name: f"{summary[f'geometric_mean_vs_{name}_without_loss']:.2f}x" for name in means}
    return (
        f"`lstmith bench adaptive` chooses policies for {count} networks on one part of their data, and judges them on "
        f"another. Geometric means:\n**{means['base']}** over dense steps of 8 bits (16 where 8 lose something), "
        f"**{means['static']}** over the cheapest static format; {summary['without_loss']} of {count} lose nothing.\n"
        f"By their fastest policies that lose nothing: {sure['base']} and {sure['static']} "
        f"([by network and commit](docs/results/adaptive.md)).\n"
    )


def _means(result: dict[str, Any]) -> str:
    summary = result["summary"]
    kept, all_of = summary["without_loss"], len(result["networks"])
    return (
        f"Geometric means of {all_of} networks:\n\n"
        f"- A: {summary['geometric_mean_vs_base']:.2f}x over eight bits, or sixteen where a network needs them\n"
        f"- B: {summary['geometric_mean_vs_static']:.2f}x over the best static format of each network\n"
        f"- if each network takes its fastest row without loss on held-out data: A "
        f"{summary['geometric_mean_vs_base_without_loss']:.2f}x, B "
        f"{summary['geometric_mean_vs_static_without_loss']:.2f}x\n\n"
        f"The best row has no loss on held-out data for {kept} of {all_of} networks.\n{_missing(result)}"
    )


def _missing(result: dict[str, Any]) -> str:
    """Networks that the tables do not hold yet."""
    missing = result["missing"]
    return f"\nNot measured yet by this command: {', '.join(missing)}.\n" if missing else ""


def _title(network: dict[str, Any]) -> str:
    return f"{network['name']}, {network['metric']}"


def _preamble(network: dict[str, Any]) -> str:
    lanes = ", ".join(str(count) for count in sorted(set(network["lanes"].values())))
    several = list(network["lanes"])
    told = f" Figures of {', '.join(several)} are given in this order." if len(several) > 1 else ""
    return (
        f"{lanes} lanes; mechanisms on {network['base']}; float {network['of_float']:.4g}; "
        f"ideal dense cycles {network['base_cycles']:.0f}, of the best static format ({network['static']}) "
        f"{network['static_cycles']:.0f}.{told}"
    )


def _table(network: dict[str, Any]) -> Table:
    also = list(network["rows"][0]["also"])
    columns = ["policy", "deferred", "words top", "words low", "skipped", "cycles", "99 %", "worst", "A", "B"]
    columns += ["nJ per step", "error", network["metric"], "loss, 95 %", "no loss", *also]
    rows: list[list[object]] = []
    for row in network["rows"]:
        figures = list(row["networks"].values())
        rows.append(
            [
                row["name"],
                _each(figures, "deferred_steps", "{:.0%}"),
                _each(figures, "top_words", "{:.0f}"),
                _each(figures, "low_words", "{:.0f}"),
                _each(figures, "skipped_steps", "{:.0%}"),
                _each(figures, "cycles_per_step", "{:.0f}"),
                _each(figures, "cycles_p99", "{:.0f}"),
                _each(figures, "cycles_max", "{:.0f}"),
                f"{row['speedup_vs_base']:.2f}x",
                f"{row['speedup_vs_static']:.2f}x",
                "/".join(f"{one['energy_pj'] / 1000:.1f}" for one in figures),
                f"{row['error']:.4f}",
                _number(network, row["quality"]),
                _interval(network, row),
                "yes" if row["without_loss"] else "no",
                *(f"{row['also'][name]:.5f}" for name in also),
            ]
        )
    return columns, rows


def _each(figures: list[dict[str, float]], name: str, form: str) -> str:
    return "/".join(form.format(one[name]) for one in figures)


def _interval(network: dict[str, Any], row: dict[str, Any]) -> str:
    return f"{_number(network, row['loss_low'])} to {_number(network, row['loss_high'])}"


def _number(network: dict[str, Any], value: float) -> str:
    """Fractions in percent, other units as they are."""
    return f"{value:.3f} {network['unit']}" if network["unit"] else f"{100 * value:.3f} %"
