"""The golden level: policies of one network tuned, then held against every engine that computes the same values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lstmith.boards.catalogue import find_board
from lstmith.explore.levels import cells, speed, with_engine
from lstmith.explore.points import Point
from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.policy_file import describe_policy
from lstmith.tuning.search import Measured, Trial, expected_losses, fastest, pareto, policies_key, search
from lstmith.tuning.space import Space
from lstmith.tuning.task import Task

#: Tuned policies that are held against every engine, beside those that change nothing.
MOST = 8
#: Picojoules in a nanojoule.
_NANO = 1e-3


def golden(spec: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, Any]:
    """Policies of a network and what they cost on engines that compute the same values; figures are of held-out data.

    Parameters
    ----------
    spec : mapping
        ``points`` (the engines), ``metric``, ``max_loss`` (None for any), ``trials``, ``seed``, ``stateful``.
    files : mapping
        ``design`` and ``data``.

    Returns
    -------
    dict
        ``split``; ``float_metric``; ``policies``: ``label``, ``policy``, ``metric``, ``loss`` and ``expected_loss``,
        what the tuning data promises; ``engines``: ``point`` with ``cells`` and ``figures`` by policy, or with
        ``left``, why the board has no room for it.
    """
    task = Task.load(files["design"], files["data"], spec["metric"], stateful=spec["stateful"])
    engines: list[dict[str, Any]] = []
    configs: list[EngineConfig] = []
    for values in spec["points"]:
        point = Point.of(values)
        try:
            config = with_engine(task.design, point).engine
        except UserError as error:
            engines.append({"point": values, "left": f"too large: {error.problem}"})
            continue
        engines.append({"point": values, "cells": cells(config, find_board(point.board)), "figures": []})
        configs.append(config)
    if not configs:
        return {"engines": engines, "policies": []}
    # Policies are tuned on the engine with most lanes, where what does not shorten lists counts for least.
    widest = max(configs, key=lambda config: (config.lanes, config.rows_per_cycle))
    task = replace(task, design=replace(task.design, engine=widest))
    tried = _tried(task, spec)
    usual = expected_losses([trial.measured for trial in tried])
    expected = {policies_key(trial.policies): max(loss, trial.measured.loss)
                for trial, loss in zip(tried, usual, strict=True)}  # fmt: skip
    judge = task.evaluator(task.split.heldout, cuts=False)
    policies = []
    for label, chosen in _chosen(task, tried, spec["max_loss"]):
        found, costs = judge.beside(chosen, configs)
        policies.append(
            {
                "label": label,
                "policy": {"layers": [describe_policy(policy) for policy in chosen]},
                "metric": found.metric,
                "loss": found.loss,
                "expected_loss": expected[policies_key(chosen)],
            }
        )
        # The first costs are those of the engine that the policies were tuned on.
        for entry, config, cost in zip((one for one in engines if "cells" in one), configs, costs[1:], strict=True):
            board = find_board(entry["point"]["board"])
            entry["figures"].append({**speed(cost.cycles_per_step, board), "nJ": cost.energy(config) * _NANO})
    described = task.split.describe()
    return {"split": described, "float_metric": judge.quality.of_float, "policies": policies, "engines": engines}


def _tried(task: Task, spec: Mapping[str, Any]) -> list[Trial]:
    """Policies measured on the part that is tuned on, the one that changes nothing first."""
    evaluate = task.evaluator(task.split.tune, cuts=True)
    known: dict[str, Measured] = {}

    def measure(proposed: Sequence[list[Policy]]) -> list[Measured]:
        for policies in proposed:
            if policies_key(policies) not in known:
                known[policies_key(policies)] = evaluate(policies)
        return [known[policies_key(policies)] for policies in proposed]

    exact = Trial(task.exact(), measure([task.exact()])[0])
    if not task.design.engine.delta:
        return [exact]
    design = task.design
    xs = [task.recorded.xs[one.sequence][one.begin : one.end] for one in task.split.tune]
    space = Space.of(design.network, design.engine, xs, by_fold=False)
    trials, limit = spec["trials"], spec["max_loss"]
    if limit is None:
        # Nobody says what may be lost, so the search goes where half of the known policies do.
        starts = space.starts()[:trials]
        limit = float(np.median([one.loss for one in measure([space.policies(params) for params in starts])]))
    tried = search(measure, space, trials=trials, max_loss=max(limit, 0.0), seed=spec["seed"])
    return [exact, *(trial for trial in tried if trial.policies != exact.policies)]


def _chosen(task: Task, tried: list[Trial], max_loss: float | None) -> list[tuple[str, list[Policy]]]:
    """Policies with labels: every step dense, nothing lost, and from all over the Pareto set of those tuned."""
    exact, *others = tried
    chosen = [("dense", exact.policies)]
    lossless = [trial for trial in others if _lossless(trial)]
    if lossless:
        best = min(lossless, key=lambda trial: trial.measured.cycles)
        chosen.append(("exact", best.policies))
    front = [trial for trial in pareto(others) if not _lossless(trial)]
    if max_loss is not None:
        best_tuned = fastest(others, max_loss, tried)
        usual = dict(zip(map(id, tried), expected_losses([one.measured for one in tried]), strict=True))
        front = [trial for trial in front if max(usual[id(trial)], trial.measured.loss) <= max_loss]
        if best_tuned is not None and best_tuned not in front:
            front.insert(0, best_tuned)
    places = np.unique(np.linspace(0, len(front) - 1, min(MOST, len(front))).astype(int))
    tuned = [front[place].policies for place in places]
    chosen += [(f"tuned{number}", policies) for number, policies in enumerate(tuned, 1)
               if all(policies != known for _, known in chosen)]  # fmt: skip
    return chosen


def _lossless(trial: Trial) -> bool:
    """Whether a policy leaves nothing out, so that every value is that of dense steps."""
    thresholds = any(p.theta_x or p.theta_h or p.low_theta_x or p.low_theta_h for p in trial.policies)
    leaves_out = any(p.monitors or p.skip.active or p.active for p in trial.policies)
    return not thresholds and not leaves_out
