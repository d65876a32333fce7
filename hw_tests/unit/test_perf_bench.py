"""The speed bench: what it measures without tools, and that its check can fail."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from lstmith.golden.errors import UserError
from lstmith.scripts import perf_tables
from lstmith.scripts.perf_bench import SHAPES, _dense_cycles, _step_time
from lstmith.scripts.perf_tables import history, perf_text, record, regressions
from lstmith.scripts.perf_tables import perf_tables as tables_of

RESULT: dict[str, Any] = {
    "cycles": {"H=20 I=1, 4 MACs": {"cycles_per_step": 433.0, "ideal": 420, "utilisation": 0.97}},
    "silero": {
        "modes": {"delta": {"cycles_per_step": 539.25, "utilisation": 0.9995}},
        "compile_and_generate_seconds": 10.0,
        "simulated_cycles_per_second": 4e5,
    },
    "lanes": {"{8}": {"logic": 148.0, "luts": 52.0, "carries": 48.0, "lut_rams": 0.0, "ffs": 294.0, "dsps": 2.0}},
    "onnxruntime_us": {"silero": {"silero": 80.0}},
    "ghdl": None,
}


def test_small_dense_network(tmp_path: Path) -> None:
    found = _dense_cycles(SHAPES[0], tmp_path)
    assert found["ideal"] == 420
    assert 420 <= found["cycles_per_step"] <= 435


def test_float_step_takes_time() -> None:
    assert 0 < _step_time(3, 5) < 1e4


def test_history_and_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf_tables, "HISTORY", tmp_path / "perf.json")
    assert history() == []
    record(RESULT)
    record(RESULT)
    assert len(history()) == 2
    assert list(regressions(RESULT, history()[-1])) == []
    worse = copy.deepcopy(RESULT)
    worse["silero"]["modes"]["delta"]["cycles_per_step"] += 0.01
    worse["lanes"]["{8}"]["logic"] *= 1.06
    lines = list(regressions(worse, history()[-1]))
    assert [line.split(":")[0] for line in lines] == ["Silero, delta", "lane {8}"]
    (tmp_path / "perf.json").write_text("[")
    with pytest.raises(UserError, match=r"perf\.json: is not JSON"):
        history()


def test_text_says_what_was_not_run() -> None:
    text = perf_text(RESULT)
    assert "not run again here (GHDL is not installed)" in text
    assert "quoted, not measured here" in text
    assert "clock" not in tables_of(RESULT)
