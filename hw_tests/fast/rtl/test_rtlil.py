"""Elaboration without the collector: afterwards it is as it was, whatever happened."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

import pytest

from lstmith.rtl.rtlil import without_collector


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.isenabled()
    yield
    (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    with contextlib.suppress(RuntimeError), without_collector():
        assert not gc.isenabled()
        raise RuntimeError
    assert gc.isenabled() is enabled
