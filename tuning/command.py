"""``lstmith tune``: the policy with the fewest cycles at an accepted loss, from recorded data and a metric."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstmith.cli.campaigns import JsonLines, Scheduler, StoreFile, Workers, campaign
from lstmith.cli.console import out, progress, remark, say, table
from lstmith.cli.pictures import save_picture
from lstmith.compiler.marks import PARETO_PICTURE, PARETO_SET, POLICY
from lstmith.compiler.outputs import Output, check_outputs, save_json
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.policy_file import describe_policy

if TYPE_CHECKING:
    from lstmith.tuning.search import Measured

#: More processes than these gain nothing, since a round has eight trials.
MOST_WORKERS = 8


def command(
    design: Annotated[Path, typer.Argument(help="Directory that 'compile' wrote.")],
    data: Annotated[Path, typer.Option(help="Recorded inputs, as for run; and labels y for metrics that need them.")],
    metric: Annotated[
        str, typer.Option(help="h_error, decisions, accuracy, f1, sisnr, bpc, or [higher:|lower:]module:function.")
    ],
    max_loss: Annotated[float, typer.Option(help="Largest loss against float, in the metric's unit.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The policy that was chosen.")],
    json: Annotated[Path, typer.Option(help="The Pareto set; its plot is written beside it as .png.")],
    stateful: Annotated[
        bool, typer.Option("--stateful", help="Each call of the data starts where the one before ended.")
    ] = False,
    trials: Annotated[int, typer.Option(help="Policies to try.", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="Seed of the search.", min=0)] = 1,
    workers: Workers = None,
    scheduler: Scheduler = None,
    store: StoreFile = None,
    json_lines: JsonLines = False,
) -> None:
    """Search the policies of a design; one part of the data is tuned on, every figure is of the other."""
    from lstmith.tuning.search import fastest, pareto, search
    from lstmith.tuning.task import Task
    from lstmith.tuning.trials import measuring

    if not 0 <= max_loss < float("inf"):
        raise UserError("option --max-loss", f"is {max_loss}", "give a number from 0 up")
    picture = json.with_suffix(".png")
    outputs = [Output(output, POLICY), Output(json, PARETO_SET), Output(picture, PARETO_PICTURE, beside=json)]
    check_outputs([design, data, store], outputs)
    task = Task.load(design, data, metric, stateful=stateful)
    if task.design.engine.fixed:
        raise UserError(str(design), "is fixed, with one policy, so nothing to tune", "compile without --fixed")
    if not task.design.engine.delta:
        raise UserError(str(design), "has an engine without delta, so nothing to tune", "compile without --no-delta")
    exact = task.evaluator(task.split.tune, cuts=True)(task.exact())
    if exact.loss > max_loss:
        raise UserError(
            "option --max-loss",
            f"is {max_loss:g}, but the design without any saving already loses {exact.loss:.4g}",
            "accept more, or compile with more bits",
        )
    with campaign(
        "trying policies",
        trials,
        workers=workers or min(os.cpu_count() or 1, MOST_WORKERS),
        scheduler=scheduler,
        store=store,
        json_lines=json_lines,
    ) as running:
        measure = measuring(design, data, metric, stateful=stateful, store=running.store, cluster=running.cluster)
        tried = search(measure, task.space, trials=trials, max_loss=max_loss, seed=seed, report=running.report)
    best = fastest(tried, max_loss)
    if best is None:
        raise UserError("option --trials", f"is {trials}, too few to find a policy within the loss", "give more")
    front = pareto(tried)
    if best not in front:
        front = sorted([*front, best], key=lambda trial: trial.measured.cycles)
    points = []
    judge = task.evaluator(task.split.heldout, cuts=False)
    dense = judge(task.exact())
    with progress("judging on held-out data", len(front)) as report:
        for index, trial in enumerate(front):
            points.append(_point(trial.policies, judge(trial.policies), trial.measured, dense, exact))
            report(index + 1)
    chosen = points[front.index(best)]
    save_json(output, chosen["policy"], POLICY)
    result = {
        "metric": {"name": metric, "higher_is_better": judge.quality.higher_is_better},
        "max_loss": max_loss,
        "split": task.split.describe(),
        "figures_of": "heldout",
        "float_metric": judge.quality.of_float,
        "dense": _point(task.exact(), dense, exact, dense, exact),
        "static_cycles_per_step": dense.cycles,
        "ideal_cycles_per_step": task.ideal_cycles,
        "lanes": task.design.engine.lanes,
        "trials": trials,
        "policies_tried": len(tried),
        "seed": seed,
        "points": points,
        "chosen": chosen,
    }
    save_json(json, result, PARETO_SET)
    _draw(picture, result, [trial.measured for trial in tried])
    _print(result, output, json, picture)


def _point(
    policies: list[Policy], held: Measured, tuned: Measured, dense: Measured, dense_tuned: Measured
) -> dict[str, Any]:
    """A policy with its figures on held-out data, and those it was found by under ``tune``.

    Each speed-up is over the engine's own dense steps on the same data.
    """
    figures = [
        {
            "metric": found.metric,
            "loss": found.loss,
            "cycles_per_step": found.cycles,
            "speedup_vs_static": base.cycles / found.cycles,
        }
        for found, base in ((held, dense), (tuned, dense_tuned))
    ]
    return {"policy": {"layers": [describe_policy(policy) for policy in policies]}, **figures[0], "tune": figures[1]}


def _draw(path: Path, result: dict[str, Any], tried: list[Any]) -> None:
    from lstmith.tuning.figure import pareto_figure

    save_picture(path, pareto_figure(result, [(one.cycles, one.loss) for one in tried]), PARETO_PICTURE)


def _print(result: dict[str, Any], output: Path, json: Path, picture: Path) -> None:
    divided, chosen, dense = result["split"], result["chosen"], result["dense"]
    rows: list[list[object]] = [
        [
            "dense" if point is dense else "chosen" if point is chosen else "",
            f"{point['metric']:.5g}",
            f"{point['loss']:.3g}",
            f"{point['cycles_per_step']:.1f}",
            f"{point['speedup_vs_static']:.2f}x",
            f"{point['tune']['loss']:.3g}",
            f"{point['tune']['cycles_per_step']:.1f}",
        ]
        for point in (dense, *result["points"])
    ]
    columns = ["policy", result["metric"]["name"], "loss", "cycles per step", "speed-up", "loss (tuned on)", "cycles"]
    out.print(table("Pareto set", columns, rows))
    say(
        f"tuned on {divided['tune_steps']} steps; the figures are of {divided['heldout_steps']} others, "
        f"divided by {divided['by']}; dense without overhead would take {result['ideal_cycles_per_step']} cycles"
    )
    if chosen["loss"] > result["max_loss"]:
        remark(
            f"on held-out data the chosen policy loses {chosen['loss']:.3g}, more than {result['max_loss']:g}: "
            "give more data, or ask for less"
        )
    say(f"policy in {output}, figures in {json}, plot in {picture}")
