"""Every property of the list: it is proven, its covers are reached, and it fails on its planted fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_tests.formal.properties import Property, all_properties
from hw_tests.formal.prover import Bench, Verdict
from lstmith.scripts.docs.properties import PAGE, page

PROPERTIES = all_properties()
EACH = pytest.mark.parametrize("name", PROPERTIES)


def proof(claim: Property, arguments: tuple[object, ...], folder: Path) -> Verdict:
    bench = Bench(claim.bench(*arguments), folder)
    return bench.bounded(claim.depth) if claim.enough else bench.proves(claim.depth)


@EACH
def test_it_holds(name: str, tmp_path: Path) -> None:
    for arguments in PROPERTIES[name].variants:
        verdict = proof(PROPERTIES[name], arguments, tmp_path)
        assert verdict.holds, (arguments, verdict.log)


@EACH
def test_its_covers_are_reached(name: str, tmp_path: Path) -> None:
    claim = PROPERTIES[name]
    verdict = Bench(claim.bench(*claim.variants[0]), tmp_path).covers(claim.cover)
    assert verdict.holds, verdict.log


@EACH
def test_it_fails_on_its_fault(name: str, tmp_path: Path) -> None:
    claim = PROPERTIES[name]
    with claim.fault.planted():
        assert not proof(claim, claim.variants[0], tmp_path).holds


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m lstmith.scripts.docs.properties"
