"""What commands that run campaigns have in common: their options, a store, workers, and progress."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lstmith.campaign import Cluster, Store, open_cluster
from lstmith.cli.console import progress, remark, say

#: File of results in the folder of what is kept.
RESULTS = "results.sqlite"

Workers = Annotated[
    int | None, typer.Option(min=1, help="Processes that work at a time.", show_default="one per processor")
]
Scheduler = Annotated[
    str | None, typer.Option(help="Address of a running Dask scheduler, tcp://HOST:8786, in place of --workers.")
]
StoreFile = Annotated[
    Path | None, typer.Option("--store", help="File of results.", show_default="one in the user's cache folder")
]
JsonLines = Annotated[bool, typer.Option("--json-lines", help="Progress as a JSON object a line, for machines.")]


@dataclass(frozen=True)
class Campaign:
    """Where a command's tasks run, and where results are kept.

    Parameters
    ----------
    store : Store or None
        None if nothing is to be kept.
    cluster : Cluster or None
        None in this process.
    report : callable
        Takes how much is done.
    """

    store: Store | None
    cluster: Cluster | None
    report: Callable[[int], None]


@contextmanager
def campaign(
    what: str, total: int, *, workers: int, scheduler: str | None, store: Path | None, json_lines: bool = False
) -> Iterator[Campaign]:
    """Workers and a store for a command, and progress on standard error, or in lines on standard output.

    Parameters
    ----------
    what : str
        What the progress bar says.
    total : int
        How much there is to do.
    workers : int
    scheduler : str or None
    store : Path or None
        As the options say.
    json_lines : bool

    Raises
    ------
    UserError
        If the store cannot be used, or no scheduler answers.
    KeyboardInterrupt
        With a message that says where the results are.
    """
    kept = open_store(store)
    try:
        with workers_of(workers, scheduler) as cluster, progress(what, total) as bar:
            begun = time.perf_counter()

            def report(done: int) -> None:
                bar(done)
                if json_lines:
                    say(json.dumps({"done": done, "total": total, "seconds": round(time.perf_counter() - begun, 3)}))

            yield Campaign(kept, cluster, report)
    except KeyboardInterrupt:
        if kept is None:
            raise
        told = f"interrupted: what is done is kept in {kept.path}; start the command again to go on"
        raise KeyboardInterrupt(told) from None


@contextmanager
def workers_of(workers: int, scheduler: str | None) -> Iterator[Cluster | None]:
    """Workers as the options say, see :func:`.open_cluster`; where they can be watched is told."""
    with open_cluster(workers, scheduler) as cluster:
        if cluster is not None:
            remark(f"dashboard: {cluster.dashboard}")
        yield cluster


def open_store(path: Path | None) -> Store | None:
    """The store that an option names, or the one in the user's cache folder; None if nothing is to be kept there."""
    if path is not None:
        return Store(path)
    from lstmith.flow.cache import kept_folder

    folder = kept_folder()
    return None if folder is None else Store(folder / RESULTS)
