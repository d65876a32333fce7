"""The search: Optuna proposes, worker processes measure, the Pareto set remains.

A policy is judged by its loss, but loss is a matter of luck where few decisions change: neighbours with the same error
of h may lose three times as much or nothing. So the optimiser is told the error, which rises evenly with the
thresholds; the loss that counts is the usual one at an error. Once the known policies are measured, most proposals are
neighbours of the policy that would be chosen now, since the limit is reached in small steps.

Trials are proposed in rounds of a fixed size and reported in order, so the result does not depend on the number of
workers or on which of them is faster.
"""

from __future__ import annotations

import json
import multiprocessing
import signal
from collections.abc import Callable, Container
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.policy_file import describe_policy
from lstmith.tuning.space import Params

#: Trials proposed together.
ROUND = 8
#: Policies whose loss is more than this many times the wanted one are of no interest to the sampler.
INTEREST = 3.0
#: Part by which the error that a policy causes may be larger on other data than where it was tuned; a loss grows about
#: as its square.
MARGIN = 0.5
#: Trials before the sampler's model guides it, beside the known starts.
RANDOM_TRIALS = 8
#: Of a round, neighbours of the best so far; the others are the sampler's.
NEIGHBOURS = 6
#: Rungs by which they are off.
RUNGS = (1, 2, 4)
#: Parameters that are no ladders: no value is next to another.
UNORDERED = ("mode", "monitor")


Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Measured:
    """What a policy does on some data.

    Parameters
    ----------
    metric : float
    loss : float
        How much worse than float, in the metric's unit; negative if better.
    cycles : float
        Per step, mean.
    error : float
        Mean absolute difference of h from float.
    """

    metric: float
    loss: float
    cycles: float
    error: float


Evaluate = Callable[[list[Policy]], Measured]
Measure = Callable[[list[list[Policy]]], list[Measured]]


@dataclass(frozen=True)
class Trial:
    """A policy that was tried, and the parameters by which it was first proposed."""

    policies: list[Policy]
    measured: Measured
    params: Params = field(default_factory=dict)


class Choices(Protocol):
    """What is searched; see :class:`.space.Space`."""

    @property
    def sizes(self) -> dict[str, int]:
        """Values of each parameter."""

    def policies(self, params: Params) -> list[Policy]:
        """What parameters stand for."""

    def starts(self) -> list[Params]:
        """What is tried first."""


def search(
    measure: Measure,
    space: Choices,
    *,
    trials: int,
    max_loss: float,
    seed: int = 1,
    starts: list[Params] | None = None,
    report: Callable[[int], None] | None = None,
) -> list[Trial]:
    """Try policies.

    Parameters
    ----------
    measure : callable
        Measures several policies, such as :class:`Workers` do.
    space : Choices
    trials : int
        Policies to propose; one that was proposed before is not measured again.
    max_loss : float
        What the user will accept: the search spends itself near it.
    seed : int
    starts : list of Params or None
        Tried first; the space's own if None.
    report : callable or None
        Called with the number of finished trials.
    """
    # Searches need it; who only measures policies does not.
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    limit = INTEREST * max_loss if max_loss > 0 else 0.0
    sampler = optuna.samplers.TPESampler(
        seed=seed,
        multivariate=True,
        constant_liar=True,
        n_startup_trials=RANDOM_TRIALS,
    )
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    begun = (space.starts() if starts is None else starts)[:trials]
    for params in begun:
        study.enqueue_trial(params)
    choices: dict[str, optuna.distributions.BaseDistribution] = {
        name: (
            optuna.distributions.CategoricalDistribution(tuple(range(size)))
            if name in UNORDERED
            else optuna.distributions.IntDistribution(0, size - 1)
        )
        for name, size in space.sizes.items()
    }
    known: dict[str, Trial] = {}
    rng = np.random.default_rng(seed)
    for first in range(0, trials, ROUND):
        best = fastest(list(known.values()), max_loss) if first >= len(begun) else None
        for params in neighbours(best.params, space, known, rng) if best else ():
            study.enqueue_trial(params)
        asked = [study.ask(choices) for _ in range(min(ROUND, trials - first))]
        chosen = [{name: int(value) for name, value in one.params.items()} for one in asked]
        proposed = [space.policies(each) for each in chosen]
        fresh: dict[str, tuple[list[Policy], Params]] = {}
        for policies, each in zip(proposed, chosen, strict=True):
            if policies_key(policies) not in known:
                fresh.setdefault(policies_key(policies), (policies, each))
        measured_now = measure([policies for policies, _ in fresh.values()])
        for (key, (policies, each)), found in zip(fresh.items(), measured_now, strict=True):
            known[key] = Trial(policies, found, each)
        for one, policies in zip(asked, proposed, strict=True):
            measured = known[policies_key(policies)].measured
            one.set_constraint("loss", measured.loss - limit)
            study.tell(one, [measured.error, measured.cycles])
        if report is not None:
            report(first + len(asked))
    return list(known.values())


