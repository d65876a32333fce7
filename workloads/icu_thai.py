"""ICU's Thai word breaker: two LSTMs, one along the line and one against it, and a small head that names breaks."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.datasets.workload_files import fetch_files
from lstmith.golden.network import FloatLayer, FloatNetwork
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.workload import Float32, Float64, Metric, Runner, Scores, Workload, chosen

FORWARD, BACKWARD = "forward", "backward"
BEGIN, SINGLE = 0, 3  #: classes of the head that start a word; 1 and 2 are inside and end
SHORTEST = 5  #: ICU leaves alone what has not more than two words' least length of two characters each
CALIBRATION_LINES = 40
JOINED = (1, 2, 3)  #: neighbours that make one line to tune on: every start and several lengths, for they are few
MODEL = "Thai_graphclust_model4_heavy.txt"
EXPECTED = "Thai_graphclust_model4_heavy_Test.txt"
STORY = "space.txt"

# Characters the engine takes, and those that continue a grapheme cluster (vowel signs, tone marks, SARA AM).
_RUN = re.compile("[\u0e01-\u0e3a\u0e40-\u0e4e]+")
_CLUSTER = re.compile("[\u0e01-\u0e3a\u0e40-\u0e4e][\u0e31\u0e33-\u0e3a\u0e47-\u0e4e]*")

Breaks = tuple[int, ...]  #: positions in a line at which a word starts, without 0


@dataclass(frozen=True)
class Model:
    """The parts of the model file.

    Parameters
    ----------
    clusters : dict of str to int
        Row of the embedding per grapheme cluster; unknown ones have the last row.
    embedding : float32 [V, 16]
    forward, backward : FloatNetwork
    head : float64 [46, 4]
    head_bias : float64 [4]
    """

    clusters: dict[str, int]
    embedding: Float32
    forward: FloatNetwork
    backward: FloatNetwork
    head: Float64
    head_bias: Float64

    def numbered(self, line: str) -> tuple[list[int], list[int]]:
        """Rows of the embedding of a line's T grapheme clusters, and where each of them starts."""
        found = list(_CLUSTER.finditer(line))
        unknown = len(self.clusters)
        return [self.clusters.get(match.group(), unknown) for match in found], [match.start() for match in found]

    def embedded(self, line: str) -> tuple[Float32, list[int]]:
        """A line as input: float32 [T, 16] and where each of its T grapheme clusters starts."""
        rows, starts = self.numbered(line)
        return self.embedding[rows], starts


@dataclass(frozen=True)
class IcuThaiWorkload(Workload):
    """Lines of Thai text, broken into words."""

    def evaluate(self, split: str, runner: Runner) -> Scores:
        """F1 of the breaks; units are lines."""
        return self.judged(split, runner)[self.metric.name]

    def judged(self, split: str, runner: Runner) -> dict[str, Scores]:
        """F1 of the breaks, places between clusters at which it is right whether a word starts, and right lines."""
        given, expected = self.breaks(split, runner), _wanted(split)
        places = np.array([len(shipped_model().embedded(text)[1]) - 1 for text in lines(split)], dtype=np.float64)
        wrong = np.array([len({*have} ^ {*want}) for have, want in zip(given, expected, strict=True)], dtype=np.float64)
        named = np.array([len(have) + len(want) for have, want in zip(given, expected, strict=True)], dtype=np.float64)
        return {
            self.metric.name: Scores(named - wrong, named),
            "places right": Scores(places - wrong, places),
            "lines right": Scores((wrong == 0).astype(np.float64), np.ones(len(wrong))),
        }

    def breaks(self, split: str, runner: Runner) -> list[Breaks]:
        """Breaks of each line."""
        texts, model = lines(chosen(split)), shipped_model()
        given = [model.embedded(text) for text in texts]
        forward = runner.sequences(FORWARD, [x for x, _ in given])
        backward = runner.sequences(BACKWARD, [x[::-1] for x, _ in given])
        results = []
        for text, (_, starts), along, against in zip(texts, given, forward, backward, strict=True):
            logits = np.concatenate([along, against[::-1]], axis=1) @ model.head + model.head_bias
            results.append(breaks_of(text, starts, logits.argmax(axis=1)))
        return results

    def inputs(self, split: str) -> dict[str, list[Float32]]:
        """Embedded lines, each float32 [T, 16]; those of ``backward`` start at the line's end."""
        return _inputs(lines(chosen(split)))


def breaks_of(text: str, starts: list[int], classes: npt.NDArray[np.int64]) -> Breaks:
    """Breaks of a line by the classes of its clusters."""
    found = [start for start, kind in zip(starts, classes, strict=True) if start and kind in (BEGIN, SINGLE)]
    return tuple(found) if len(text) >= SHORTEST else ()


