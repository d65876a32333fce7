"""Where tasks run: in this process, on workers of this machine, or on a cluster that is there."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lstmith.campaign.worker import describe, refusal
from lstmith.spec.errors import UserError

#: Seconds that a scheduler may take to answer, and then to have a worker.
PATIENCE = 5.0
#: Workers that a task may take down with it, one after another, before it is told to be at fault.
DEATHS = 10


class Cluster:
    """Workers that tasks are given to; made by :func:`open_cluster`.

    Attributes
    ----------
    client : distributed.Client
    address : str
        Of the scheduler.
    own : bool
        Whether its workers are processes of this machine that were started for it.
    """

    def __init__(self, client: Any, address: str, *, own: bool):
        self.client, self.address, self.own = client, address, own
        self._checked: set[tuple[str, ...]] = set()

    @property
    def workers(self) -> int:
        """How many there are now, at least 1."""
        return max(1, len(self.client.scheduler_info(n_workers=-1)["workers"]))

    @property
    def dashboard(self) -> str:
        """Address of the page that shows workers and tasks."""
        return str(self.client.dashboard_link)

    def check(self, tools: tuple[str, ...], expected: Mapping[str, str]) -> None:
        """Ask every worker what it is, once per set of tools.

        Parameters
        ----------
        tools : tuple of str
            See :class:`lstmith.campaign.task.Task`.
        expected : mapping of str to str
            Versions that it has to have.

        Raises
        ------
        UserError
            Naming a worker that has other versions, lacks a tool, or has no space.
        """
        if tools in self._checked:
            return
        for where, told in self.client.run(describe, tools, on_error="return").items():
            if isinstance(told, OSError):
                continue  # It has just gone; whoever takes its place is asked by its first task.
            if isinstance(told, Exception):
                raise UserError(f"worker {where}", f"has no lstmith that answers ({told})", "install the same there")
            if wrong := refusal(where, told, expected):
                raise wrong
        self._checked.add(tools)


@contextmanager
def open_cluster(workers: int = 1, scheduler: str | None = None) -> Iterator[Cluster | None]:
    """Workers for a while.

    Parameters
    ----------
    workers : int
        Processes of one thread on this machine; 1 is this process itself.
    scheduler : str or None
        Address of a running Dask scheduler, as ``tcp://HOST:8786``; its workers are used then.

    Returns
    -------
    Cluster or None
        None if tasks are to run in this process.

    Raises
    ------
    UserError
        If no scheduler answers at the address, or it has no workers.
    """
    if scheduler is None and workers == 1:
        yield None
        return
    # Half a second, which commands without workers need not wait.
    import dask
    from distributed import Client, LocalCluster

    # What it logs of workers that die or leave is dealt with here.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    if scheduler is not None:
        with _connected(Client, scheduler) as client:
            yield Cluster(client, scheduler, own=False)
        return
    with (
        dask.config.set(
            {
                "distributed.scheduler.allowed-failures": DEATHS,
                # It looks at every worker's stack a hundred times a second, for a page that few open.
                "distributed.worker.profile.enabled": False,
            }
        ),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL
        ) as local,
        Client(local, set_as_default=False) as client,
        _replacing(local, workers),
    ):
        yield Cluster(client, str(local.scheduler_address), own=True)


@contextmanager
def _replacing(local: Any, workers: int) -> Iterator[None]:
    """A worker that dies is started again; one that dies while it starts is given up, and another takes its place."""
    ended = threading.Event()

    def replace() -> None:
        while not ended.wait(1.0):
            # Starts as many as are missing, of those whom the cluster knows to be lost.
            local.scale(workers)

    thread = threading.Thread(target=replace, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _connected(kind: Any, address: str) -> Iterator[Any]:
    try:
        # The client itself would wait for ever for something that takes connections and says nothing.
        asyncio.run(asyncio.wait_for(_greeted(address), PATIENCE))
        client = kind(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        told = str(error) or f"in {PATIENCE:g} s"
        fix = "start one with 'dask scheduler', or give its address, as tcp://HOST:8786"
        raise UserError(f"scheduler {address}", f"does not answer ({told})", fix) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            fix = f"start some with 'dask worker {address} --nthreads 1'"
            raise UserError(f"scheduler {address}", "has no workers", fix) from None
        yield client


async def _greeted(address: str) -> None:
    from distributed.comm.core import connect

    (await connect(address, timeout=PATIENCE)).abort()
