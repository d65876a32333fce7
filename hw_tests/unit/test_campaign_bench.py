"""``lstmith bench campaign``: the plan on paper, and its page."""

from __future__ import annotations

from typing import Any

import pytest

from lstmith.scripts.bench.campaign.bench import campaign_text
from lstmith.scripts.bench.campaign.plan import Costs, simulate


def test_without_costs_workers_always_work() -> None:
    plan = simulate(10, 1000, 2.0, Costs(0, 0, 0))
    assert plan.hours * 3600 == pytest.approx(200)
    assert plan.efficiency == pytest.approx(1)
    assert plan.first == "workers"


@pytest.mark.parametrize(("costs", "first"), [(Costs(1, 0, 4), "scheduler"), (Costs(4, 0, 1), "client")])
def test_the_slowest_sets_the_pace(costs: Costs, first: str) -> None:
    """A task for each 4 ms of it, beside what the first and the last ones wait."""
    plan = simulate(100, 5000, 0.1, costs)
    assert plan.first == first
    assert 20 <= plan.hours * 3600 < 20.5
    assert plan.efficiency == pytest.approx(0.25, rel=0.03)


def test_a_slow_disk_keeps_many_results_at_once() -> None:
    plan = simulate(100, 5000, 0.5, Costs(0.1, 50, 0.1))
    assert plan.hours * 3600 < 26  # a transaction for each result would take 250 s
    assert 0 < plan.store < 0.2


def test_page() -> None:
    result: dict[str, Any] = {
        "tasks": {"overhead_ms": 5.0, "efficiency": 0.987},
        "golden": {"processors": 2, "seconds": 2.04, "one": 9.0, "all": 10.0, "useful": 0.953},
        "store": {"transaction_ms": 2.0, "bytes": 200.0},
        "deaths": {"tasks": 500, "deaths": 20, "missing": 0, "wrong": 0, "seconds": 9.0},
        "costs": vars(Costs(1.0, 2.0, 3.0)),
        "shortest_s": 3.3,
        "load": 2.0,
        "plan": [
            {"seconds": 1.0, "hours": 0.5, "efficiency": 0.4, "client": 0.2, "scheduler": 1, "store": 0.1}
            | {"first": "scheduler"}
        ],
    }
    text = campaign_text(result)
    assert "The scheduler breaks first: with tasks below 3.3 s" in text
    assert "The store grows to 0.2 GB" in text
    assert "golden for 2.0 s of a processor a task, a worker pinned to each of 2 processors: times as fast" in text
    assert "one worker | 1.80 |" in text
    assert "in tasks, in % | 95.3 |" in text
    assert "| 1 | 0.50 | 40.0 | 20 | 100 | 10 | scheduler |" in text
