"""What quality means: metrics by name, and any Python callable."""

from __future__ import annotations

import importlib
import importlib.util
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.compiler.design import Design
from lstmith.spec.errors import UserError
from lstmith.tuning.head import Head

Float32 = npt.NDArray[np.float32]
Labels = list[npt.NDArray[Any]]
Judge = Callable[[list[Float32]], float]

THRESHOLD = 0.5  #: a decision is yes above this
DIRECTIONS = {"higher": True, "lower": False}


class Quality:
    """A figure for what a network computed, and how much worse it is than what float computed.

    Parameters
    ----------
    name : str
    higher_is_better : bool
    judge : callable
        Metric of h, per segment float32 [T, H].
    reference : list of float32 [T, H]
        h of the float network.

    Raises
    ------
    UserError
        If the metric fails or is no finite number.
    """

    def __init__(self, name: str, higher_is_better: bool, judge: Judge, reference: list[Float32]):
        self.name, self.higher_is_better, self._judge = name, higher_is_better, judge
        self.of_float = self._value(reference)

    def measure(self, h: list[Float32]) -> tuple[float, float]:
        """The metric, and how much worse it is than float's, in its own unit."""
        have = self._value(h)
        return have, (self.of_float - have if self.higher_is_better else have - self.of_float)

    def _value(self, h: list[Float32]) -> float:
        where = f"option --metric {self.name}"
        try:
            value = float(self._judge(h))
        except UserError:
            raise
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise UserError(where, f"raised {reason}", "correct the metric or its data") from error
        if not math.isfinite(value):
            raise UserError(where, f"gave {value}", "return a finite number for any h")
        return value


@dataclass(frozen=True)
class Material:
    """What a metric may look at.

    Parameters
    ----------
    design : Design
    where : str
        The design's directory, for messages.
    xs : list of float32 [T, I]
        Input of each segment.
    y : list of arrays or None
        Labels of each segment: per step, or one for all.
    reference : list of float32 [T, H]
        h of the float network.
    source : str
        The data's file, for messages.
    """

    design: Design
    where: str
    xs: list[Float32]
    y: Labels | None
    reference: list[Float32]
    source: str


def named(name: str, material: Material) -> Quality:
    """The metric of a name.

    Parameters
    ----------
    name : str
        One of the built-in ones, or ``module:function``, with ``higher:`` or ``lower:`` before it unless the
        function has an attribute ``higher_is_better``. The function takes h [N, T, H], x [N, T, I], lengths [N] and
        y (a list of arrays, or None); padding is zero.
    material : Material

    Raises
    ------
    UserError
        If there is no such metric, or it lacks something.
    """
    check_name(name)
    reference = material.reference
    if name == "h_error":
        return Quality(name, False, lambda h: h_error(h, reference), reference)
    if name == "decisions":
        return Quality(name, False, _decisions(material), reference)
    if name in _LABELLED:
        higher, judge = _LABELLED[name]
        labels = material.y
        if labels is None:
            raise UserError(
                f"{material.source} field y", f"is missing, which metric {name} needs", "add it, or use h_error"
            )
        head = Head(material.design.graph, material.where)
        return Quality(name, higher, lambda h: judge([head(one) for one in h], labels), reference)
    return _callable(name, material)


def check_name(name: str) -> None:
    """Refuse a metric that is none of the built-in ones and no ``module:function``.

    Raises
    ------
    UserError
    """
    known = ("h_error", "decisions", *_LABELLED)
    if name not in known and ":" not in name:
        raise UserError("option --metric", f"{name!r} is unknown", f"use {', '.join(known)} or module:function")


def source_digest(name: str) -> str:
    """SHA-256 of the module that a ``module:function`` lies in, so that results of another one are told apart.

    Empty for a built-in metric, and where there is no such file, which measuring refuses.
    """
    if ":" not in name:
        return ""
    parts = name.split(":")
    _search_here()
    try:
        found = importlib.util.find_spec(parts[1 if parts[0] in DIRECTIONS else 0])
        return "" if found is None or found.origin is None else sha256(Path(found.origin).read_bytes()).hexdigest()
    except (ImportError, ValueError, OSError):
        return ""


def h_error(h: list[Float32], reference: list[Float32]) -> float:
    """Mean absolute error of h."""
    return float(np.abs(np.concatenate(h) - np.concatenate(reference)).mean())


