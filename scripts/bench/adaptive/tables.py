"""The adaptive bench as tables: one per network with everything, one short one with what it comes to."""

from __future__ import annotations

from typing import Any

from lstmith.scripts.bench.blocks import Table, markdown
from lstmith.scripts.bench.stamps import MEASURED, told

RULES = (
    "Policies are tuned on one part of a workload's data (`lstmith.tuning`), and every figure is measured on another "
    "part, with each sequence kept whole. Cycles come from the model that equals the RTL cycle by cycle. Speed-up is "
    "the ideal number of dense cycles over the mean; the ideal reads every column at the static precision and takes "
    "no other time. The static precision is the cheapest one without loss on the data to tune on. *No loss* means "
    "that quality is inside the 95 % bootstrap interval of that static format (resampling whole units of the "
    "workload), and worse than float by at most 0.5 % relative, or 0.1 % of decisions. Energy is an estimate "
    "([energy.md](../energy.md))."
)
CONTROLS = (
    "Each mechanism has controls, and it must beat them to show anything. *Random steps* and *random columns* use the "
    "lower variant as often as the monitor and the mixing, but choose at random (3 seeds; the interval is their "
    "spread). *Warm-up only* uses it as often, after the first steps. *Static W6* is a dense network of six bits at "
    "6/8 of the cycles. *Zero skipping* is dense without zero operands. *Rule on values* chooses the image by the "
    "size of the value instead of its change."
)


def network_tables(result: dict[str, Any]) -> dict[str, Table]:
    """A table per network: columns and rows."""
    return {_title(network): _table(network) for network in result["networks"]}


def summary_table(result: dict[str, Any]) -> Table:
    """A row per network: what is best, and whether it holds on held-out data."""
    columns = ["network", "static", "its cycles", "best", "cycles", "speed-up", "quality", "static's", "no loss"]
    columns += ["best control without loss"]
    rows: list[list[object]] = []
    for network in result["networks"]:
        by_name = {row["name"]: row for row in network["rows"]}
        best = by_name[result["summary"]["best"][network["name"]]]
        control = result["summary"]["best_control"][network["name"]]
        rows.append(
            [
                network["name"],
                network["static"],
                f"{network['static_cycles']:.0f}",
                best["name"],
                f"{best['cycles_per_step']:.0f}",
                f"{best['speedup_vs_static']:.2f}x",
                _quality(network, best),
                _quality(network, network["static_row"]),
                "yes" if best["without_loss"] else "no",
                f"{control}, {by_name[control]['speedup_vs_static']:.2f}x" if control else "-",
            ]
        )
    return columns, rows


def full_text(result: dict[str, Any]) -> str:
    """The block of the results page."""
    parts = [f"{told(result[MEASURED])}\n\n{RULES}\n\n{CONTROLS}\n", markdown(*summary_table(result)), _means(result)]
    for network, (title, table) in zip(result["networks"], network_tables(result).items(), strict=True):
        parts.append(f"**{title}.** {_preamble(network)}\n\n{markdown(*table)}")
    return "\n".join(parts)


def _means(result: dict[str, Any]) -> str:
    summary = result["summary"]
    kept, all_of = summary["without_loss"], len(result["networks"])
    return (
        "Geometric means of the speed-ups:\n\n"
        f"- {summary['geometric_mean_vs_static']:.2f}x over the best static precision of each network\n"
        f"- {summary['geometric_mean_vs_base']:.2f}x over eight bits, or sixteen where a network needs them\n"
        f"- {summary['geometric_mean_without_loss']:.2f}x over the best static precision, if each network takes its "
        "fastest row without loss on held-out data\n\n"
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
    columns = ["policy", "steps low", "columns low", "skipped", "cycles", "99 %", "worst", "speed-up", "nJ per step"]
    columns += [network["metric"], "95 %", "no loss"]
    rows: list[list[object]] = []
    for row in network["rows"]:
        figures = list(row["networks"].values())
        rows.append(
            [
                row["name"],
                _each(figures, "low_steps", "{:.0%}"),
                _each(figures, "low_columns", "{:.0%}"),
                _each(figures, "skipped_steps", "{:.0%}"),
                _each(figures, "cycles_per_step", "{:.0f}"),
                _each(figures, "cycles_p99", "{:.0f}"),
                _each(figures, "cycles_max", "{:.0f}"),
                f"{row['speedup_vs_static']:.2f}x",
                "/".join(f"{one['energy_pj'] / 1000:.1f}" for one in figures),
                _number(network, row["quality"]),
                f"{_number(network, row['low'])} to {_number(network, row['high'])}",
                "yes" if row["without_loss"] else "no",
            ]
        )
    return columns, rows


def _each(figures: list[dict[str, float]], name: str, form: str) -> str:
    return "/".join(form.format(one[name]) for one in figures)


def _quality(network: dict[str, Any], row: dict[str, Any]) -> str:
    return f"{_number(network, row['quality'])} ({_number(network, row['low'])} to {_number(network, row['high'])})"


def _number(network: dict[str, Any], value: float) -> str:
    """Fractions in percent, other units as they are."""
    return f"{value:.3f} {network['unit']}" if network["unit"] else f"{100 * value:.3f} %"
