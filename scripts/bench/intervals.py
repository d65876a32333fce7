"""How much worse one run is than another, with the doubt: every unit of a workload is drawn for both together."""

from __future__ import annotations

from lstmith.scripts.bench.adaptive.search import loss_of
from lstmith.workloads.workload import Scores, Workload

BOOTSTRAP_SEED = 1


def difference(workload: Workload, one: Scores, other: Scores) -> list[float]:
    """How much worse one is than the other: value and 95 % interval, in the metric's unit."""
    ends = sorted(loss_of(workload, end, 0.0) for end in one.paired(other, BOOTSTRAP_SEED))
    return [loss_of(workload, one.value, other.value), *ends]
