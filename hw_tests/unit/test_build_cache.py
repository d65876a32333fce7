"""Results that are kept: used again for the same netlist and tools, and for nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmith.flow import cache
from lstmith.flow.cache import VARIABLE, kept_step


class _Step:
    """Stands for a tool that copies what it reads."""

    def __init__(self, folder: Path):
        self.folder, self.runs = folder, 0

    def run(self) -> None:
        self.runs += 1
        (self.folder / "out").write_text((self.folder / "in").read_text())

    def step(self, text: str = "a", basis: object = 1) -> bool:
        (self.folder / "in").write_text(text)
        (self.folder / "out").unlink(missing_ok=True)
        used = kept_step(self.folder, ["in"], [basis], ["out"], self.run)
        assert (self.folder / "out").read_text() == text
        return used


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Step:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "kept"))
    (tmp_path / "work").mkdir()
    return _Step(tmp_path / "work")


def test_the_same_is_not_done_again(step: _Step) -> None:
    assert [step.step(), step.step(), step.step("b"), step.step(basis=2), step.step()] == [
        *(False, True, False, False, True)
    ]
    assert step.runs == 3


def test_other_tools_begin_anew(step: _Step, monkeypatch: pytest.MonkeyPatch) -> None:
    step.step()
    monkeypatch.setenv("LSTMITH_TOOLS", "native")
    assert not step.step()


def test_a_failure_keeps_nothing(step: _Step, tmp_path: Path) -> None:
    def fail() -> None:
        raise ValueError("no")

    (step.folder / "in").write_text("a")
    with pytest.raises(ValueError, match="no"):
        kept_step(step.folder, ["in"], [1], ["out"], fail)
    assert list((tmp_path / "kept").iterdir()) == []


def test_the_oldest_go(step: _Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEPT", 2)
    for number in range(4):
        step.step(basis=number)
    assert len(list((tmp_path / "kept").iterdir())) == 2
    assert step.step(basis=3)


@pytest.mark.parametrize("place", ["off", "a file"])
def test_without_a_folder_all_is_done(place: str, step: _Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv(VARIABLE, "off" if place == "off" else str(tmp_path / place))
    assert [step.step(), step.step()] == [False, False]
