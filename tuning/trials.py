"""Policies measured as tasks of a campaign: on any workers, and never twice."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lstmith.campaign import Cluster, Store, in_order, run_tasks
from lstmith.campaign.task import Content
from lstmith.campaign.task import Task as Trial
from lstmith.spec.policy import Policy
from lstmith.spec.policy_file import describe_policy, parse_policies
from lstmith.tuning.metrics import source_digest
from lstmith.tuning.search import Evaluate, Measure, Measured
from lstmith.tuning.task import Task


def tried(spec: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, float]:
    """What policies do on the part of the data that is tuned on, as :class:`.search.Measured` has it.

    Parameters
    ----------
    spec : mapping
        ``layers``, the policies as a policy file holds them; ``metric``, ``stateful``; ``metric_source`` and ``inputs``
        tell other metrics and files of the same names apart.
    files : mapping
        ``design`` and ``data``.
    """
    evaluate = _evaluate(files["design"], files["data"], spec["metric"], spec["stateful"], spec["inputs"])
    return asdict(evaluate(parse_policies({"layers": spec["layers"]}, len(spec["layers"]), "task")))


@functools.lru_cache(maxsize=1)
def _evaluate(design: Path, data: Path, metric: str, stateful: bool, inputs: str) -> Evaluate:
    """Reading the data and running it in float takes longer than a trial, so a worker does it once."""
    task = Task.load(design, data, metric, stateful=stateful)
    return task.evaluator(task.split.tune, cuts=True)


def measuring(
    design: Path,
    data: Path,
    metric: str,
    *,
    stateful: bool = False,
    store: Store | None = None,
    cluster: Cluster | None = None,
) -> Measure:
    """What :func:`.search.search` measures with: a task for each policy, see :func:`lstmith.campaign.run_tasks`."""
    files = {"design": design, "data": data}
    shared = {
        "metric": metric,
        "metric_source": source_digest(metric),
        "stateful": stateful,
        "inputs": " ".join(Content.of(path).digest for path in files.values()),
    }

    def measure(proposed: Sequence[list[Policy]]) -> list[Measured]:
        tasks = [Trial(shared | {"layers": [describe_policy(one) for one in each]}, files) for each in proposed]
        return [Measured(**found) for found in in_order(run_tasks(tried, tasks, store=store, cluster=cluster))]

    return measure