def neighbours(params: Params, space: Choices, known: Container[str], rng: np.random.Generator) -> list[Params]:
    """A few new policies near a known one: up or down a ladder, or a rung up one and a rung down another.

    Parameters
    ----------
    params : dict
        Of the policy whose neighbours are wanted.
    space : Choices
    known : container of str
        Keys of the policies that were tried.
    rng : Generator
        Draws them, at most ``NEIGHBOURS``.
    """
    ladders = [name for name in space.sizes if name not in UNORDERED]
    moves: list[dict[str, int]] = [{name: step * way} for name in ladders for step in RUNGS for way in (1, -1)]
    moves += [{one: 1, other: -1} for one in ladders for other in ladders if one != other]
    found: dict[str, Params] = {}
    for index in rng.permutation(len(moves)):
        moved = {name: value + moves[index].get(name, 0) for name, value in params.items()}
        if len(found) < NEIGHBOURS and all(0 <= value < space.sizes[name] for name, value in moved.items()):
            key = policies_key(space.policies(moved))
            if key not in known:
                found.setdefault(key, moved)
    return list(found.values())


def pareto(trials: list[Trial]) -> list[Trial]:
    """Those that no other beats in loss and cycles, fewest cycles first."""
    best: list[Trial] = []
    for trial in sorted(trials, key=lambda trial: (trial.measured.cycles, trial.measured.loss)):
        if not best or trial.measured.loss < best[-1].measured.loss:
            best.append(trial)
    return best


def fastest(
    trials: list[Trial], max_loss: float, known: list[Trial] | None = None, margin: float = MARGIN
) -> Trial | None:
    """The policy with the fewest cycles among those whose loss and usual loss are within ``max_loss``.

    Of many policies some lose little by luck, and a choice by the loss alone finds just those. So the loss that is
    usual at a policy's error of h counts as well, even if that error were larger by a margin: other data is not
    exactly like the data that was tuned on.

    Parameters
    ----------
    trials : list of Trial
        What is chosen from.
    max_loss : float
    known : list of Trial or None
        What tells the usual loss: these and others of the same network; the same if None.
    margin : float
    """
    told = trials if known is None else known
    usual = dict(zip(map(id, told), expected_losses([trial.measured for trial in told], margin), strict=True))
    able = [trial for trial in trials if max(usual[id(trial)], trial.measured.loss) <= max_loss]
    return min(able, key=lambda trial: (trial.measured.cycles, trial.measured.loss), default=None)


def expected_losses(measured: list[Measured], margin: float = MARGIN) -> list[float]:
    """What each policy is expected to lose: loss as a rising function of the error of h, one value for each.

    Parameters
    ----------
    measured : list of Measured
    margin : float
        Part by which what a policy adds to the least error of all may grow on other data.
    """
    order = sorted(range(len(measured)), key=lambda index: (measured[index].error, measured[index].loss))
    # Least squares by pooling adjacent violators: blocks of (mean, policies) with rising means.
    blocks: list[tuple[float, int]] = []
    for index in order:
        mean, count = measured[index].loss, 1
        while blocks and blocks[-1][0] >= mean:
            before, others = blocks.pop()
            mean, count = (before * others + mean * count) / (others + count), others + count
        blocks.append((mean, count))
    rising = np.repeat([mean for mean, _ in blocks], [count for _, count in blocks])
    errors = np.array([one.error for one in measured])
    grown = errors + margin * (errors - errors.min())
    # Between two errors that were measured the loss rises evenly; of equal errors the last counts.
    measured_errors, last = np.unique(errors[order][::-1], return_index=True)
    return [float(loss) for loss in np.interp(grown, measured_errors, rising[::-1][last])]


def policies_key(policies: list[Policy]) -> str:
    """The same for the same policies."""
    return json.dumps([describe_policy(policy) for policy in policies])


class Workers(Generic[Item, Result]):
    """Processes that apply a function to items; this one if there is a single worker.

    Parameters
    ----------
    prepare : callable
        Makes the function; called once in each worker, so it must be picklable.
    workers : int
    """

    def __init__(self, prepare: Callable[[], Callable[[Item], Result]], workers: int):
        self._prepare, self._count = prepare, workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Callable[[list[Item]], list[Result]]:
        if self._count == 1:
            function = self._prepare()
            return lambda items: [function(item) for item in items]
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self._count, context, initializer=_begin, initargs=(self._prepare,))
        return self._apply

    def __exit__(self, kind: object, *_: object) -> None:
        if self._pool is not None:
            if kind is not None:
                for process in multiprocessing.active_children():
                    process.terminate()
            self._pool.shutdown(wait=kind is None, cancel_futures=True)

    def _apply(self, items: list[Item]) -> list[Result]:
        assert self._pool is not None
        found: list[Result] = []
        for refused, outcome in self._pool.map(_apply, items):
            if refused:
                raise UserError(*outcome)
            found.append(outcome)
        return found


_function: Callable[[Any], Any] | None = None


def _begin(prepare: Callable[[], Callable[[Any], Any]]) -> None:
    """Start a worker; an interrupt is the parent's to handle."""
    global _function  # noqa: PLW0603 - what a worker process is for
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _function = prepare()


def _apply(item: Any) -> tuple[bool, Any]:
    """One item; a user error comes back as its parts, for exceptions of three arguments do not travel."""
    assert _function is not None
    try:
        return False, _function(item)
    except UserError as error:
        return True, (error.where, error.problem, error.fix)
