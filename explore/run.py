"""Who runs the tasks of a level."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from lstmith.campaign import Cluster, Store, Task, in_order, run_tasks
from lstmith.campaign.task import Function


class Results(Protocol):
    """Runs a level's function on tasks."""

    def __call__(self, function: Function, tasks: Sequence[Task]) -> Iterator[Any]:
        """Results in the order of the tasks."""


def results_of(store: Store | None, cluster: Cluster | None) -> Results:
    """Results from a store, or computed on a cluster; see :func:`lstmith.campaign.run_tasks`."""

    def results(function: Function, tasks: Sequence[Task]) -> Iterator[Any]:
        return in_order(run_tasks(function, tasks, store=store, cluster=cluster))

    return results
