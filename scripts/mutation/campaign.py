"""A campaign: baselines, a sample of mutants, results that outlive the process, and the page."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstmith.cli.console import progress
from lstmith.scripts.mutation.claims import BLOCKS, claiming, files
from lstmith.scripts.mutation.mutants import Mutant, mutants
from lstmith.scripts.mutation.runs import Job, Result, run
from lstmith.spec.errors import UserError

#: A mutant's run may take so many times what the test takes without a fault, and seconds on top.
SLOWER, MARGIN = 4, 2
#: By the clock, so many times those seconds: a run without a fault, whose tools may wait for others, and one with it.
_PATIENCE, _MUTANT_PATIENCE = 30, 15


@dataclass(frozen=True)
class Settings:
    """What a campaign does.

    Attributes
    ----------
    root : Path
        Folder of the repository.
    store : Path
        Results, a JSON object a line.
    seed : int
        Of the sample and of random tests.
    sample : int
        Mutants of all files, taken in turns.
    only : tuple of str
        Beginnings of file names; all files if there is none.
    workers : int
        Runs at a time.
    baseline : float
        Seconds of the processor that a test file may take without a fault; a slower one is left out.
    most : int
        Tests of a mutant, at most.
    """

    root: Path
    store: Path
    seed: int
    sample: int
    only: tuple[str, ...]
    workers: int
    baseline: float
    most: int


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: ``passed`` (it survives), ``failed`` or ``timed out``."""

    mutant: Mutant
    verdict: str


@dataclass(frozen=True)
class Campaign:
    """What a campaign finds.

    Attributes
    ----------
    outcomes : list of Outcome
    left_out : dict of str to str
        Files that take no part, since the first of their tests cannot, and why.
    seconds : float
        Of the processor, of all mutants' runs.
    """

    outcomes: list[Outcome]
    left_out: dict[str, str]
    seconds: float


class Store:
    """Results by key; each is on disk before the next one starts."""

    def __init__(self, path: Path):
        self._path, self._known = path, dict[str, Result]()
        if path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                try:
                    entry = json.loads(line)
                    self._known[entry["key"]] = Result(entry["verdict"], float(entry["seconds"]))
                except (ValueError, KeyError, TypeError):
                    raise UserError(f"{path}, line {number}", "is no result", "remove the line or the file") from None
        path.parent.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> Result | None:
        """The result, if there is one."""
        return self._known.get(key)

    def put(self, job: Job, result: Result) -> None:
        """Adds a result."""
        self._known[job.key] = result
        told = {"name": job.name, "test": job.test.name, "verdict": result.verdict}
        entry = {"key": job.key, **told, "seconds": round(result.seconds, 3)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def content_key(*parts: str) -> str:
    """Key of a run, from what it runs."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def sampled(by_file: dict[str, list[Mutant]], count: int, seed: int) -> list[Mutant]:
    """So many mutants, one of each file in turn, by the seed."""
    orders = []
    for file, found in by_file.items():
        rng = np.random.default_rng([seed, *file.encode()])
        orders.append([found[index] for index in rng.permutation(len(found))])
    longest = max(map(len, orders), default=0)
    return [order[turn] for turn in range(longest) for order in orders if turn < len(order)][:count]


def _go(settings: Settings, store: Store, what: str, jobs: list[Job]) -> dict[str, Result]:
    """Runs what the store does not know; results by key."""
    missing = [job for job in jobs if store.get(job.key) is None]
    done = len(jobs) - len(missing)
    with progress(what, len(jobs)) as report:
        for job, result in run(settings.root, iter(missing), seed=settings.seed, workers=settings.workers):
            store.put(job, result)
            done += 1
            report(done)
    found = {job.key: store.get(job.key) for job in jobs}
    return {key: value for key, value in found.items() if value is not None}


class _Baselines:
    """How long each test takes without a fault; asked for when a mutant needs it."""

    def __init__(self, settings: Settings, store: Store):
        self._settings, self._store = settings, store
        self._known: dict[Path, Result] = {}

    def of(self, test: Path) -> Result:
        """What becomes of a test without a fault."""
        settings = self._settings
        if test not in self._known:
            name = test.relative_to(settings.root).as_posix()
            key = content_key(str(settings.seed), str(settings.baseline), name, test.read_text("utf-8"))
            job = Job(key, name, test, settings.baseline, _PATIENCE)
            self._known[test] = _go(settings, self._store, name, [job])[key]
        return self._known[test]

    def first(self, claims: list[Path]) -> str:
        """Why a file takes no part, if the first of its tests cannot."""
        if not claims:
            return "no fast or unit test claims it"
        found = self.of(claims[0])
        name = claims[0].relative_to(self._settings.root).as_posix()
        return {"passed": "", "failed": f"`{name}` fails", "timed out": f"`{name}` is slower than the limit"}[
            found.verdict
        ]


def campaign(settings: Settings) -> Campaign:
    """Runs a sample of mutants against the tests that claim their files, one test after the other.

    Raises
    ------
    UserError
        If no file begins as ``only`` says, or the store is damaged.
    """
    root, store = settings.root, Store(settings.store)
    chosen = [file for file in files(root) if not settings.only or file.startswith(settings.only)]
    if not chosen:
        raise UserError(f"files {', '.join(settings.only)}", "no such file", f"name one below {', '.join(BLOCKS)}")
    baselines = _Baselines(settings, store)
    claims = {file: claiming(root, file) for file in chosen}
    reasons = {file: baselines.first(claims[file]) for file in chosen}
    taking_part = [file for file in chosen if not reasons[file]]
    sample = sampled(
        {file: mutants(file, (root / file).read_text(encoding="utf-8")) for file in taking_part},
        settings.sample,
        settings.seed,
    )
    verdicts = dict.fromkeys(sample, "passed")
    waiting = {file: iter(claims[file]) for file in taking_part}
    seconds = 0.0
    for turn in range(settings.most):
        alive = [mutant for mutant in sample if verdicts[mutant] == "passed"]
        sound = {
            file: next((test for test in waiting[file] if baselines.of(test).verdict == "passed"), None)
            for file in {mutant.file: 0 for mutant in alive}
        }
        jobs = {}
        for mutant in alive:
            test = sound[mutant.file]
            if test is not None:
                name, about = test.relative_to(root).as_posix(), test.read_text(encoding="utf-8")
                key = content_key(str(settings.seed), mutant.file, mutant.text, name, about)
                limit = SLOWER * baselines.of(test).seconds + MARGIN
                jobs[mutant] = Job(key, mutant.label, test, limit, _MUTANT_PATIENCE, (root / mutant.file, mutant.text))
        found = _go(settings, store, f"mutants, test {turn + 1} of each", list(jobs.values()))
        for mutant, job in jobs.items():
            verdicts[mutant] = found[job.key].verdict
            seconds += found[job.key].seconds
    left_out = {file: reason for file, reason in reasons.items() if reason}
    return Campaign([Outcome(*pair) for pair in verdicts.items()], left_out, seconds)
