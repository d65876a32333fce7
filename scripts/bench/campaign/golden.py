"""Tasks that compute: golden on workers that are pinned to processors, against one worker."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from lstmith.campaign import Cluster, Store, Task, open_cluster, run_tasks
from lstmith.golden.model import GoldenModel
from lstmith.scripts.bench.blank import blank_network
from lstmith.spec.policy_check import default_policies
from lstmith.spec.presets import preset

#: What golden runs, on so many sequences of so many steps: about two seconds of a processor.
PRESET, SEQUENCES, STEPS, ROUNDS = "digit", 16, 250, 25
#: Tasks for each processor.
EACH = 4


def golden_work(spec: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, float]:
    """Run golden on the processor that ``cores`` gives this worker; ``processor`` seconds that it took.

    Other work on a machine takes time by the clock, and next to none of a processor.
    """
    os.sched_setaffinity(0, {spec["cores"][_place() % len(spec["cores"])]})
    begun = time.thread_time()
    chosen = preset(PRESET)
    network = blank_network([chosen.serves], 8, chosen.engine.planes)
    model, policies = GoldenModel(network, chosen.engine), default_policies(network, chosen.engine)
    rng = np.random.default_rng(spec["value"])
    x = rng.integers(-128, 128, (SEQUENCES, STEPS, chosen.serves[1])).astype(np.int16)
    for _ in range(spec["rounds"]):
        model.run(x, policies)
    return {"processor": time.thread_time() - begun}


def _place() -> int:
    """Number of this worker, as its cluster calls it; of the command itself 0."""
    from distributed import get_worker

    try:
        return int(get_worker().name)
    except ValueError:
        return 0


def golden_efficiency(folder: Path) -> dict[str, float]:
    """One worker, in this process, and one for each processor, the same tasks for each of them.

    Returns
    -------
    dict
        ``processors``; ``seconds`` of a task, of a processor; ``one`` and ``all``: seconds by the clock; ``useful``:
        the part of the processor time of all workers, scheduler and client that is in tasks.
    """
    cores = sorted(os.sched_getaffinity(0))
    try:
        one, alone = _clocked(folder / "one", cores[:1], EACH, None)
    finally:
        os.sched_setaffinity(0, cores)
    with open_cluster(max(2, len(cores))) as cluster:
        assert cluster is not None
        # The first ones import.
        _clocked(folder / "imports", cores, len(cores), cluster, rounds=1)
        before = _processor_seconds()
        everyone, tasks = _clocked(folder / "all", cores, EACH * len(cores), cluster)
        used = _processor_seconds() - before
    seconds = sum(alone) / len(alone)
    return {"processors": len(cores), "seconds": seconds, "one": one, "all": everyone, "useful": sum(tasks) / used}


def _clocked(
    store: Path, cores: list[int], count: int, cluster: Cluster | None, rounds: int = ROUNDS
) -> tuple[float, list[float]]:
    tasks = [Task({"value": value, "cores": cores, "rounds": rounds}) for value in range(count)]
    begun = time.perf_counter()
    found = [one["processor"] for _, one in run_tasks(golden_work, tasks, store=Store(store), cluster=cluster)]
    return time.perf_counter() - begun, found


def _processor_seconds() -> float:
    """Of this process and of all that it started."""
    own = psutil.Process()
    return sum(sum(each.cpu_times()[:2]) for each in (own, *own.children(recursive=True)))
