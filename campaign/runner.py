"""Runs tasks on whatever workers there are, and keeps what they give."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lstmith.campaign.cluster import Cluster
from lstmith.campaign.store import Result, Store
from lstmith.campaign.task import Content, Function, Task, function_name, module_digest, task_key, versions
from lstmith.campaign.worker import compute, result_text, same
from lstmith.spec.errors import UserError

#: Tasks that are handed to a cluster for each of its workers: none has to wait, and memory stays small.
AHEAD = 4


def run_tasks(
    function: Function,
    tasks: Iterable[Task | None],
    *,
    store: Store | None = None,
    cluster: Cluster | None = None,
    progress: Callable[[int], None] | None = None,
) -> Generator[tuple[int, Any], None, None]:
    """Results of a function for each task, as they arrive.

    What the store has is not computed; what is computed is in the store before it is told. A worker that dies costs
    its tasks only: they are given to others. If the caller stops, by Ctrl-C or by closing the iterator, what runs is
    cancelled, and what is done is kept.

    Parameters
    ----------
    function : callable
        ``function(spec, files) -> result``, pure, of a module; files are paths by the names of :attr:`.Task.files`.
    tasks : iterable of Task or None
        Taken when workers are free, so it may depend on results that were told already. None says that the next task
        depends on a result that is still to be told.
    store : Store or None
        None keeps nothing.
    cluster : Cluster or None
        See :func:`.open_cluster`; None computes here, one after another.
    progress : callable or None
        Called with the number of results.

    Returns
    -------
    iterator of (int, object)
        The task's place among the tasks, and its result, as JSON holds it: the same whichever workers there are.

    Raises
    ------
    UserError
        If a worker has other versions, a tool is missing, the scheduler is gone, or a task takes every worker down
        with it. What the function raises passes through.
    ValueError
        If the function is not found by its name, or None comes where no result is to be waited for.
    """
    name = function_name(function)
    here: _Place = _Here(name) if cluster is None else _There(name, cluster)
    done = 0
    try:
        for index, result in _results(name, tasks, store, here):
            done += 1
            if progress is not None:
                progress(done)
            yield index, result
    finally:
        here.stop()


def in_order(results: Iterable[tuple[int, Any]]) -> Iterator[Any]:
    """Results of :func:`run_tasks` in the order of the tasks, each as soon as those before it are told."""
    arrived: dict[int, Any] = {}
    told = 0
    for index, result in results:
        arrived[index] = result
        while told in arrived:
            yield arrived.pop(told)
            told += 1


def _results(
    function: str, tasks: Iterable[Task | None], store: Store | None, place: _Place
) -> Iterator[tuple[int, Any]]:
    coming, index, ended = iter(tasks), 0, False
    waiting: dict[str, tuple[Task, list[int]]] = {}
    while True:
        while not ended and len(waiting) < place.capacity:
            try:
                task = next(coming)
            except StopIteration:
                ended = True
                break
            if task is None:
                if not waiting:
                    raise ValueError("Tasks wait for a result, and none is to come")
                break
            contents = {name: place.content(path) for name, path in task.files.items()}
            digests = {name: content.digest for name, content in contents.items()}
            key = task_key(function, task.spec, digests, place.versions(task.tools))
            known = None if store is None else store.get(key)
            if known is not None:
                yield index, known
            elif key in waiting:
                waiting[key][1].append(index)
            else:
                waiting[key] = task, [index]
                place.begin(key, task, contents)
            index += 1
        if not waiting:
            return
        # What has arrived meanwhile is kept at once: a disk takes as long for many results as for one.
        texts, error = place.finished()
        finished = {key: json.loads(text) for key, text in texts.items()}
        if store is not None:
            store.put(Result(key, function, waiting[key][0].spec, value) for key, value in finished.items())
        for key, value in finished.items():
            for each in waiting.pop(key)[1]:
                yield each, value
        if error is not None:
            raise error


class _Place:
    """Where tasks are computed."""

    #: Tasks that it is given at a time.
    capacity = 1

    def __init__(self, function: str):
        self._function = function
        self._contents: dict[Path, Content] = {}

    def content(self, path: Path) -> Content:
        """Read once per run: who changes a file meanwhile gets results of the old one, or of neither."""
        if path not in self._contents:
            self._contents[path] = Content.of(path)
        return self._contents[path]

    def versions(self, tools: tuple[str, ...]) -> dict[str, str]:
        """What results depend on beside inputs."""
        return versions(tools) | {"function": module_digest(self._function)}

    def begin(self, key: str, task: Task, contents: Mapping[str, Content]) -> None:
        raise NotImplementedError

    def finished(self) -> tuple[dict[str, str], Exception | None]:
        """Results, as JSON, of tasks that were begun, by their keys; and what stopped one: at least one of both."""
        raise NotImplementedError

    def stop(self) -> None:
        """Nobody waits any longer for what was begun."""


class _Here(_Place):
    """In this process, with the files where they are."""

    def begin(self, key: str, task: Task, contents: Mapping[str, Content]) -> None:
        self._next = key, task

    def finished(self) -> tuple[dict[str, str], Exception | None]:
        key, task = self._next
        return {key: result_text(self._function, task.spec, task.files)}, None


class _There(_Place):
    """On a cluster."""

    def __init__(self, function: str, cluster: Cluster):
        from distributed import as_completed

        super().__init__(function)
        self._cluster, self.capacity = cluster, AHEAD * cluster.workers
        self._packed: dict[str, Any] = {}
        self._keys: dict[Any, str] = {}
        self._begun = as_completed(loop=cluster.client.loop, with_results=True, raise_errors=False)

    def begin(self, key: str, task: Task, contents: Mapping[str, Content]) -> None:
        expected = versions(task.tools)
        self._cluster.check(task.tools, expected)
        packed = [self._travelling(content) for content in contents.values()]
        given = (self._function, task.spec, list(contents.items()), task.tools, expected, *packed)
        name = self._function.partition(":")[2]
        future = self._cluster.client.submit(compute, *given, key=f"{name}-{key}", pure=False)
        self._keys[future] = key
        self._begun.add(future)

    def _travelling(self, content: Content) -> Any:
        """Bytes that the scheduler keeps, so that they outlive every worker; each worker gets them once."""
        if content.digest not in self._packed:
            with warnings.catch_warnings():
                # Dask would rather have large inputs in files that all workers see; there are none.
                warnings.filterwarnings("ignore", message="Sending large graph", category=UserWarning)
                key = f"content-{content.digest}"
                self._packed[content.digest] = self._cluster.client.submit(same, content.packed(), key=key, pure=False)
        return self._packed[content.digest]

    def finished(self) -> tuple[dict[str, str], Exception | None]:
        results: dict[str, str] = {}
        error: Exception | None = None
        for future, result in self._begun.next_batch():
            key = self._keys.pop(future)
            if isinstance(result, str):
                results[key] = result
            else:
                # Of a task that raised, type, error and traceback.
                error = self._told(future, result[1] if isinstance(result, tuple) else result)
        return results, error

    def _told(self, future: Any, error: Exception) -> Exception:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        if isinstance(error, FutureCancelledError):
            fix = "start it, and the command again: it goes on"
            return UserError(f"scheduler {self._cluster.address}", "is gone", fix)
        if isinstance(error, KilledWorker):
            problem = "takes every worker down that it is given to"
            return UserError(f"task {future.key[:40]}", problem, "give workers more memory, or run it with --workers 1")
        if isinstance(error, UserError) and error.worker and not self._cluster.own:
            # What is wrong may be so on that machine alone.
            return UserError(error.where, f"{error.problem}, on worker {error.worker}", error.fix)
        return error

    def stop(self) -> None:
        self._begun.clear()
        self._cluster.client.cancel(list(self._keys))
