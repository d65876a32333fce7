"""Training of a compiled design for the policy it will run under."""

from __future__ import annotations

from dataclasses import replace

from lstmith.compiler.design import Design
from lstmith.spec.policy import Policy
from lstmith.training.finetune import Finetuned, Settings, finetune
from lstmith.training.windows import Lesson


def distil_design(
    design: Design, policies: list[Policy], lesson: Lesson, settings: Settings
) -> tuple[Design, Finetuned]:
    """Train the integers of a design; engine, formats and float source stay, so that it loads into the same core.

    Parameters
    ----------
    design : Design
    policies : list of Policy, one per layer
    lesson : Lesson
        Of this design.
    settings : Settings

    Raises
    ------
    ValueError
        If the engine cannot do what the policies ask, or the design has active counts.
    """
    found = finetune(design.network, design.engine, policies, lesson.data, lesson.loss(), settings, design.source)
    report = {**design.report, "training": {"loss": found.history, "seed": settings.seed}}
    return replace(design, network=found.network, report=report), found
