"""Which candidates stay: those that no other beats, and of very many those that differ enough."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from lstmith.explore.points import Candidate

#: By what part one candidate may be worse than another that stands for it; widened until few enough stay.
NEAR = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 4.0)
#: Part of the largest value below which differences count for nothing.
SMALLEST = 0.05
Divided = tuple[list[Candidate], list[Candidate]]


def divide(
    candidates: Sequence[Candidate],
    names: Sequence[str],
    group: Callable[[Candidate], Hashable],
    margins: Mapping[str, float] | None = None,
) -> Divided:
    """The Pareto set of each group, and the others with what beats them.

    Parameters
    ----------
    candidates : sequence of Candidate
    names : sequence of str
        Figures that are to be small.
    group : callable
        Only candidates for which it gives the same are compared.
    margins : mapping of str to float, or None
        By what part a figure may be wrong: who is beaten by less than that in all of them stays.

    Returns
    -------
    kept, left : list of Candidate
        In the given order.
    """
    kept, left = [], []
    scale = np.array([1 + (margins or {}).get(name, 0.0) for name in names])
    values = np.array([[one.figures[name] for name in names] for one in candidates]).reshape(-1, len(names))
    groups = [group(one) for one in candidates]
    members = {key: np.flatnonzero([other == key for other in groups]) for key in set(groups)}
    for index, one in enumerate(candidates):
        rivals = members[groups[index]]
        worse = values[rivals] * scale
        beats = (worse <= values[index]).all(axis=1) & (values[rivals] < values[index]).any(axis=1)
        # Of equal ones the first stays.
        beats |= (values[rivals] == values[index]).all(axis=1) & (rivals < index)
        if not beats.any():
            kept.append(one)
            continue
        first = candidates[rivals[beats][values[rivals[beats]].argmin(axis=0)[0]]]
        left.append(replace(one, left=f"dominated by {first.name}"))
    return kept, left


def thin(candidates: Iterable[Candidate], names: Sequence[str], most: int) -> Divided:
    """At most so many candidates, the best of each figure first; each of the others is near one that stays.

    Parameters
    ----------
    candidates : iterable of Candidate
        A Pareto set.
    names : sequence of str
        Figures that are to be small.
    most : int

    Returns
    -------
    kept, left : list of Candidate
    """
    rest = sorted(candidates, key=lambda one: tuple(one.figures[name] for name in names))
    if len(rest) <= most:
        return rest, []
    values = np.array([[one.figures[name] for name in names] for one in rest])
    # Losses may be zero or below: ratios mean something once all values are positive.
    values = values - np.minimum(values.min(axis=0), 0.0)
    values = values + SMALLEST * values.max(axis=0)
    order = list(dict.fromkeys([*(int(index) for index in values.argmin(axis=0)), *range(len(rest))]))
    for near in NEAR:
        standing: dict[int, list[int]] = {}
        for index in order:
            close = [other for other in standing if (values[other] <= values[index] * (1 + near)).all()]
            standing.setdefault(close[0] if close else index, []).append(index)
        if len(standing) <= most:
            break
    first = list(standing)[:most]
    kept = [rest[index] for index in sorted(first)]
    told = {index: f"like {rest[head].name}" for head, members in standing.items() for index in members}
    left = [replace(one, left=told[index]) for index, one in enumerate(rest) if index not in first]
    return kept, left
