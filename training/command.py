"""``lstmith distil``: a design trained on recorded inputs alone; its float network is the teacher."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from lstmith.cli.console import out, progress, remark, say, table
from lstmith.compiler.design import Design
from lstmith.compiler.design_files import FOLDER
from lstmith.compiler.marks import DISTILLED
from lstmith.compiler.outputs import Output, check_outputs, save_json
from lstmith.spec.codes import Kind
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.policy_check import check_policies, default_policies
from lstmith.spec.policy_file import describe_policy, load_policy
from lstmith.tuning.engine import GoldenEngine
from lstmith.tuning.head import Head
from lstmith.tuning.metrics import Float32, h_error
from lstmith.tuning.task import Task

if TYPE_CHECKING:
    from lstmith.training.windows import Lesson


def command(
    design: Annotated[Path, typer.Argument(help="Directory that 'compile' wrote.")],
    data: Annotated[Path, typer.Option(help="Recorded inputs: .npz with x [T,I] or [N,T,I]; no labels are needed.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Directory of the trained design.")],
    json: Annotated[Path | None, typer.Option(help="Losses, and figures before and after.")] = None,
    policy: Annotated[Path | None, typer.Option(help="Policy to train for.", show_default="no thresholds")] = None,
    epochs: Annotated[int, typer.Option(help="Most passes over the data.", min=1)] = 30,
    window: Annotated[int, typer.Option(help="Steps that are unrolled.", min=2)] = 64,
    batch: Annotated[int, typer.Option(help="Windows per step of the optimiser.", min=1)] = 64,
    rate: Annotated[float, typer.Option(help="Largest step of a weight, in its LSBs.", min=1e-6)] = 0.1,
    sparsity: Annotated[float, typer.Option(help="Weight of what changes of h cost; 0 trains for quality.", min=0)] = 0,
    from_float: Annotated[
        bool, typer.Option("--from-float", help="Begin between integers and float weights: better where loss is large.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the order of windows.", min=0)] = 1,
    keep_best: Annotated[bool, typer.Option("--keep-best", help="Ctrl-C ends with the best epoch so far.")] = False,
) -> None:
    """Train a design's weights for a policy, without labels; its float network is the teacher."""
    from lstmith.training.design import distil_design
    from lstmith.training.finetune import Settings

    check_outputs([design, data, policy], [Output(output, FOLDER), Output(json, DISTILLED)])
    task = Task.load(design, data, "h_error")
    lessons = _Lessons.of(task, policy, str(design))
    settings = Settings(
        epochs=epochs,
        batch=batch,
        rate=rate,
        sparsity=sparsity,
        from_float=from_float,
        seed=seed,
        keep_best=keep_best,
    )
    lesson = lessons.lesson(window, settings.hold_every, str(data))
    before = lessons.judged(task.design)
    trained, found = distil_design(task.design, lessons.policies, lesson, settings)
    after = lessons.judged(trained)
    trained.save(output)
    result = {
        "policy": {"layers": [describe_policy(one) for one in lessons.policies]},
        "split": task.split.describe(),
        "windows": len(lesson.data),
        "follows": "h" if lesson.sensitivity is None else "output",
        "loss": found.history,
        "before": before,
        "after": after,
    }
    if json is not None:
        save_json(json, result, DISTILLED)
    rows: list[list[object]] = [[name, f"{before[name]:.5g}", f"{after[name]:.5g}"] for name in before]
    rows.append(["loss (training)", f"{found.history[0]:.5g}", f"{min(found.history):.5g}"])
    out.print(table(str(output), ["held-out figure", "before", "after"], rows))
    if min(found.history) == found.history[0]:
        remark(
            "no epoch was better than the design itself, which was written unchanged; try another --rate or more data"
        )
    say(f"trained design in {output}")


@dataclass(frozen=True)
class _Lessons:
    """A task with the policies that are trained for, and what the model makes of h, if it can be asked."""

    task: Task
    policies: list[Policy]
    head: Head | None

    @classmethod
    def of(cls, task: Task, policy: Path | None, design: str) -> _Lessons:
        loaded = task.design
        if loaded.engine.fixed:
            raise UserError(design, "is fixed: its engine takes no other weights", "compile without --fixed")
        if loaded.network.active_counts > 1:
            raise UserError(
                design, "has active counts, whose biases follow from the weights", "compile without --active"
            )
        for layer, source in zip(loaded.network.layers, loaded.source.layers, strict=True):
            if layer.kind is not Kind.LSTM or layer.symbols:
                what = "that reads symbols" if layer.symbols else f"of kind {layer.kind.name}"
                problem = f"has the layer {source.name!r} {what}"
                raise UserError(design, problem, "train networks of LSTM layers that read values only")
        layers = len(loaded.network.layers)
        policies = default_policies(loaded.network, loaded.engine) if policy is None else load_policy(policy, layers)
        try:
            check_policies(loaded.network, loaded.engine, policies)
        except ValueError as error:
            raise UserError(str(policy or design), str(error), "give a policy of this design") from error
        return cls(task, policies, _head(loaded, design, task))

    def lesson(self, steps: int, hold_every: int, data: str) -> Lesson:
        """Windows of the part of the data that is trained on."""
        from lstmith.training.sensitivity import Sensitivity
        from lstmith.training.windows import lesson

        sensitivity = None if self.head is None else Sensitivity(self.head)
        tune = self.task.split.tune
        windows = sum(-(-one.steps // steps) for one in tune)
        with progress("asking the teacher", windows) as report:
            found = lesson(self.task.design, self.task.recorded, tune, steps, sensitivity, report)
        if len(found.data) < hold_every:
            raise UserError(
                f"{data} field x",
                f"has {sum(one.steps for one in tune)} steps to train on, {len(found.data)} windows of {steps}",
                f"give data for {hold_every} windows or more, or a shorter --window",
            )
        return found

    def judged(self, design: Design) -> dict[str, float]:
        """Figures of a design on the part of the data that is held out."""
        segments, recorded = self.task.split.heldout, self.task.recorded
        engine = GoldenEngine(design.network, design.source, design.engine)
        run = engine.run(engine.prepared(recorded, segments, cuts=True), self.policies)
        trace = recorded.float_trace(design.source).h[-1]
        wanted = [trace[one.sequence, one.begin : one.end].astype(np.float32) for one in segments]
        figures = {"h_error": h_error(run.h, wanted), "cycles_per_step": run.costs.cycles_per_step}
        if self.head is not None:
            figures["output_error"] = _output_error(self.head, run.h, wanted)
        return figures


def _head(design: Design, where: str, task: Task) -> Head | None:
    """What the model makes of h in every step; None, with a remark, if it cannot be asked for a step alone."""
    if design.graph is None:
        return None
    first = task.split.tune[0]
    some = np.zeros((max(2, min(first.steps, 16)), design.network.layers[-1].units), dtype=np.float32)
    try:
        head = Head(design.graph, where)
        stepwise = len(head(some)) == len(some)
    except UserError as error:
        remark(f"training follows h alone: {error}")
        return None
    if not stepwise:
        remark("training follows h alone: the graph behind the LSTM judges whole sequences")
    return head if stepwise else None


def _output_error(head: Head, hs: list[Float32], wanted: list[Float32]) -> float:
    errors = [np.abs(head(h) - head(other)).mean() for h, other in zip(hs, wanted, strict=True)]
    weights = [len(h) for h in hs]
    return float(np.average(errors, weights=weights))
