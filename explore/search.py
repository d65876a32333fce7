"""The search: each level computes what the one before kept, and keeps what nothing beats."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lstmith.boards.catalogue import find_board
from lstmith.campaign import Task
from lstmith.compiler.design import Design
from lstmith.explore.hardware import placed, synthesised, tools
from lstmith.explore.levels import compiled, estimated, unpack, with_engine
from lstmith.explore.objectives import BY_SIZE, Objective, beyond, excess
from lstmith.explore.pareto import divide, thin
from lstmith.explore.points import LEVELS, Candidate, Numbers, Point
from lstmith.explore.policies import golden
from lstmith.explore.run import Results
from lstmith.flow.closing import TRIES
from lstmith.spec.errors import UserError
from lstmith.tuning.metrics import source_digest

#: By what part estimates may be wrong: an engine that is beaten by less stays for the next level.
MARGIN = 0.1
Tell = Callable[[str, float | None], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked for; the command line's options have the same names.

    Parameters
    ----------
    model, data : Path
    metric : str
        As ``lstmith tune`` takes it.
    boards : tuple of str
    objectives : tuple of Objective
        The loss is the last.
    max_loss : float or None
    layer, head, stateful
        As ``lstmith compile`` takes them.
    trials, seed : int
        Of the search of policies.
    points : int
        Most candidates of the Pareto set for each board.
    synth, place : int
        How many of the best are synthesised, and placed and routed.
    clocks : mapping of str to tuple of float
        In MHz, by board, those to place for; the board's own where there are none.
    seeds : int
        Of placement, tried for each clock at most.
    """

    model: Path
    data: Path
    metric: str
    boards: tuple[str, ...]
    objectives: tuple[Objective, ...]
    max_loss: float | None = None
    layer: str | None = None
    head: bool = False
    stateful: bool = False
    trials: int = 40
    seed: int = 1
    points: int = 8
    synth: int = 0
    place: int = 0
    clocks: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    seeds: int = TRIES

    @property
    def names(self) -> tuple[str, ...]:
        """Figures that the Pareto set is made of: the loss counts where no limit says how much of it is accepted."""
        free = self.max_loss is None
        return tuple(one.name for one in self.objectives if one.name != "loss" or free)

    def spec(self, **more: object) -> dict[str, Any]:
        """What every level is told."""
        return {"layer": self.layer, "head": self.head, "stateful": self.stateful, **more}

    @property
    def files(self) -> dict[str, Path]:
        """What levels read."""
        return {"model": self.model, "data": self.data}


@dataclass(frozen=True)
class Exploration:
    """What was found.

    Parameters
    ----------
    pareto : list of Candidate
        By board, fastest first.
    left : list of Candidate
        All others, with the reason.
    unfit : list of (str, str)
        Engines, or kinds of engines, that a board has no room for, and why.
    counts : dict of str to int
        Candidates by the level that told their figures.
    designs : dict of Numbers to Path
        A design for each kind of numbers.
    split : dict
        How the data was divided.
    """

    pareto: list[Candidate]
    left: list[Candidate]
    unfit: list[tuple[str, str]]
    counts: dict[str, int]
    designs: dict[Numbers, Path]
    split: dict[str, Any]


def explore(request: Request, results: Results, scratch: Path, tell: Tell) -> Exploration:
    """Search engines and policies of a network.

    Parameters
    ----------
    request : Request
    results : callable
        Runs the tasks of a level, see :class:`.run.Results`.
    scratch : Path
        A folder for the designs in between.
    tell : callable
        Called with the level, and with the part of it that is done.

    Raises
    ------
    UserError
        If an input is wrong, no engine fits a board, or nothing reaches an objective: then the nearest is told.
    """
    sized, unfit = _estimate(request, results, tell)
    kept, left = divide(sized, _by_size(request), lambda one: (one.point.board, one.point.numbers), _margins(request))
    kinds: dict[Numbers, list[Point]] = {}
    for one in kept:
        kinds.setdefault(one.point.numbers, []).append(one.point)
    designs = _compile(request, results, scratch, kinds, tell)
    found, split = _golden(request, results, designs, kinds, unfit, tell)
    counts = {LEVELS[0]: len(sized), LEVELS[1]: len(found)}
    pareto, beaten = _pareto(request, found)
    left += beaten
    for level, most in ((LEVELS[2], request.synth), (LEVELS[3], request.place)):
        if most:
            counts[level] = min(most, len(pareto))
            pareto, beaten = _built(request, results, designs, scratch, pareto, level, most, tell)
            left += beaten
    return Exploration(pareto, left, unfit, counts, designs, split)


