"""The fuzzer itself: files without a fault are accepted, what goes wrong is noticed, and each mutant differs."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstmith.cli import main
from lstmith.host.link import device, session
from lstmith.scripts.fuzz import attempts
from lstmith.scripts.fuzz.__main__ import page, tried_again
from lstmith.scripts.fuzz.attempts import Attempt, attempt
from lstmith.scripts.fuzz.devices import Devices
from lstmith.scripts.fuzz.files import KINDS, originals
from lstmith.scripts.fuzz.mutants import place, protected, right
from lstmith.scripts.fuzz.side_by_side import run_attempts

NAMES = {kind.name: kind for kind in KINDS}


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return dict(originals(tmp_path_factory.mktemp("originals"), np.random.default_rng(1)))


def _told(text: str, code: int) -> Callable[[Sequence[str]], int]:
    def execute(arguments: Sequence[str]) -> int:
        print(text, file=sys.stderr)
        return code

    return execute


def _left_behind(arguments: Sequence[str]) -> int:
    Path("y.npz").write_bytes(b"half")
    return _told("refused", 2)(arguments)


def _not_finite(arguments: Sequence[str]) -> int:
    np.savez("y.npz", h=np.array([np.nan]))
    return 0


def _endless(arguments: Sequence[str]) -> int:
    while True:
        pass


def _greedy(arguments: Sequence[str]) -> int:
    return 0 * len(np.ones(attempts.MEGABYTES << 18, dtype=np.float32))


@pytest.mark.parametrize(
    ("execute", "verdict"),
    [
        (_told("lstmith: x.npz: is damaged; fix it", 2), "refused"),
        (_told("", 2), "wrong"),
        (_told("", 0), "wrong"),
        (_told("lstmith: internal error", 1), "traceback"),
        (_left_behind, "wrong"),
        (_not_finite, "wrong"),
        (_endless, "hang"),
        (_greedy, "memory"),
        (_told("fit.py:3: RuntimeWarning: overflow in dot\nlstmith: m.npz: is too large; fix it", 2), "warned"),
    ],
)
def test_what_goes_wrong_is_noticed(
    execute: Callable[[Sequence[str]], int], verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "execute", execute)
    monkeypatch.setattr(attempts, "SECONDS", 1 if execute is _endless else 10)
    assert attempt([], tmp_path, "y.npz", right).verdict == verdict


@pytest.mark.parametrize("name", ["NumPy weights", "policy", "network.npz of a design, signed"])
def test_files_without_a_fault_are_accepted(name: str, contents: dict[str, bytes], tmp_path: Path) -> None:
    kind = NAMES[name]
    place(replace(kind, mutations=()), contents, np.random.default_rng(1), tmp_path)
    assert attempt(list(kind.arguments), tmp_path, kind.output, right).verdict == "accepted"


def test_every_mutant_differs(contents: dict[str, bytes], tmp_path: Path, rng: np.random.Generator) -> None:
    for index, kind in enumerate(KINDS):
        for turn in range(10):
            folder = tmp_path / f"{index}_{turn}"
            place(kind, contents, rng, folder)
            if not kind.signed:
                assert (folder / kind.file).read_bytes() != contents[kind.file]


def test_what_a_checksum_protects(contents: dict[str, bytes], tmp_path: Path) -> None:
    kind = NAMES["design.json of a design"]
    place(replace(kind, mutations=()), contents, np.random.default_rng(1), tmp_path)
    file = tmp_path / kind.file
    assert not protected(kind, contents, tmp_path)
    file.write_text(json.dumps(json.loads(file.read_bytes()), indent=7), encoding="utf-8")
    assert not protected(kind, contents, tmp_path), "spaces say nothing"
    file.write_text(json.dumps({**json.loads(file.read_bytes()), "target": "other"}), encoding="utf-8")
    assert protected(kind, contents, tmp_path)
    assert not protected(NAMES["design.json of a design, signed"], contents, tmp_path)
    assert not protected(NAMES["policy"], contents, tmp_path)


def test_a_signed_design_tells_of_its_content(contents: dict[str, bytes], tmp_path: Path) -> None:
    """With right checksums, what is wrong is found by what reads it."""
    kind = NAMES["engine.json of a design, signed"]

    def wider(_: np.random.Generator, content: bytes) -> bytes:
        return json.dumps({**json.loads(content), "lanes": "many"}).encode()

    place(replace(kind, mutations=(wider,)), contents, np.random.default_rng(1), tmp_path)
    found = attempt(list(kind.arguments), tmp_path, kind.output, right)
    assert found.verdict == "refused"
    assert "lanes" in found.told


@pytest.mark.parametrize("workers", [1, 3])
def test_attempts_at_a_time_are_those_of_their_numbers(workers: int, tmp_path: Path) -> None:
    def run(number: int, folder: Path) -> tuple[str, Attempt]:
        assert not list(folder.iterdir()), "a folder of its own"
        (folder / "left.txt").touch()
        return f"kind {number % 2}", Attempt("refused", str(number))

    found = run_attempts(run, range(3, 9), workers, tmp_path)
    assert sorted((number, kind, each.told) for number, kind, each in found) == [
        (number, f"kind {number % 2}", str(number)) for number in range(3, 9)
    ]
    assert not list(tmp_path.iterdir())


def test_a_device_of_a_number_is_always_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answers are, and with them the verdict; two runs at a time disturb each other nowhere."""
    # Shorter for devices in memory, but not for the tests behind this one.
    for module, name in ((session, "HELLO"), (session, "ANSWER"), (session, "LONGEST"), (device, "RESULT")):
        monkeypatch.setattr(module, f"{name}_SECONDS", getattr(module, f"{name}_SECONDS"))
    devices = Devices(tmp_path, 1)
    alone, beside = (
        sorted((number, found.verdict) for number, _, found in run_attempts(devices.attempt, range(3), many, tmp_path))
        for many in (1, 2)
    )
    assert alone == beside
    assert [number for number, _ in alone] == [0, 1, 2]


