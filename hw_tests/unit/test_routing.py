"""A placement is routed in several orders: the fastest is kept whole, and no more are tried than it takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lstmith.flow import routing
from lstmith.flow.routing import LOG, PLACEMENT, REPORT, Routing
from lstmith.flow.toolchain import ToolError

#: MHz by order; None where nextpnr fails.
Reached = Sequence[float | None]


def _routing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, reached: Reached, asked_mhz: float, orders: int
) -> tuple[Routing, list[str]]:
    """With a nextpnr that stands in, and what it was asked to do."""
    calls: list[str] = []

    def run(name: str, arguments: Sequence[str], where: Path, **_: object) -> int:
        given = dict(zip(arguments, [*arguments[1:], ""], strict=True))
        calls.append(f"{given['--json']} {given['--seed']}")
        (where / f"{name}.out").write_text(f"{calls[-1]}\n")
        if "--no-route" in arguments:
            (where / given["--write"]).write_text("placed")
            return 0
        mhz = reached[int(given["--seed"]) - 1] if "--no-place" in arguments else reached[0]
        if mhz is None:
            return 3
        clocks = {"core": {"achieved": mhz}, "oscillator": {"achieved": 300.0}}
        (where / REPORT).write_text(json.dumps({"fmax": clocks}))
        (where / "top.config").write_text(f"{mhz}")
        return 0

    monkeypatch.setattr(routing, "run_tool", run)
    outputs = (REPORT, LOG, "top.config")
    return Routing(folder, "nextpnr-ecp5", (), 7, asked_mhz, orders, ((),), ("top.json",), outputs, ()), calls


@pytest.mark.parametrize(
    ("reached", "asked_mhz", "kept", "tried"),
    [
        ((95.0, 104.0, 99.0), 130.0, 104.0, 3),
        ((95.0, 104.0, 109.0), 100.0, 104.0, 2),
        ((104.0, 95.0, 90.0), 104.0, 104.0, 1),
        ((90.0, 80.0, 85.0), 95.0, 90.0, 3),
    ],
)
def test_the_fastest_order_is_kept(
    reached: Reached, asked_mhz: float, kept: float, tried: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    it, calls = _routing(tmp_path, monkeypatch, reached, asked_mhz, 3)
    it.run()
    assert calls == ["top.json 7", *(f"{PLACEMENT} {order}" for order in range(1, tried + 1))]
    assert json.loads((tmp_path / REPORT).read_text())["fmax"]["core"]["achieved"] == kept
    assert (tmp_path / "top.config").read_text() == f"{kept}"
    best = reached.index(kept) + 1
    assert (tmp_path / LOG).read_text() == f"top.json 7\n{PLACEMENT} {best}\n"
    assert not (tmp_path / PLACEMENT).exists()


def test_one_order_is_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it, calls = _routing(tmp_path, monkeypatch, (95.0,), 130.0, 1)
    it.run()
    assert calls == ["top.json 7"]
    assert (tmp_path / "top.config").read_text() == "95.0"


def test_an_order_that_fails_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    it, _ = _routing(tmp_path, monkeypatch, (95.0, None, 104.0), 130.0, 3)
    with pytest.raises(ToolError, match="nextpnr-ecp5 failed"):
        it.run()


def test_results_are_kept_by_all_that_they_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LSTMITH_CACHE", str(tmp_path / "kept"))
    (tmp_path / "top.json").write_text("netlist")
    it, calls = _routing(tmp_path, monkeypatch, (95.0, 104.0), 100.0, 2)
    assert not it.step.done(it.run)
    assert it.step.done(it.run)
    assert len(calls) == 3
    other, calls = _routing(tmp_path, monkeypatch, (95.0, 104.0), 100.0, 1)
    assert not other.step.done(other.run)
