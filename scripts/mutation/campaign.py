"""A campaign: baselines, a sample of mutants, results that outlive the process, and the page."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstmith.cli.console import progress
from lstmith.scripts.mutation.claims import BLOCKS, claiming, files
from lstmith.scripts.mutation.mutants import Mutant, mutants
from lstmith.scripts.mutation.runs import Job, run
from lstmith.spec.errors import UserError

#: A mutant's run may take so many times what the tests take without a fault, and seconds on top.
SLOWER, MARGIN = 4, 2
#: Why a file takes no part.
NO_TESTS, NOT_FAST, RED = "no fast or unit test names it", "its tests are slower than the limit", "its tests fail"


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
    """

    root: Path
    store: Path
    seed: int
    sample: int
    only: tuple[str, ...]
    workers: int
    baseline: float


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: ``passed`` (it survives), ``failed`` or ``timed out``."""

    mutant: Mutant
    verdict: str


class Store:
    """Results by key; each is on disk before the next one starts."""

    def __init__(self, path: Path):
        self._path, self._known = path, dict[str, tuple[str, float]]()
        if path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                try:
                    entry = json.loads(line)
                    self._known[entry["key"]] = entry["verdict"], float(entry["seconds"])
                except (ValueError, KeyError, TypeError):
                    raise UserError(f"{path}, line {number}", "is no result", "remove the line or the file") from None
        path.parent.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> tuple[str, float] | None:
        """Verdict and seconds, if there are any."""
        return self._known.get(key)

    def put(self, key: str, name: str, verdict: str, seconds: float) -> None:
        """Adds a result."""
        self._known[key] = verdict, seconds
        entry = {"key": key, "name": name, "verdict": verdict, "seconds": round(seconds, 3)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")


def content_key(seed: int, name: str, text: str, tests: tuple[Path, ...]) -> str:
    """Key of a run: the file as it was run, and its tests."""
    parts = [str(seed), name, text, *(test.read_text(encoding="utf-8") for test in tests)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def sampled(by_file: dict[str, list[Mutant]], count: int, seed: int) -> list[Mutant]:
    """So many mutants, one of each file in turn, by the seed."""
    orders = []
    for file, found in by_file.items():
        rng = np.random.default_rng([seed, *file.encode()])
        orders.append([found[index] for index in rng.permutation(len(found))])
    longest = max(map(len, orders), default=0)
    return [order[turn] for turn in range(longest) for order in orders if turn < len(order)][:count]


def _go(settings: Settings, store: Store, what: str, named: list[tuple[str, Job]]) -> dict[str, tuple[str, float]]:
    """Runs what the store does not know; results by key, as far as the run came."""
    missing = [(name, job) for name, job in named if store.get(job.key) is None]
    names = {job.key: name for name, job in missing}
    done = len(named) - len(missing)
    jobs: Iterator[Job] = (job for _, job in missing)
    with progress(what, len(named)) as report:
        for job, verdict, seconds in run(settings.root, jobs, seed=settings.seed, workers=settings.workers):
            store.put(job.key, names[job.key], verdict, seconds)
            done += 1
            report(done)
    found = {job.key: store.get(job.key) for _, job in named}
    return {key: value for key, value in found.items() if value is not None}


def campaign(settings: Settings) -> tuple[list[Outcome], dict[str, str]]:
    """Runs a sample of mutants against the tests that claim their files.

    Returns
    -------
    list of Outcome, dict
        What became of each mutant; and files that take no part, with the reason.

    Raises
    ------
    UserError
        If no file begins as ``only`` says, or the store is damaged.
    """
    root, store = settings.root, Store(settings.store)
    chosen = [file for file in files(root) if not settings.only or file.startswith(settings.only)]
    if not chosen:
        raise UserError(f"files {', '.join(settings.only)}", "no such file", f"name one below {', '.join(BLOCKS)}")
    texts = {file: (root / file).read_text(encoding="utf-8") for file in chosen}
    left_out: dict[str, str] = {}
    baselines = []
    for file in chosen:
        for test in claiming(root, file):
            key = content_key(settings.seed, file, texts[file], (test,))
            baselines.append((file, Job(key, root / file, texts[file], (test,), settings.baseline)))
    known = _go(settings, store, "baselines", baselines)
    claims, seconds = defaultdict[str, list[Path]](list), defaultdict[str, float](float)
    refused = defaultdict[str, set[str]](set)
    for file, job in baselines:
        verdict, took = known[job.key]
        if verdict == "passed":
            claims[file].append(job.tests[0])
            seconds[file] += took
        else:
            refused[file].add(verdict)
    for file in chosen:
        if file not in claims:
            left_out[file] = NO_TESTS if file not in refused else RED if "failed" in refused[file] else NOT_FAST
    by_file = {file: mutants(file, texts[file]) for file in chosen if file in claims}
    jobs, by_key = [], {}
    for mutant in sampled(by_file, settings.sample, settings.seed):
        tests = tuple(claims[mutant.file])
        key = content_key(settings.seed, mutant.file, mutant.text, tests)
        limit = SLOWER * seconds[mutant.file] + MARGIN
        jobs.append((mutant.label, Job(key, root / mutant.file, mutant.text, tests, limit)))
        by_key[key] = mutant
    results = _go(settings, store, "mutants", jobs)
    return [Outcome(by_key[key], verdict) for key, (verdict, _) in results.items()], left_out