def _figures(bad: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "measured": "today",
        "command": "make fuzz",
        "seed": 1,
        "seconds": 60,
        "kinds": {"policy": {"refused": 7, "accepted": 2, "hang": 1}, "all": {"refused": 7, "accepted": 2, "hang": 1}},
        "bad": bad,
        "again": [],
    }


BAD = {"of": "files", "number": 5, "kind": "policy", "verdict": "hang", "told": ""}


def test_the_page_counts_all_verdicts() -> None:
    text = page(_figures([BAD]))
    assert "| policy | 10 | 7 | 2 | 0 | 0 | 1 | 0 | 0 |" in text
    assert "- `5, policy: hang: `" in text
    assert "--again" not in text


@pytest.mark.parametrize("still", [False, True])
def test_what_was_not_right_is_tried_again(still: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those alone, with their seed; a verdict takes the place of the one before."""
    bad = [BAD | {"verdict": "memory"}] if still else []

    def tried(numbers: dict[str, list[int]], seed: int, workers: int) -> tuple[dict[str, Counter[str]], list[Any]]:
        assert (numbers, seed, workers) == ({"files": [5], "devices": []}, 1, 2)
        return {"policy": Counter(["memory" if still else "refused"])}, bad

    monkeypatch.setattr("lstmith.scripts.fuzz.__main__._tried", tried)
    found = tried_again(argparse.Namespace(workers=2), "tomorrow", _figures([BAD]))
    assert found["kinds"]["all"] == (
        {"refused": 7, "accepted": 2, "memory": 1} if still else {"refused": 8, "accepted": 2}
    )
    assert found["bad"] == bad
    told = f"1 that were not right were tried again tomorrow, with `--again`: {int(not still)} were right"
    assert told in page(found)
    assert "hang: `" not in page(found)
