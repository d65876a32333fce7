"""A campaign on paper: client, store, scheduler and workers as queues, with what was measured of each."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from lstmith.campaign.runner import AHEAD


@dataclass(frozen=True)
class Costs:
    """What a task takes beside its own work, in milliseconds.

    Attributes
    ----------
    client : float
        Key, look into the store, submission and result.
    store : float
        A transaction, of however many results.
    scheduler : float
    """

    client: float
    store: float
    scheduler: float


@dataclass(frozen=True)
class Plan:
    """What a simulated campaign came to.

    Attributes
    ----------
    hours : float
    efficiency : float
        Share of the workers' time in which they work.
    busy : dict of str to float
        Share of the time in which client and scheduler have work.
    store : float
        The same of the store, which takes the less for a result the more arrive together.
    """

    hours: float
    efficiency: float
    busy: dict[str, float]
    store: float

    @property
    def first(self) -> str:
        """What has the most work, for its power."""
        shares = self.busy | {"workers": self.efficiency}
        return max(shares, key=lambda name: shares[name])


def simulate(workers: int, tasks: int, seconds: float, costs: Costs) -> Plan:
    """Tasks of equal length, one after another through client, scheduler and a worker, and back.

    The client works through what has arrived: it keeps all results in one transaction, then begins as many tasks as it
    ended, as :func:`lstmith.campaign.run_tasks` does. Messages take no time: they pass while others are worked on.

    Parameters
    ----------
    workers, tasks : int
    seconds : float
        Of a task's own work.
    costs : Costs
    """
    begun, ended, clock = 0, 0, 0.0
    scheduler, transactions = 0.0, 0
    free = [0.0] * workers
    arriving: list[float] = []

    while ended < tasks:
        while begun < tasks and begun - ended < AHEAD * workers:
            clock += costs.client / 1e3
            scheduler = max(scheduler, clock) + costs.scheduler / 1e3
            end = max(scheduler, heapq.heappop(free)) + seconds
            heapq.heappush(free, end)
            heapq.heappush(arriving, end)
            begun += 1
        clock = max(clock, arriving[0]) + costs.store / 1e3
        transactions += 1
        while arriving and arriving[0] <= clock:
            heapq.heappop(arriving)
            ended += 1
    busy = {"client": costs.client, "scheduler": costs.scheduler}
    return Plan(
        clock / 3600,
        tasks * seconds / (workers * clock),
        {name: tasks * each / 1e3 / clock for name, each in busy.items()},
        transactions * costs.store / 1e3 / clock,
    )
