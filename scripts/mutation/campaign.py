"""A campaign: baselines, a sample of mutants, results that outlive the process, and the page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from lstmith.cli.console import progress
from lstmith.scripts.mutation.claims import BLOCKS, claiming, files
from lstmith.scripts.mutation.mutants import Mutant, mutants
from lstmith.scripts.mutation.recorder import Calls
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
    sample : int or None
        Mutants of all files, taken in turns; None runs none, and is of those of which the store has a result.
    only : tuple of str
        Beginnings of file names; all files if there is none.
    workers : int
        Runs at a time.
    baseline : float
        Seconds of the processor that a file of tests may take without a fault; tests behind that are not used.
    most : int
        Files of tests that a mutant meets, at most: the first ones of those that claim its file of which a test calls
        its function.
    budget : float
        Seconds of the processor that the tests of such a file may take, without a fault, for one mutant.
    """

    root: Path
    store: Path
    seed: int
    sample: int | None
    only: tuple[str, ...]
    workers: int
    baseline: float
    most: int
    budget: float


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
    left_out : list of str
        Files that no test claims.
    seconds : float
        Of the processor, of all mutants' runs.
    """

    outcomes: list[Outcome]
    left_out: list[str]
    seconds: float


class Store:
    """Results by key; each is on disk before the next one starts."""

    def __init__(self, path: Path):
        self._path, self._known = path, dict[str, Result]()
        #: Of mutants and of files of tests that have a result.
        self.names: set[str] = set()
        if path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                try:
                    entry = json.loads(line)
                    self._known[entry["key"]] = Result(entry["verdict"], float(entry["seconds"]))
                    self.names.add(entry["name"])
                except (ValueError, KeyError, TypeError):
                    raise UserError(f"{path}, line {number}", "is no result", "remove the line or the file") from None
        path.parent.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> Result | None:
        """The result, if there is one."""
        return self._known.get(key)

    def forget(self, key: str) -> None:
        """The result is not known; it is put anew."""
        self._known.pop(key, None)

    def put(self, job: Job, result: Result) -> None:
        """Adds a result."""
        self._known[job.key] = result
        told = {"name": job.name, "test": job.tests[0].partition("::")[0], "verdict": result.verdict}
        entry = {"key": job.key, **told, "seconds": round(result.seconds, 3)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def content_key(*parts: str) -> str:
    """Key of a run, from what it runs."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def sampled(by_file: dict[str, list[Mutant]], count: int, seed: int) -> list[Mutant]:
    """So many mutants, one of each file in turn, by the seed; what is edited elsewhere in a file moves none."""
    orders = [sorted(found, key=lambda mutant: content_key(str(seed), mutant.label)) for found in by_file.values()]
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


@cache
def _named(root: Path, test: Path) -> tuple[str, str]:
    """A test's name, and its text."""
    return test.relative_to(root).as_posix(), test.read_text(encoding="utf-8")


class _Baselines:
    """What each test of a file calls without a fault, and how long it takes; asked for when a mutant needs it."""

    def __init__(self, settings: Settings, store: Store):
        self._settings, self._store = settings, store
        self._known: dict[Path, Calls] = {}

    def prepare(self, tests: list[Path]) -> None:
        """Asks for several at once."""
        settings, records, jobs = self._settings, dict[Path, Path](), []
        for test in tests:
            if test not in self._known:
                name, about = _named(settings.root, test)
                key = content_key(str(settings.seed), str(settings.baseline), name, about)
                records[test] = settings.store.parent / f"{key}.json"
                if not records[test].exists():
                    self._store.forget(key)
                jobs.append(Job(key, name, (name,), settings.baseline, _PATIENCE, record=records[test]))
        if jobs:
            _go(settings, self._store, "tests without a fault", jobs)
        self._known |= {test: Calls.read(record) for test, record in records.items()}

    def of(self, test: Path) -> Calls:
        """What the tests of a file do that end within the limit."""
        self.prepare([test])
        return self._known[test]

    def meet(self, mutant: Mutant, claims: list[Path]) -> Iterator[tuple[Path, list[str]]]:
        """Files of tests and those of their tests that call the mutant's function, which take some seconds at most."""
        for test in claims:
            tests = self.of(test).of(mutant.file, mutant.scope, self._settings.budget)
            if tests:
                yield test, tests


def campaign(settings: Settings) -> Campaign:
    """Runs a sample of mutants against the tests that claim their files, one file of tests after the other.

    Raises
    ------
    UserError
        If no file begins as ``only`` says, or the store is damaged.
    """
    root, store = settings.root, Store(settings.store)
    chosen = [file for file in files(root) if not settings.only or file.startswith(settings.only)]
    if not chosen:
        raise UserError(f"files {', '.join(settings.only)}", "no such file", f"name one below {', '.join(BLOCKS)}")
    claims = {file: claiming(root, file) for file in chosen}
    of_file = {file: mutants(file, (root / file).read_text(encoding="utf-8")) for file in chosen if claims[file]}

    def key(mutant: Mutant, test: Path) -> str:
        return content_key(str(settings.seed), mutant.file, mutant.text, *_named(root, test))

    if settings.sample is None:
        sample = [mutant for found in of_file.values() for mutant in found if mutant.label in store.names]
    else:
        sample = sampled(of_file, settings.sample, settings.seed)
    runs: dict[Mutant, list[Result]] = {}
    for mutant in sample:
        before = [store.get(key(mutant, test)) for test in claims[mutant.file]]
        known = [found for found in before if found is not None]
        if settings.sample is not None or known:
            # One run that notices it is enough.
            runs[mutant] = [found for found in known if found.verdict != "passed"][:1]
    if settings.sample is not None:
        _meet_tests(settings, store, claims, runs, key)
    outcomes = [Outcome(mutant, results[-1].verdict if results else "passed") for mutant, results in runs.items()]
    seconds = sum(each.seconds for results in runs.values() for each in results)
    return Campaign(outcomes, [file for file in chosen if not claims[file]], seconds)


def _meet_tests(
    settings: Settings,
    store: Store,
    claims: dict[str, list[Path]],
    runs: dict[Mutant, list[Result]],
    key: Callable[[Mutant, Path], str],
) -> None:
    """Adds to the results of each mutant those of its tests, until one notices it."""
    root, baselines = settings.root, _Baselines(settings, store)
    alive = {mutant.file: 0 for mutant, results in runs.items() if not results}
    baselines.prepare(list({test: 0 for file in alive for test in claims[file]}))
    meet = {mutant: baselines.meet(mutant, claims[mutant.file]) for mutant in runs}
    for turn in range(settings.most):
        jobs = {}
        for mutant, results in runs.items():
            if any(found.verdict != "passed" for found in results):
                continue
            for test, tests in islice(meet[mutant], 1):
                usual = sum(baselines.of(test).seconds[each] for each in tests)
                limit = SLOWER * usual + MARGIN
                text = root / mutant.file, mutant.text
                jobs[mutant] = Job(key(mutant, test), mutant.label, tuple(tests), limit, _MUTANT_PATIENCE, text)
        found = _go(settings, store, f"mutants, file {turn + 1} of tests of each", list(jobs.values()))
        for mutant, job in jobs.items():
            runs[mutant].append(found[job.key])
