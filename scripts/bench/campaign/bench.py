"""``lstmith bench campaign``: what tasks cost beside their work, workers that die, and larger clusters on paper."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from lstmith.campaign import Cluster, Store, Task, open_cluster, run_tasks
from lstmith.campaign.store import Result
from lstmith.scripts.bench.blocks import Table, markdown
from lstmith.scripts.bench.campaign.golden import golden_efficiency
from lstmith.scripts.bench.campaign.plan import Costs, simulate

Report = Callable[[str], None]

#: Rounds of tasks that do nothing, of which the quickest counts; workers, and tasks of some seconds for each of them.
ROUNDS, EMPTY, WORKERS, EACH, SECONDS = 3, 500, 4, 4, 2.0
#: Tasks of a campaign whose workers die, their seconds, and deaths.
FRAGILE, FRAGILE_SECONDS, DEATHS = 500, 0.1, 20
#: A larger campaign on paper: workers, tasks, and seconds of a task.
PLANNED, MILLION, LENGTHS = 1000, 10**6, (0.5, 1.0, 2.0, 5.0, 10.0, 60.0)
#: Transactions of a store, and results in it when it is weighed.
TRANSACTIONS, KEPT = 100, 2000

_SCHEDULER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def occupy(spec: Any, files: Mapping[str, Path]) -> dict[str, int]:
    """A task that keeps its worker busy for ``seconds``, and gives a number that depends on ``value`` alone."""
    end = time.perf_counter() + spec["seconds"]
    while time.perf_counter() < end:
        time.sleep(min(0.05, spec["seconds"]))
    return {"value": spec["value"] * 7919 % 10007}


def _tasks(count: int, seconds: float) -> list[Task]:
    return [Task({"value": value, "seconds": seconds}) for value in range(count)]


def run_campaign(report: Report) -> dict[str, Any]:
    """Measure.

    Parameters
    ----------
    report : callable
        Takes a stage's name.
    """
    with tempfile.TemporaryDirectory(prefix="lstmith-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        report("overhead and efficiency")
        figures: dict[str, Any] = {"tasks": _overhead(folder), "store": _store(folder)}
        report("golden on pinned workers")
        figures["golden"] = golden_efficiency(folder)
        report("workers that die")
        figures["deaths"] = _deaths(folder)
        report("client and scheduler")
        figures["load"] = os.getloadavg()[1]
        figures["costs"] = vars(_costs(folder, figures["store"]["transaction_ms"]))
    report("the plan on paper")
    costs = Costs(**figures["costs"])
    figures["shortest_s"] = _shortest(costs)
    plans = {seconds: simulate(PLANNED, MILLION, seconds, costs) for seconds in LENGTHS}
    figures["plan"] = [
        {
            "seconds": seconds,
            "hours": plan.hours,
            "efficiency": plan.efficiency,
            **plan.busy,
            "first": plan.first,
            "store": plan.store,
        }
        for seconds, plan in plans.items()
    ]
    return figures


def _overhead(folder: Path) -> dict[str, Any]:
    with open_cluster(WORKERS) as cluster:
        # The first ones import.
        list(run_tasks(occupy, _tasks(2 * WORKERS, 0.2), cluster=cluster))
        took = []
        for number in range(ROUNDS):
            begun = time.perf_counter()
            list(run_tasks(occupy, _tasks(EMPTY, 0.0), store=Store(folder / f"empty_{number}"), cluster=cluster))
            took.append(time.perf_counter() - begun)
        count = EACH * WORKERS
        begun = time.perf_counter()
        list(run_tasks(occupy, _tasks(count, SECONDS), store=Store(folder / "long"), cluster=cluster))
        wall = time.perf_counter() - begun
    return {"overhead_ms": 1e3 * min(took) / EMPTY, "efficiency": count * SECONDS / (WORKERS * wall)}


def _store(folder: Path) -> dict[str, float]:
    """Median of a transaction, and bytes that a result takes."""
    store, took = Store(folder / "weighed"), []
    empty = store.path.stat().st_size
    for number in range(TRANSACTIONS):
        begun = time.perf_counter()
        store.put([_result(number)])
        took.append(time.perf_counter() - begun)
    store.put(_result(number) for number in range(TRANSACTIONS, KEPT))
    return {"transaction_ms": 1e3 * median(took), "bytes": (store.path.stat().st_size - empty) / KEPT}


def _result(number: int) -> Result:
    return Result(f"{number * 0x9E3779B97F4A7C15 % 2**256:064x}", "bench:occupy", {"value": number}, {"value": 1})


def _deaths(folder: Path) -> dict[str, Any]:
    """Random workers are killed at random moments; the results beside those of a serial run."""
    given = _tasks(FRAGILE, FRAGILE_SECONDS)
    serial = list(run_tasks(occupy, _tasks(FRAGILE, 0.0)))
    begun = time.perf_counter()
    with open_cluster(WORKERS) as cluster:
        assert cluster is not None
        with _killing(cluster, FRAGILE * FRAGILE_SECONDS / WORKERS) as killed:
            found = sorted(run_tasks(occupy, given, store=Store(folder / "deaths"), cluster=cluster))
    return {
        "tasks": FRAGILE,
        "deaths": len(killed),
        "missing": FRAGILE - len(found),
        "wrong": sum(one != other for one, other in zip(found, serial, strict=False)),
        "seconds": time.perf_counter() - begun,
    }


@contextmanager
def _killing(cluster: Cluster, seconds: float) -> Iterator[list[int]]:
    """Kill ``DEATHS`` workers within about so many seconds."""
    rng, killed, ended = random.Random(1), list[int](), threading.Event()

    def kill() -> None:
        while len(killed) < DEATHS and not ended.wait(rng.uniform(0, 1.6 * seconds / DEATHS)):
            processes = cluster.client.run(os.getpid, on_error="ignore")
            if processes:
                killed.append(rng.choice(sorted(processes.values())))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        ended.set()
        thread.join()


def _costs(folder: Path, transaction_ms: float) -> Costs:
    """Seconds of the processor in the client, and in a scheduler of its own; other work on the machine adds little."""
    script = folder / "scheduler.py"
    script.write_text(_SCHEDULER)
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        with open_cluster(scheduler=process.stdout.readline().strip()) as cluster:
            list(run_tasks(occupy, _tasks(20, 0.01), cluster=cluster))
            watched = psutil.Process(process.pid), psutil.Process()
            before = [sum(each.cpu_times()[:2]) for each in watched]
            list(run_tasks(occupy, _tasks(EMPTY, 0.0), cluster=cluster))
            scheduler, client = (sum(each.cpu_times()[:2]) - was for each, was in zip(watched, before, strict=True))
        process.communicate("")
    return Costs(1e3 * client / EMPTY, transaction_ms, 1e3 * scheduler / EMPTY)


def campaign_tables(result: dict[str, Any]) -> dict[str, Table]:
    """What was measured, and the plan."""
    tasks, store, deaths, costs = (result[name] for name in ("tasks", "store", "deaths", "costs"))
    measured: list[list[object]] = [
        [
            f"overhead of a task, {EMPTY} empty ones on {WORKERS} workers, best of {ROUNDS} rounds, in ms",
            f"{tasks['overhead_ms']:.1f}",
        ],
        [f"workers' time in tasks of {SECONDS:g} s, {WORKERS} workers, in %", f"{100 * tasks['efficiency']:.1f}"],
        *_golden_rows(result["golden"]),
        [f"results missing of {deaths['tasks']}, {deaths['deaths']} workers killed", deaths["missing"]],
        ["results that differ from a serial run's", deaths["wrong"]],
        ["processor time of a task in the client, in ms", f"{costs['client']:.2f}"],
        ["processor time of a task in the scheduler, in ms", f"{costs['scheduler']:.2f}"],
        ["a transaction of the store, in ms", f"{costs['store']:.2f}"],
        ["bytes of a small result in the store", f"{store['bytes']:.0f}"],
    ]
    plan: list[list[object]] = [
        [
            f"{each['seconds']:g}",
            f"{each['hours']:.2f}",
            f"{100 * each['efficiency']:.1f}",
            *(f"{100 * each[name]:.0f}" for name in ("client", "scheduler", "store")),
            each["first"],
        ]
        for each in result["plan"]
    ]
    columns = [
        "seconds of a task",
        "hours",
        "workers busy in %",
        "client in %",
        "scheduler in %",
        "store in %",
        "busiest",
    ]
    return {"campaign": (["what", "figure"], measured), "plan": (columns, plan)}


def _golden_rows(golden: dict[str, float]) -> list[list[object]]:
    count, what = golden["processors"], f"golden for {golden['seconds']:.1f} s of a processor a task"
    pinned = f"a worker pinned to each of {count} processors"
    return [
        [f"{what}, {pinned}: times as fast as one worker", f"{count * golden['one'] / golden['all']:.2f}"],
        ["the same: part of all processor time that is in tasks, in %", f"{100 * golden['useful']:.1f}"],
    ]


def campaign_text(result: dict[str, Any]) -> str:
    """The tables with a line above each."""
    measured, plan = (markdown(*table) for table in campaign_tables(result).values())
    size, first = result["store"]["bytes"] * MILLION / 1e9, result["plan"][0]["first"]
    return (
        f"Tasks of a campaign on a machine of {os.cpu_count()} processors (`lstmith bench campaign`). Tasks sleep but "
        "for golden's, so that there may be more workers than processors; workers are killed at random moments. Other "
        f"work shares the machine, whose load was {result['load']:.1f}:\n\n"
        f"{measured}\n"
        f"A plan on paper: {PLANNED:,} workers and {MILLION:,} tasks of equal length, simulated as queues with these "
        f"costs. The {first} breaks first: with tasks below {result['shortest_s']:.1f} s workers are without work for "
        f"more than a tenth of their time. The store grows to {size:.1f} GB:\n\n"
        f"{plan}"
    )


def _shortest(costs: Costs) -> float:
    """Seconds of a task, by bisection, from which on planned workers are busy for 9 tenths of their time."""
    low, high = 0.0, max(LENGTHS)
    while high - low > 0.05:
        middle = (low + high) / 2
        # A tenth of the tasks tells the same: the queues are full after the first ones.
        if simulate(PLANNED, MILLION // 10, middle, costs).efficiency < 0.9:
            low = middle
        else:
            high = middle
    return high
