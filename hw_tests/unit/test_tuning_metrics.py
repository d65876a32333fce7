"""Metrics of tuning, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hw_tests.unit.tuning_cases import compiled, tune, walk
from lstmith.spec.errors import UserError
from lstmith.tuning.metrics import Quality, accuracy, bpc, f1, h_error, sisnr

OWN = """
def broken(h, x, lengths, y):
    raise KeyError("no such thing")

def nothing(h, x, lengths, y):
    return float("nan")

def first(h, x, lengths, y):
    assert h.shape[:2] == x.shape[:2] and len(lengths) == len(h)
    return abs(h[0, : lengths[0]]).mean()

first.higher_is_better = True
"""


@pytest.fixture
def design(tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]) -> Path:
    """A small design."""
    found = compiled(tmp_path, rng)
    capsys.readouterr()
    return found


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user in the folder where the command runs."""
    name = f"own_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_values() -> None:
    """Metrics of outputs worked out by hand."""
    sure = [np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], dtype=np.float32)]
    labels = [np.array([0, 1, 1, 0])]
    assert accuracy(sure, labels) == 0.5
    assert f1(sure, labels) == 0.5
    assert accuracy([sure[0][:, 1:]], labels) == 0.5
    assert accuracy(sure, [np.array(1)]) == 1.0
    assert bpc([np.full((2, 4), 0.25, dtype=np.float32)], [np.array([0, 3])]) == pytest.approx(2.0)
    assert bpc([np.zeros((2, 4), dtype=np.float32)], [np.array([0, 3])]) == pytest.approx(2.0)
    assert h_error([np.zeros((3, 2), dtype=np.float32)], [np.full((3, 2), 0.5, dtype=np.float32)]) == 0.5
    clean, noise = np.array([1.0, -1.0, 1.0, -1.0]), np.array([0.1, 0.1, -0.1, -0.1])
    assert sisnr([(3 * (clean + noise)).astype(np.float32)], [clean]) == pytest.approx(20.0, abs=1e-4)


def test_loss_has_the_metrics_direction() -> None:
    """More is a gain for one metric and a loss for the other."""
    low, high = [np.zeros((2, 1), dtype=np.float32)], [np.ones((2, 1), dtype=np.float32)]
    for higher, loss in ((True, -1.0), (False, 1.0)):
        quality = Quality("mean", higher, lambda h: float(h[0].mean()), low)
        assert quality.measure(high) == (1.0, loss)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_must_be_finite(value: float) -> None:
    """Even for float's own h."""
    with pytest.raises(UserError, match=r"--metric odd: gave"):
        Quality("odd", True, lambda _: value, [])


def test_an_own_metric(
    design: Path, tmp_path: Path, own: str, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function of the user, its direction declared by an attribute or by a prefix."""
    for metric in (f"{own}:first", f"lower:{own}:first"):
        assert tune(tmp_path, design, "--metric", metric, "--trials", "9", x=walk(rng, 200)) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "content", "told"),
    [
        (["--metric", "beauty"], {}, "option --metric: 'beauty' is unknown"),
        (["--metric", "{own}:broken"], {}, "raised KeyError"),
        (["--metric", "{own}:nothing"], {}, "gave nan"),
        (["--metric", "{own}:absent"], {}, "cannot be imported"),
        (["--metric", "no_such_module_here:f"], {}, "cannot be imported"),
        (["--metric", "accuracy"], {}, "field y: is missing"),
        (["--metric", "accuracy"], {"y": np.zeros(200)}, "holds no graph after the LSTM"),
        (["--metric", "decisions"], {}, "holds no graph after the LSTM"),
        (["--metric", "accuracy"], {"y": np.zeros(7)}, "field y: has shape (7,)"),
        (["--max-loss", "-1"], {}, "option --max-loss: is -1"),
        (["--max-loss", "nan"], {}, "option --max-loss: is nan"),
        (["--max-loss", "0"], {}, "already loses"),
        ([], {"x": np.zeros((40, 3), dtype=np.float32)}, "too few to hold a part back"),
    ],
)
def test_bad_input_is_one_line(
    options: list[str],
    content: dict[str, Any],
    told: str,
    design: Path,
    tmp_path: Path,
    own: str,
    rng: np.random.Generator,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, one line, nothing written."""
    given = [option.replace("{own}", own) for option in options]
    arrays: dict[str, Any] = {"x": walk(rng, 200), **content}
    assert tune(tmp_path, design, *given, **arrays) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert told in message
    assert not any((tmp_path / name).exists() for name in ("policy.json", "r.json", "r.png"))
