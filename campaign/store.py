"""Results of pure tasks, kept by what they depend on; several processes share one file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstmith.spec.errors import UserError

#: Written into a store's header, so that another SQLite file is not taken for one ("lstm").
APPLICATION = 0x6C73746D
#: Changes with the table or with what a key is made of.
FORMAT = 1
#: Seconds that a process waits while another one writes.
WAIT = 60.0
_TABLE = """CREATE TABLE results (
    key TEXT PRIMARY KEY, function TEXT NOT NULL, spec TEXT NOT NULL, result TEXT NOT NULL
) WITHOUT ROWID"""


@dataclass(frozen=True)
class Result:
    """What a task gave.

    Attributes
    ----------
    key : str
        See :func:`lstmith.campaign.task.task_key`.
    function : str
        Name of what computed it.
    spec : object
        What it was given, as JSON can hold it.
    value : object
        As JSON can hold it, not None.
    """

    key: str
    function: str
    spec: Any
    value: Any


class Store:
    """A file of results.

    They are written in transactions: each is there whole or not at all, also after kill -9.

    Parameters
    ----------
    path : Path
        An SQLite file; made, with its folder, if it is missing.

    Raises
    ------
    UserError
        If the file is no store, is a store of another format, or cannot be read or written.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(str(path), f"its folder cannot be made ({error.strerror})", "name another file") from None
        with self._transaction() as database:
            found = database.execute("PRAGMA application_id").fetchone()[0]
            version = database.execute("PRAGMA user_version").fetchone()[0]
            if (found, version) == (APPLICATION, FORMAT):
                return
            empty = not database.execute("SELECT 1 FROM sqlite_master").fetchone()
            if not empty or found or version:
                what = f"is a store of format {version}" if found == APPLICATION else "is no store of results"
                raise UserError(str(path), f"{what}, and this lstmith has format {FORMAT}", "name another file")
            database.execute(_TABLE)
            database.execute("CREATE INDEX by_function ON results (function)")
            database.execute(f"PRAGMA application_id = {APPLICATION}")
            database.execute(f"PRAGMA user_version = {FORMAT}")

    def get(self, key: str) -> Any:
        """A result, as JSON holds it; None if it is not there."""
        with self._transaction("DEFERRED") as database:
            row = database.execute("SELECT result FROM results WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, results: Iterable[Result]) -> None:
        """Keep results, all of them or none. One that is there stays: tasks are pure, so it is the same.

        Raises
        ------
        UserError
            If the disk is full, or the file cannot be written; what was kept before is intact.
        """
        rows = [
            (each.key, each.function, json.dumps(each.spec, sort_keys=True), json.dumps(each.value, allow_nan=False))
            for each in results
        ]
        with self._transaction() as database:
            database.executemany("INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?)", rows)

    def collected(self, function: str) -> list[tuple[Any, Any]]:
        """What a function was given and what it gave, of all its results, of whatever version, in order of the keys.

        Parameters
        ----------
        function : str
            Its name, see :func:`lstmith.campaign.task.function_name`.
        """
        with self._transaction("DEFERRED") as database:
            rows = database.execute(
                "SELECT spec, result FROM results WHERE function = ? ORDER BY key", (function,)
            ).fetchall()
        return [(json.loads(spec), json.loads(result)) for spec, result in rows]

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """A connection of its own, so that a store passes between threads and forked processes."""
        try:
            database = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
            try:
                database.execute(f"BEGIN {kind}")
                yield database
                database.execute("COMMIT")
            finally:
                database.close()
        except sqlite3.Error as error:
            raise UserError(
                str(self.path), f"the store of results fails ({error})", "free space, or name another file"
            ) from None
