"""Every property of the list: it is proven, its covers are reached, and it fails on its planted fault."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from hw_tests.formal.properties import Property, all_properties
from hw_tests.formal.prover import Bench, Verdict
from lstmith.scripts.docs.properties import PAGE, page

PROPERTIES = all_properties()
EACH = pytest.mark.parametrize("name", PROPERTIES)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bench]:
    """The bench of a property's first variant, made once for its proof and its covers."""

    @functools.cache
    def made(name: str) -> Bench:
        claim = PROPERTIES[name]
        return Bench(claim.bench(*claim.variants[0]), tmp_path_factory.mktemp("bench"))

    return made


def proof(claim: Property, bench: Bench) -> Verdict:
    return bench.bounded(claim.depth) if claim.enough else bench.proves(claim.depth)


@EACH
def test_it_holds(name: str, first: Callable[[str], Bench], tmp_path: Path) -> None:
    claim = PROPERTIES[name]
    verdict = proof(claim, first(name))
    assert verdict.holds, verdict.log
    for arguments in claim.variants[1:]:
        verdict = proof(claim, Bench(claim.bench(*arguments), tmp_path))
        assert verdict.holds, (arguments, verdict.log)


@EACH
def test_its_covers_are_reached(name: str, first: Callable[[str], Bench]) -> None:
    verdict = first(name).covers(PROPERTIES[name].cover)
    assert verdict.holds, verdict.log


@EACH
def test_it_fails_on_its_fault(name: str, tmp_path: Path) -> None:
    claim = PROPERTIES[name]
    with claim.fault.planted():
        assert not proof(claim, Bench(claim.bench(*claim.variants[0]), tmp_path)).holds


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m lstmith.scripts.docs.properties"
