"""Which functions of the repository each test of a file calls, and how long it takes."""

from __future__ import annotations

import builtins
import json
import os
import sys
from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lstmith.scripts.mutation.mutants import TOLD

#: Seconds of the processor between two writes: a run that is ended keeps what it knows.
_PERIOD = 0.2
#: In the place of a test: what happens when its file is imported, or in what several tests share.
SHARED = ""


def _used() -> float:
    """Seconds of the processor, of this process and of those that it waited for."""
    return sum(os.times()[:4])


def _forget() -> None:
    """Functions that keep what they gave compute it again: else the first test alone would seem to call them."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("lstmith.", "hw_tests.")):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


@dataclass(frozen=True)
class Calls:
    """What the tests of a file do without a fault.

    Attributes
    ----------
    seconds : dict of str to float
        By the name of a test that passes, of the processor.
    scopes : dict of str to dict of str to list of str
        By file and function, the tests that call it.
    """

    seconds: dict[str, float]
    scopes: dict[str, dict[str, list[str]]]

    @classmethod
    def read(cls, path: Path) -> Calls:
        """From the file that :class:`Recorder` writes; nothing if there is none."""
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else cls({}, {})

    def of(self, file: str, scope: str, budget: float) -> list[str]:
        """Tests that call a function, the quickest first, as many as take so many seconds; at least one.

        What a module or a class says when it is imported matters to the tests that call a function of it.
        """
        by_scope = self.scopes.get(file, {})
        inner = [tests for name, tests in by_scope.items() if not scope or name.startswith(f"{scope}.")]
        within = {test for tests in inner for test in tests} - {SHARED}
        calling = set(by_scope.get(scope, ()))
        if SHARED in calling:
            calling = within or set(self.seconds)
        chosen, spent = list[str](), 0.0
        for test in sorted(calling & self.seconds.keys(), key=lambda name: (self.seconds[name], name)):
            spent += self.seconds[test]
            if chosen and spent > budget:
                break
            chosen.append(test)
        return chosen


class Recorder:
    """A plugin of pytest that writes :class:`Calls`; modules tell it by ``TOLD`` what runs."""

    def __init__(self, path: Path):
        self._path, self._test = path, SHARED
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()
        self._scopes: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        # A file of which no test ends has its record, too.
        self._write()
        self._written = -_PERIOD
        setattr(builtins, TOLD, lambda file, scope: self._scopes[file][scope].add(self._test))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """One test."""
        _forget()
        self._test, begin = item.nodeid, _used()
        result = yield
        self._seconds[self._test], self._test = _used() - begin, SHARED
        if _used() - self._written >= _PERIOD:
            self._write()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        """What tests share is of all of them."""
        test = self._test
        self._test = test if fixturedef.scope == "function" else SHARED
        result = yield
        self._test = test
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that fails without a fault, or is skipped, tells nothing."""
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """The last test has ended."""
        self._write()

    def _write(self) -> None:
        self._written = _used()
        seconds = {test: round(value, 4) for test, value in self._seconds.items() if test not in self._failed}
        scopes = {
            file: {scope: sorted(tests) for scope, tests in by_scope.items()} for file, by_scope in self._scopes.items()
        }
        self._path.write_text(json.dumps({"seconds": seconds, "scopes": scopes}), encoding="utf-8")