def _decisions(material: Material) -> Judge:
    """Part of the steps whose decision differs from float's."""
    head = Head(material.design.graph, material.where)

    def decided(h: list[Float32]) -> npt.NDArray[np.bool_]:
        outputs = np.concatenate([head(one) for one in h])
        if outputs.shape[1] != 1 or outputs.min() < 0 or outputs.max() > 1:
            raise UserError(
                material.where,
                f"has {outputs.shape[1]} outputs between {outputs.min():.3g} and {outputs.max():.3g}, no probability",
                "use a metric such as accuracy",
            )
        return outputs[:, 0] > THRESHOLD

    wanted = decided(material.reference)
    return lambda h: float((decided(h) != wanted).mean())


def accuracy(outputs: list[Float32], y: Labels) -> float:
    """Part of the labels that the outputs name."""
    have, want = _classes(outputs, y)
    return float((have == want).mean())


def f1(outputs: list[Float32], y: Labels) -> float:
    """F1 of class 1 if there are two classes, else the mean over the classes of y."""
    have, want = _classes(outputs, y)
    kinds = np.unique(want)
    scores = []
    for kind in [1] if set(kinds) <= {0, 1} else kinds:
        hits = 2 * ((have == kind) & (want == kind)).sum()
        scores.append(hits / max(1, (have == kind).sum() + (want == kind).sum()))
    return float(np.mean(scores))


def sisnr(outputs: list[Float32], y: Labels) -> float:
    """Scale-invariant signal-to-noise ratio of the outputs in dB, mean over segments; y is the wanted output."""
    ratios = []
    for output, wanted in zip(outputs, y, strict=True):
        have, want = output.ravel().astype(np.float64), np.ravel(wanted).astype(np.float64)
        have, want = have - have.mean(), want - want.mean()
        target = want * (have @ want) / (want @ want)
        noise = have - target
        ratios.append(10 * np.log10((target @ target) / (noise @ noise)))
    return float(np.mean(ratios))


def bpc(outputs: list[Float32], y: Labels) -> float:
    """Bits per symbol: minus log2 of the probability of y, from probabilities or from logits."""
    bits = []
    for output, wanted in zip(outputs, y, strict=True):
        values = output.astype(np.float64)
        if values.min() < 0 or not np.allclose(values.sum(axis=1), 1.0, atol=1e-3):
            values = np.exp(values - values.max(axis=1, keepdims=True))
            values /= values.sum(axis=1, keepdims=True)
        symbols = np.ravel(wanted).astype(np.int64)
        bits.append(-np.log2(np.maximum(values[np.arange(len(symbols)), symbols], 1e-12)))
    return float(np.concatenate(bits).mean())


_LABELLED: dict[str, tuple[bool, Callable[[list[Float32], Labels], float]]] = {
    "accuracy": (True, accuracy),
    "f1": (True, f1),
    "sisnr": (True, sisnr),
    "bpc": (False, bpc),
}


def _classes(outputs: list[Float32], y: Labels) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Class that the outputs name, and the label; of a segment with one label the last output counts."""
    have, want = [], []
    for output, labels in zip(outputs, y, strict=True):
        wanted = np.ravel(labels)
        used = output[-1:] if len(wanted) == 1 else output
        have.append(used.argmax(axis=1) if used.shape[1] > 1 else (used[:, 0] > THRESHOLD).astype(np.int64))
        want.append(wanted.astype(np.int64))
    return np.concatenate(have), np.concatenate(want)


def _callable(name: str, material: Material) -> Quality:
    prefix, _, rest = name.partition(":")
    higher = DIRECTIONS.get(prefix)
    path = name if higher is None else rest
    module_name, _, attribute = path.partition(":")
    where = f"option --metric {name}"
    _search_here()
    try:
        function = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(where, f"cannot be imported ({reason})", "give module:function") from error
    if not callable(function):
        raise UserError(where, "is not callable", "give module:function")
    if higher is None:
        higher = bool(getattr(function, "higher_is_better", False))
    lengths = np.array([len(x) for x in material.xs])
    xs, y = _padded(material.xs), material.y
    return Quality(name, higher, lambda h: function(_padded(h), xs, lengths, y), material.reference)


def _search_here() -> None:
    """The user's own module lies where the command is run."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _padded(values: list[Float32]) -> Float32:
    found = np.zeros((len(values), max(len(value) for value in values), values[0].shape[1]), dtype=np.float32)
    for row, value in zip(found, values, strict=True):
        row[: len(value)] = value
    return found
