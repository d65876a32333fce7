"""Seeds of a build on the workers of a cluster; the build's own cache keeps what they give."""

from __future__ import annotations

import base64
import shutil
import tempfile
import zlib
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from lstmith.campaign.cluster import Cluster
from lstmith.campaign.runner import in_order, run_tasks
from lstmith.campaign.task import Task
from lstmith.flow.routing import Router, Routing
from lstmith.flow.toolchain import ToolError


def routed(spec: Mapping[str, Any], files: Mapping[str, Path]) -> dict[str, Any]:
    """Place and route.

    Parameters
    ----------
    spec : mapping
        ``router``, ``arguments``, ``placers``, ``ripup``, ``outputs`` and ``packages`` of a :class:`.routing.Routing`.
    files : mapping
        Its inputs, by their names.

    Returns
    -------
    dict
        ``outputs``: the files, packed, by name; or ``failed``: what nextpnr says.
    """
    with tempfile.TemporaryDirectory(prefix="lstmith-build-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for each, path in files.items():
            shutil.copyfile(path, folder / each)
        lists = {key: tuple(spec[key]) for key in ("arguments", "ripup", "outputs", "packages")}
        placers = tuple(map(tuple, spec["placers"]))
        routing = Routing(folder=folder, router=spec["router"], placers=placers, inputs=tuple(files), **lists)
        try:
            # Kept here too: whoever asked may be gone before it is done, and ask again.
            routing.step.done(routing.run)
        except ToolError as error:
            # The folder that the message names is of this worker, and soon gone.
            return {"failed": str(error).partition(", see ")[0]}
        return {"outputs": {each: _packed(folder / each) for each in routing.outputs}}


def side_by_side(cluster: Cluster | None) -> Router:
    """A :data:`.routing.Router` that gives each seed to a worker.

    A seed behind the one that is kept is work for nothing, the price of not waiting; results are those of seeds in
    turn.

    Parameters
    ----------
    cluster : Cluster or None
        See :func:`.run_tasks`.
    """

    def router(routings: Iterable[Routing]) -> Generator[bool, None, None]:
        wanted = list(routings)
        known = [routing.step.taken() for routing in wanted]
        missing = [routing for routing, there in zip(wanted, known, strict=True) if not there]
        # No store: what is kept is kept with the build's other results.
        with closing(run_tasks(routed, map(_task, missing), cluster=cluster)) as results:
            arriving = in_order(results)
            for routing, there in zip(wanted, known, strict=True):
                if not there:
                    _take(routing, next(arriving))
                yield there

    return router


def _task(routing: Routing) -> Task:
    lists = {key: list(getattr(routing, key)) for key in ("arguments", "placers", "ripup", "outputs", "packages")}
    files = {name: routing.folder / name for name in routing.inputs}
    return Task({"router": routing.router, **lists}, files, routing.packages)


def _take(routing: Routing, result: Mapping[str, Any]) -> None:
    if "failed" in result:
        raise ToolError(result["failed"])
    for name, content in result["outputs"].items():
        (routing.folder / name).write_bytes(zlib.decompress(base64.b64decode(content)))
    routing.step.keep()


def _packed(path: Path) -> str:
    return base64.b64encode(zlib.compress(path.read_bytes())).decode()
