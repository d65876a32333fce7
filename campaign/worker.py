"""What runs in a worker of a cluster: it says what it is, and computes tasks."""

from __future__ import annotations

import functools
import json
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstmith.campaign.task import Content, named_function, versions
from lstmith.spec.errors import UserError

#: Bytes that have to be free where a worker keeps its inputs.
ROOM = 1 << 28


def describe(tools: tuple[str, ...]) -> dict[str, Any]:
    """A worker, before it gets work: ``versions`` or, if a tool is missing, ``problem``; ``host``; ``free`` bytes."""
    told: dict[str, Any] = {"host": socket.gethostname(), "free": shutil.disk_usage(_folder()).free}
    try:
        return told | {"versions": versions(tools)}
    except UserError as error:
        return told | {"problem": str(error)}


def refusal(where: str, told: Mapping[str, Any], expected: Mapping[str, str]) -> UserError | None:
    """Why a worker gets no work; None if it may have some.

    Parameters
    ----------
    where : str
        The worker's address.
    told : mapping
        See :func:`describe`.
    expected : mapping of str to str
        The client's versions.
    """
    worker = f"worker {where} on {told['host']}"
    if "problem" in told:
        return UserError(worker, told["problem"].partition("; ")[0], "install it there")
    for name, wanted in expected.items():
        found = told["versions"].get(name)
        if found != wanted:
            shown = [text[:12] for text in (str(found), wanted)]
            return UserError(worker, f"has {name} {shown[0]}, and {shown[1]} runs here", "install the same there")
    if told["free"] < ROOM:
        problem = f"has {told['free'] >> 20} MB free for inputs"
        return UserError(worker, problem, f"free {ROOM >> 20} MB, or start it with --local-directory elsewhere")
    return None


def compute(
    function: str,
    spec: Any,
    files: Sequence[tuple[str, Content]],
    tools: tuple[str, ...],
    expected: Mapping[str, str],
    *packed: bytes,
) -> str:
    """A task's result as JSON.

    Parameters
    ----------
    function : str
        See :func:`lstmith.campaign.task.function_name`.
    spec : object
    files : sequence of (str, Content)
        What the function is given, by name.
    tools : tuple of str
        See :class:`lstmith.campaign.task.Task`.
    expected : mapping of str to str
        The client's versions. Workers may join at any time, so each task looks.
    packed : bytes
        The contents, in the same order.

    Raises
    ------
    UserError
        If this worker has other versions; what the function raises passes through, and says in ``worker`` where.
    """
    if wrong := _wrong(tools, tuple(expected.items())):
        raise UserError(*wrong)
    cache = _folder() / "lstmith-inputs"
    places = {name: content.unpack(each, cache) for (name, content), each in zip(files, packed, strict=True)}
    try:
        return result_text(function, spec, places)
    except UserError as error:
        error.worker = _address()
        raise


def result_text(function: str, spec: Any, files: Mapping[str, Path]) -> str:
    """Call a function; what it returns as JSON.

    Raises
    ------
    TypeError, ValueError
        If JSON cannot hold it, or it is None.
    """
    result = named_function(function)(spec, files)
    if result is None:
        raise TypeError(f"{function} returns None, which a store cannot tell from nothing")
    return json.dumps(result, allow_nan=False)


def same(packed: bytes) -> bytes:
    """A content on its way to workers; a task of its own, so that it outlives the worker that holds it."""
    return packed


@functools.cache
def _wrong(tools: tuple[str, ...], expected: tuple[tuple[str, str], ...]) -> tuple[str, str, str] | None:
    """Once per process: what it is does not change, and its disk filling up is told by whoever writes."""
    found = refusal(_address(), describe(tools), dict(expected))
    return None if found is None else (found.where, found.problem, found.fix)


def _address() -> str:
    from distributed import get_worker

    return str(get_worker().address)


def _folder() -> Path:
    """Where a worker may write; outside of one, where temporary files are."""
    from distributed import get_worker

    try:
        return Path(get_worker().local_directory)
    except ValueError:
        return Path(tempfile.gettempdir())
