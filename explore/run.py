"""Tasks of a stage, and who runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Function = Callable[[Any, Mapping[str, Path]], Any]


@dataclass(frozen=True)
class Task:
    """One call of a stage.

    Parameters
    ----------
    spec : dict
        As JSON can hold it.
    files : mapping of str to Path
    """

    spec: dict[str, Any]
    files: Mapping[str, Path]


class Results(Protocol):
    """Runs a stage's function on tasks."""

    def __call__(self, function: Function, tasks: Sequence[Task]) -> Iterator[Any]:
        """Results in the order of the tasks."""


def here(function: Function, tasks: Sequence[Task]) -> Iterator[Any]:
    """In this process, one after the other."""
    return (function(task.spec, task.files) for task in tasks)