def load() -> IcuThaiWorkload:
    """The model of ICU 72 with ICU's own expected breaks (held out); a story and messages for the rest."""
    model = shipped_model()
    return IcuThaiWorkload(
        name="icu_thai",
        networks={FORWARD: model.forward, BACKWARD: model.backward},
        calibration=_inputs(calibration_lines()),
        metric=Metric("F1 of breaks", "", higher_is_better=True),
        source="Debian source package icu 72.1",
        licence="Unicode-DFS-2016",
    )


@functools.cache
def _wanted(split: str) -> list[Breaks]:
    """ICU's expected breaks, where it states them; else those of the float network, which equals ICU on ICU's lines."""
    if split == "heldout":
        return expected_breaks()
    workload = load()
    return workload.breaks(split, FloatRunner(workload))


def expected_breaks() -> list[Breaks]:
    """What ICU states for the held-out lines."""
    return [breaks for _, breaks in _expected()]


def calibration_lines() -> list[str]:
    """Lines of the story that formats are chosen by."""
    return _story()[:CALIBRATION_LINES]


def lines(split: str) -> list[str]:
    """Lines of a split."""
    if split == "heldout":
        return [line for line, _ in _expected()]
    return [
        "".join(texts[at : at + count])
        for texts in (_story()[CALIBRATION_LINES:], _messages())
        for count in JOINED
        for at in range(len(texts) - count + 1)
    ]


def _inputs(texts: list[str]) -> dict[str, list[Float32]]:
    xs = [shipped_model().embedded(text)[0] for text in texts]
    return {FORWARD: xs, BACKWARD: [np.ascontiguousarray(x[::-1]) for x in xs]}


@functools.cache
def shipped_model() -> Model:
    """The network and what the host does before and after it."""
    text = fetch_files("icu")[MODEL].read_text(encoding="utf-8-sig")
    strings = _block(text, "dict")
    clusters = {
        re.sub(r"\\(.)", r"\1", entry): row for row, entry in enumerate(re.findall(r'"((?:\\.|[^"\\])*)"', strings))
    }
    # The table holds float32 as the integers of the same bits.
    bits = np.array(re.findall(r"-?\d+", _block(text, "data")), dtype=np.int64).astype(np.int32)
    width, units = (int(re.findall(rf"{field}:int\{{(\d+)\}}", text)[0]) for field in ("embeddings", "hunits"))
    shapes = [(len(clusters) + 1, width), *[(width, 4 * units), (units, 4 * units), (4 * units,)] * 2]
    shapes += [(2 * units, 4), (4,)]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    assert ends[-1] == len(bits)
    pieces = np.split(bits.view(np.float32), ends[:-1])
    parts = [piece.reshape(shape) for piece, shape in zip(pieces, shapes, strict=True)]
    wide = [part.astype(np.float64) for part in parts]
    return Model(
        clusters=clusters,
        embedding=parts[0],
        forward=_network(FORWARD, wide[1:4]),
        backward=_network(BACKWARD, wide[4:7]),
        head=wide[7],
        head_bias=wide[8],
    )


def _network(name: str, parts: list[Float64]) -> FloatNetwork:
    """Stored as [I, 4H] with gates i, f, c, o: transposed it is canonical, c being the other name of g."""
    kernel, recurrent, bias = parts
    return FloatNetwork((FloatLayer(name, kernel.T.copy(), recurrent.T.copy(), bias),))


def _block(text: str, name: str) -> str:
    """What is between the braces of a block; closing braces inside a string do not stand alone on a line."""
    start = re.search(rf"^\s*{name}(:intvector)?\{{$", text, re.MULTILINE)
    assert start is not None
    end = re.compile(r"^\s*\}$", re.MULTILINE).search(text, start.end())
    assert end is not None
    return text[start.end() : end.start()]


@functools.cache
def _expected() -> list[tuple[str, Breaks]]:
    """ICU's test lines with its breaks; a bar at the start of a line is no break."""
    text = fetch_files("icu")[EXPECTED].read_text(encoding="utf-8")
    result = []
    for line, divided in re.findall(r"^Input:\t(.*)\nOutput:\t(.*)$", text, re.MULTILINE):
        ends = np.cumsum([len(word) for word in divided.split("|") if word])
        result.append((line, tuple(int(end) for end in ends[:-1])))
    return result


@functools.cache
def _story() -> list[str]:
    """Lines of a story without the spaces by which it is divided."""
    return _runs(fetch_files("icu")[STORY].read_text(encoding="utf-8-sig").replace(" ", ""))


@functools.cache
def _messages() -> list[str]:
    """Messages of a program in Thai: other words than a story's, for what is judged is no story."""
    return _runs("".join(path.read_text(encoding="utf-8") for path in fetch_files("django").values()))


def _runs(text: str) -> list[str]:
    """Runs of Thai that are long enough, none of them twice or among ICU's expected lines."""
    known = {line for line, _ in _expected()}
    return [run for run in dict.fromkeys(_RUN.findall(text)) if len(run) >= SHORTEST and run not in known]
