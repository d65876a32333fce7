"""Values of several calls of a graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt


@dataclass(frozen=True)
class Feeds:
    """Values of several calls of a graph.

    Parameters
    ----------
    values : list of dict
        For each call, arrays by the names of graph inputs, or of other values of the graph that stand for them.
    source : str
        File name for messages.
    stateful : bool
        Every call starts where the one before ended, instead of in the network's own state.
    whole : bool
        Whether all inputs that the graph must have are there; otherwise the values lead to the stages alone, and to no
        output.
    """

    values: list[dict[str, npt.NDArray[Any]]] = field(default_factory=list)
    source: str = "input"
    stateful: bool = False
    whole: bool = True