def _estimate(request: Request, results: Results, tell: Tell) -> tuple[list[Candidate], list[tuple[str, str]]]:
    tasks = [Task(request.spec(board=board), request.files) for board in request.boards]
    found: list[dict[str, Any]] = list(_told(results(estimated, tasks), "sizing engines", len(tasks), tell))
    sized = [Candidate(Point.of(one["point"]), LEVELS[0], one["figures"]) for board in found for one in board["points"]]
    unfit = [(one["point"], one["why"]) for board in found for one in board["left"]]
    if not sized:
        reason = f" ({unfit[0][1]})" if unfit else ""
        raise UserError(
            "option --boards",
            f"has no board with room for the network{reason}",
            "name larger ones, see 'lstmith inspect'",
        )
    return sized, unfit


def _by_size(request: Request) -> tuple[str, ...]:
    """Figures by which engines of the same numbers are told apart; time stands for energy, which no size tells."""
    known = tuple(name for name in request.names if name in BY_SIZE)
    return known if set(known) & {"us", "cycles"} else ("us", *known)


def _margins(request: Request) -> dict[str, float]:
    return dict.fromkeys(_by_size(request), MARGIN)


def _compile(
    request: Request, results: Results, scratch: Path, kinds: Mapping[Numbers, list[Point]], tell: Tell
) -> dict[Numbers, Path]:
    # Without delta an engine holds the same integers as with it and one plane.
    formats: dict[Numbers, Point] = {}
    for numbers, points in kinds.items():
        formats.setdefault(replace(numbers, delta=True), points[0])
    tasks = [Task(request.spec(point=point.values), request.files) for point in formats.values()]
    done = _told(results(compiled, tasks), "choosing number formats", len(tasks), tell)
    for shared, found in zip(formats, done, strict=True):
        unpack(found["design"], scratch / shared.name)
    return {numbers: scratch / replace(numbers, delta=True).name for numbers in kinds}


def _golden(
    request: Request,
    results: Results,
    designs: Mapping[Numbers, Path],
    kinds: Mapping[Numbers, list[Point]],
    unfit: list[tuple[str, str]],
    tell: Tell,
) -> tuple[list[Candidate], dict[str, Any]]:
    asked = {"metric": request.metric, "max_loss": request.max_loss, "trials": request.trials, "seed": request.seed}
    # A metric of the user's counts by what its module holds.
    asked["metric_source"] = source_digest(request.metric)
    tasks = [
        Task(
            request.spec(**asked, points=[point.values for point in points]),
            {"design": designs[numbers], "data": request.data},
        )
        for numbers, points in kinds.items()
    ]
    found: list[Candidate] = []
    split: dict[str, Any] = {}
    for done in _told(results(golden, tasks), "tuning policies", len(tasks), tell):
        split = done.get("split", split)
        for engine in done["engines"]:
            point = Point.of(engine["point"])
            if "left" in engine:
                unfit.append((point.name, engine["left"]))
                continue
            for policy, figures in zip(done["policies"], engine["figures"], strict=True):
                known = {**engine["cells"], **figures, "loss": policy["loss"], "metric": policy["metric"]}
                one = Candidate(point, LEVELS[1], known, policy["policy"], policy["label"])
                found.append(_within(request, one, policy["expected_loss"]))
    return found, split


def _within(request: Request, one: Candidate, expected: float) -> Candidate:
    """A candidate, with the reason if it is beyond a limit."""
    missed = beyond(one, request.objectives)
    if not missed and request.max_loss is not None and expected > request.max_loss:
        missed = f"loss {expected:.4g} is expected of other data, above {request.max_loss:g}"
    return replace(one, left=missed)


