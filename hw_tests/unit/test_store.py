"""The store of results: shared, whole after kill -9, and one line for what it cannot do."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from lstmith.campaign.store import Result, Store
from lstmith.campaign.task import task_key
from lstmith.spec.errors import UserError

WRITER = """
import sys
from pathlib import Path
from lstmith.campaign.store import Result, Store
store = Store(Path(sys.argv[1]))
for index in range(int(sys.argv[2])):
    store.put([Result(f"{sys.argv[3]}{index}", "f", index, {"index": index})])
    print(index, flush=True)
"""


def writer(path: Path, count: int, prefix: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(count), prefix]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_keys_name_all_that_a_result_depends_on() -> None:
    key = task_key("f", {"a": 1, "b": 2}, {"x": "1"}, {"lstmith": "1"})
    assert key == task_key("f", {"b": 2, "a": 1}, {"x": "1"}, {"lstmith": "1"})
    others = [
        task_key("g", {"a": 1, "b": 2}, {"x": "1"}, {"lstmith": "1"}),
        task_key("f", {"a": 2, "b": 2}, {"x": "1"}, {"lstmith": "1"}),
        task_key("f", {"a": 1, "b": 2}, {"x": "2"}, {"lstmith": "1"}),
        task_key("f", {"a": 1, "b": 2}, {"x": "1"}, {"lstmith": "2"}),
    ]
    assert len({key, *others}) == 5


def test_results_stay(tmp_path: Path) -> None:
    path = tmp_path / "results"
    Store(path).put([Result("k", "f", 0, [1, 2.5, "x"])])
    Store(path).put([Result("k", "f", 0, "another")])
    assert Store(path).get("k") == [1, 2.5, "x"]
    assert Store(path).get("other") is None
    Store(path).put([Result("l", "g", {"n": 1}, 7)])
    assert Store(path).collected("g") == [({"n": 1}, 7)]


def test_two_processes_share_a_store(tmp_path: Path) -> None:
    path = tmp_path / "results"
    both = [writer(path, 20, prefix) for prefix in "ab"]
    assert [one.communicate() and one.returncode for one in both] == [0, 0]
    assert all(Store(path).get(f"{prefix}{index}") == {"index": index} for prefix in "ab" for index in range(20))


def test_a_killed_process_loses_nothing_that_it_kept(tmp_path: Path) -> None:
    path = tmp_path / "results"
    with writer(path, 10**6, "k") as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(20)]
        process.kill()
    store = Store(path)
    assert [store.get(f"k{index}") for index in told] == [{"index": index} for index in told]
    store.put([Result("after", "f", 0, 1)])
    assert store.get("after") == 1


def test_other_files_are_refused_and_stay(tmp_path: Path) -> None:
    text, other, newer = tmp_path / "text", tmp_path / "other", tmp_path / "newer"
    text.write_text("no database, and longer than a header" * 100)
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE mine (a)")
    database.close()
    Store(newer)
    database = sqlite3.connect(newer)
    database.execute("PRAGMA user_version = 7")
    database.close()
    for path, problem in ((text, "fails"), (other, "no store of results"), (newer, "format 7")):
        before = path.read_bytes()
        with pytest.raises(UserError, match=problem):
            Store(path)
        assert path.read_bytes() == before


def test_a_full_disk_is_one_line_and_the_store_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's own limit of pages stands for the disk: it fails in the same place, in the same way."""
    store = Store(tmp_path / "results")
    store.put([Result("before", "f", 0, 1)])
    connect = sqlite3.connect

    def small(*arguments: object, **options: object) -> sqlite3.Connection:
        database = connect(*arguments, **options)  # type: ignore[call-overload]
        database.execute("PRAGMA max_page_count = 5")
        return database

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", small)
        with pytest.raises(UserError, match=r"full.*free space"):
            store.put([Result("large", "f", 0, "x" * 100_000)])
    assert (store.get("before"), store.get("large")) == (1, None)
