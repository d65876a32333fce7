"""Fine-tuning of a compiled design for the policy it will run under."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lstmith.compiler.design import Design
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.policy_check import check_policies
from lstmith.training.data import sequences, teacher
from lstmith.training.finetune import Finetuned, Loss, Settings, finetune, follow_teacher


def finetune_design(
    design: Design,
    policies: list[Policy],
    xs: list[npt.NDArray[np.float32]],
    settings: Settings,
    loss: Loss | None = None,
) -> tuple[Design, Finetuned]:
    """Train the integers of a design; engine, formats and float source stay, so that it loads into the same core.

    Parameters
    ----------
    design : Design
    policies : list of Policy, one per layer
    xs : list of float32 [T, I]
        Sequences to train on, each from the zero state.
    settings : Settings
    loss : Loss or None
        None follows h of the float source, all layers.

    Raises
    ------
    UserError
        If there is too little data to hold some back, or it has another width than the network.
    ValueError
        If the engine cannot do what the policies ask, or the design has active counts.
    """
    if len(xs) < settings.hold_every:
        raise UserError("training data", f"has {len(xs)} sequences", f"give {settings.hold_every} or more")
    for index, x in enumerate(xs):
        if x.ndim != 2 or x.shape[1] != design.network.inputs or not len(x):
            raise UserError(
                f"training sequence {index}", f"has shape {x.shape}", f"give [T, {design.network.inputs}], T from 1"
            )
    check_policies(design.network, design.engine, policies)
    data = sequences(design.network, xs)
    wanted = loss or follow_teacher(teacher(design.source, xs), data)
    found = finetune(design.network, design.engine, policies, data, wanted, settings)
    report = {**design.report, "training": {"loss": found.history, "seed": settings.seed}}
    return replace(design, network=found.network, report=report), found