def _pareto(request: Request, found: Sequence[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    able = [one for one in found if not one.left]
    missed = [one for one in found if one.left]
    if not able:
        raise _unreached(request, found)
    kept, beaten = divide(able, request.names, _board)
    pareto: list[Candidate] = []
    for board in request.boards:
        near, like = thin([one for one in kept if one.point.board == board], request.names, request.points)
        pareto += near
        beaten += like
    return pareto, [*missed, *beaten]


def _built(
    request: Request,
    results: Results,
    designs: Mapping[Numbers, Path],
    scratch: Path,
    pareto: list[Candidate],
    level: str,
    most: int,
    tell: Tell,
) -> tuple[list[Candidate], list[Candidate]]:
    """The best of a Pareto set with what synthesis, or placement, measures of them; who is not built is left."""
    chosen = _best(pareto, request.boards, most)
    left = [replace(one, left=f"not among the best {most} for {level}") for one in pareto if one not in chosen]
    points = list(dict.fromkeys(one.point for one in chosen))
    for point in points:
        folder = scratch / LEVELS[2] / point.name
        if not folder.exists():
            with_engine(Design.load(designs[point.numbers]), point).save(folder)
    folders = {point: scratch / LEVELS[2] / point.name for point in points}
    measure = _placed if level == LEVELS[3] else _synthesised
    built = measure(request, results, folders, tell)
    measured = [_measured(request, one, level, built[one.point]) for one in chosen]
    able = [one for one in measured if not one.left]
    if not able:
        reasons = "; ".join(f"{one.name} {one.left}" for one in measured)
        fix = "build more of them, accept more, or name other boards"
        raise UserError(f"option --{level}", f"none of {len(measured)} is within the limits: {reasons}", fix)
    kept, beaten = divide(able, request.names, _board)
    return kept, [*left, *(one for one in measured if one.left), *beaten]


def _synthesised(
    request: Request, results: Results, folders: Mapping[Point, Path], tell: Tell
) -> dict[Point, Mapping[str, Any]]:
    tasks = [
        Task({"board": point.board}, {"design": folder}, tools(point.board, places=False))
        for point, folder in folders.items()
    ]
    done = _told(results(synthesised, tasks), "synthesising", len(tasks), tell)
    return dict(zip(folders, done, strict=True))


def _placed(
    request: Request, results: Results, folders: Mapping[Point, Path], tell: Tell
) -> dict[Point, Mapping[str, Any]]:
    """What placement gives for the fastest clock that is met, or of those that are missed for the slowest."""
    wanted = {point: request.clocks.get(point.board) or (find_board(point.board).clock_mhz,) for point in folders}
    tries = {"seed": request.seed, "seeds": request.seeds}
    tasks = [
        Task({"board": point.board, "clock_mhz": mhz, **tries}, {"design": folder}, tools(point.board, places=True))
        for point, folder in folders.items()
        for mhz in sorted(wanted[point])
    ]
    done = iter(_told(results(placed, tasks), "placing and routing", len(tasks), tell))
    found: dict[Point, Mapping[str, Any]] = {}
    for point in folders:
        rising = [next(done) for _ in wanted[point]]
        met = [one for one in rising if "failed" not in one and one["fmax_mhz"] >= one["target_mhz"]]
        found[point] = met[-1] if met else rising[0]
    return found


def _measured(request: Request, one: Candidate, level: str, built: Mapping[str, Any]) -> Candidate:
    """A candidate with the figures of a build; one that does not fit, or misses its clock, is left."""
    if "failed" in built:
        return replace(one, level=level, left=built["failed"])
    figures = one.figures | {name: built[name] for name in ("luts", "dsps", "brams")}
    found = replace(one, level=level, figures=figures)
    if level == LEVELS[3]:
        target = built["target_mhz"]
        found = replace(found, mhz=target, figures=figures | {"us": figures["cycles"] / target})
        if built["fmax_mhz"] < target:
            return replace(found, left=f"reaches {built['fmax_mhz']:.1f} MHz of {target:g}")
    return replace(found, left=beyond(found, request.objectives))


def _best(pareto: Sequence[Candidate], boards: Sequence[str], most: int) -> list[Candidate]:
    """So many of a Pareto set: in turn one of each board, the fastest first."""
    by_board = [[one for one in pareto if one.point.board == board] for board in boards]
    turns = [one for turn in itertools.zip_longest(*by_board) for one in turn if one is not None]
    return turns[:most]


def _board(one: Candidate) -> Hashable:
    """Cells of different devices are not the same thing, so a board's candidates are compared with each other alone."""
    return one.point.board


def _unreached(request: Request, found: Sequence[Candidate]) -> UserError:
    """What to say where nothing is within the limits: the nearest candidate, with its figures."""
    if not found:
        return UserError("option --boards", "has no board with room for the network's sums", "name larger ones")
    nearest = min(found, key=lambda one: excess(one.figures, request.objectives))
    limited = [one for one in request.objectives if nearest.figures[one.name] > one.most] or [request.objectives[-1]]
    option = "option --max-loss" if limited[0].name == "loss" else "option --objective"
    told = ", ".join(f"{one.name} {nearest.figures[one.name]:.4g}" for one in request.objectives)
    asked = ", ".join(f"{one.name} of at most {one.most:g}" for one in request.objectives if one.most < float("inf"))
    return UserError(
        option,
        f"nothing of {len(found)} reaches {asked}; the nearest is {nearest.name} with {told}",
        "accept more, or name other boards",
    )


def _told(done: Iterator[Any], level: str, total: int, tell: Tell) -> Iterable[Any]:
    tell(level, 0.0)
    for count, result in enumerate(done, 1):
        yield result
        tell(level, count / total)
