"""Grapheme to phoneme on CMUdict: an encoder-decoder LSTM of our own, as in Sen and Raghunathan (TCAD 2018).

The encoder reads a word from its last letter to its first; its h and c start the decoder, which says one phoneme per
step from the one before it. Embeddings and the head stay on the host. There is no attention.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.golden.network import FloatLayer, FloatNetwork, padded, run_float
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.g2p_data import BOUNDARY, Entry, entries
from lstmith.workloads.g2p_score import phoneme_errors, word_errors
from lstmith.workloads.g2p_skip import Costs, skipped
from lstmith.workloads.workload import Bools, Float32, Float64, Metric, Runner, Scores, Session, State, Workload, chosen

SIDES = ("encoder", "decoder")
WEIGHTS = Path(__file__).parent / "weights"
CALIBRATION = 300  #: words for the quantiser, from the training split
TRAINING = 4000  #: words to train on without labels, of the same split
LIMIT = 24  #: phonemes after which a word counts as not ending; the longest one to judge has 16


@dataclass(frozen=True)
class Plan:
    """How much of the network a word gets; the host knows before the word begins.

    Parameters
    ----------
    full_from : int
        Words of at least so many letters, skipped ones left out, get all units; each letter less takes the next
        lower count. 0 gives all units to every word.
    tolerance : float
        Letters that cost less than this are marked to be skipped; 0 marks none.
    units : int
        So many for every word; 0: as ``full_from`` has it.
    """

    full_from: int = 0
    tolerance: float = 0.0
    units: int = 0

    def active(self, letters: int, counts: tuple[int, ...]) -> int:
        """Units for a word of so many letters, one of ``counts``, which descend."""
        return self.units or counts[min(max(self.full_from - letters, 0), len(counts) - 1)]


@dataclass(frozen=True)
class Spoken:
    """What the network made of some words, and the steps it took.

    Parameters
    ----------
    phonemes : list of tuple of int
    margins : float64 [N]
        How much the best phoneme's score was above the next one's, at least.
    steps : dict of int64 [N]
        Per network of the workload: steps done for each word; skipped ones do not count.
    """

    phonemes: list[tuple[int, ...]]
    margins: Float64
    steps: dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True)
class G2p(Workload):
    """The workload; the networks are ``encoder`` and ``decoder``, and ``encoder@A`` and so on for fewer active units.

    Parameters
    ----------
    embeddings : dict of float32 [symbols, I]
        Per side.
    head_weight : float32 [40, H]
    head_bias : dict of float32 [40]
        Per active count.
    costs : float32 [28, 27, 28]
        How much each letter is missed if it is skipped.
    plan : Plan
        What `evaluate` runs.
    """

    embeddings: dict[str, Float32]
    head_weight: Float32
    head_bias: dict[int, Float32]
    costs: Costs
    plan: Plan

    @property
    def counts(self) -> tuple[int, ...]:
        """Active counts, descending; the first is all units."""
        return tuple(self.head_bias)

    def with_plan(self, plan: Plan) -> G2p:
        """The same networks, judged by another plan."""
        return replace(self, plan=plan)

    def network(self, side: str, active: int) -> str:
        """Name of a side's network with that many active units."""
        return side if active == self.counts[0] else f"{side}@{active}"

    def evaluate(self, split: str, runner: Runner) -> Scores:
        """Word error rate: a word is right if the network says one of its pronunciations."""
        return self.judged(split, runner)[self.metric.name]

    def judged(self, split: str, runner: Runner) -> dict[str, Scores]:
        """Word error rate, and phoneme error rate, which is less a matter of luck."""
        words = entries(chosen(split))
        said = self.speak(words, runner).phonemes
        return {self.metric.name: word_errors(words, said), "phoneme error rate": phoneme_errors(words, said)}

    def inputs(self, split: str) -> dict[str, list[Float32]]:
        """Letters of every word, and the phonemes that the full network says in float.

        A decoder starts in the state in which its encoder ends, which inputs do not tell: see `starts`.
        """
        words = entries(chosen(split))
        full = self.with_plan(Plan())
        return full._inputs(words, full.speak(words, FloatRunner(full)).phonemes)

    def training(self) -> dict[str, list[Float32]]:
        """Some words of the training split, evenly spread; decoders are given what the full network says in float."""
        words = entries("train")
        words = words[1 :: len(words) // TRAINING]
        full = self.with_plan(Plan())
        return full._inputs(words, full.speak(words, FloatRunner(full)).phonemes)

    def starts(self, inputs: dict[str, list[Float32]] | None = None) -> dict[str, State]:
        """A decoder starts where the encoder of as many units ends."""
        found = {}
        for active in self.counts:
            encoder, decoder = (self.network(side, active) for side in SIDES)
            batch, lengths = padded((inputs or self.calibration)[encoder])
            trace = run_float(self.networks[encoder], batch)
            last = np.arange(len(batch)), lengths - 1
            found[decoder] = [(h[last], c[last]) for h, c in zip(trace.h, trace.c, strict=True)]
        return found

    def speak(self, words: list[Entry], runner: Runner) -> Spoken:
        """Pronounce words by the plan; those of one length and count run side by side, so that none waits."""
        steps = {name: np.zeros(len(words), dtype=np.int64) for name in self.networks}
        spoken = Spoken([()] * len(words), np.empty(len(words)), steps)
        marks = self.hints(words)
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row, skips in enumerate(marks):
            groups[len(skips), self.plan.active(int((~skips).sum()), self.counts)].append(row)
        for (length, active), members in groups.items():
            encoder, decoder = (self.network(side, active) for side in SIDES)
            letters = np.stack([self._letters(words[member]) for member in members])
            skips = np.stack([marks[member] for member in members])
            session = runner.session(encoder, len(members))
            for step in range(length):
                session.step(letters[:, step], skips[:, step])
            said, margins = self._decode(runner.session(decoder, len(members), session.state()), active, len(members))
            for member, one in zip(members, said, strict=True):
                spoken.phonemes[member] = one
            spoken.margins[members] = margins
            steps[encoder][members] = (~skips).sum(axis=1)
            steps[decoder][members] = [min(len(one) + 1, LIMIT) for one in said]
        return spoken

    def hints(self, words: list[Entry]) -> list[Bools]:
        """Per word: the steps the encoder may skip by the plan, in the order it reads, bool [L]."""
        return [skipped(self.costs, entry.graphemes, self.plan.tolerance)[::-1] for entry in words]

    def _decode(self, session: Session, active: int, sequences: int) -> tuple[list[tuple[int, ...]], Float64]:
        """Say the most probable phoneme, which is the next input; steps past a word's end are marked to be skipped.

        Returns what is said, and the least margin of each word.
        """
        previous = np.full(sequences, BOUNDARY)
        ended = np.zeros(sequences, dtype=bool)
        margins = np.full(sequences, np.inf)
        said: list[list[int]] = [[] for _ in range(sequences)]
        for _ in range(LIMIT):
            h = session.step(self.embeddings["decoder"][previous], ended)
            scores = h.astype(np.float64) @ self.head_weight[:, :active].T + self.head_bias[active]
            previous = scores.argmax(axis=1)
            next_best, best = np.sort(scores, axis=1)[:, -2:].T
            margins = np.where(ended, margins, np.minimum(margins, best - next_best))
            ended |= previous == BOUNDARY
            for row in np.flatnonzero(~ended):
                said[row].append(int(previous[row]))
            if ended.all():
                break
        return [tuple(one) for one in said], margins

    def _letters(self, entry: Entry) -> Float32:
        return self.embeddings["encoder"][list(entry.graphemes[::-1])]

    def _inputs(self, words: list[Entry], said: list[tuple[int, ...]]) -> dict[str, list[Float32]]:
        letters = [self._letters(entry) for entry in words]
        phonemes = [self.embeddings["decoder"][[BOUNDARY, *one]] for one in said]
        read = {"encoder": letters, "decoder": phonemes}
        return {self.network(side, active): read[side] for active in self.counts for side in SIDES}


def load(variant: str = "base") -> G2p:
    """The shipped networks: ``base``, or ``adaptive``, which was trained on to do with fewer units and letters."""
    path = WEIGHTS / ("g2p.npz" if variant == "base" else f"g2p_{variant}.npz")
    with np.load(path) as arrays:
        return assemble({name: arrays[name] for name in arrays})


def assemble(arrays: dict[str, npt.NDArray[Any]]) -> G2p:
    """The workload of some weights.

    Parameters
    ----------
    arrays : dict
        ``counts`` [C], ``costs`` [28, 27, 28], and of each side ``_embedding`` [symbols, I], ``_w_ih`` [4H, I],
        ``_w_hh`` [4H, H] and ``_bias`` [C, 4H]; ``head_weight`` [40, H], ``head_bias`` [C, 40].
    """
    counts = [int(count) for count in arrays["counts"]]
    networks = {
        (side if active == counts[0] else f"{side}@{active}"): FloatNetwork((_layer(arrays, side, row, active),))
        for row, active in enumerate(counts)
        for side in SIDES
    }
    bare = G2p(
        name="g2p",
        networks=networks,
        calibration={},
        metric=Metric("word error rate", "", higher_is_better=False),
        source="trained by lstmith.workloads.g2p_train on CMUdict, Carnegie Mellon University",
        licence="weights Apache-2.0; CMUdict BSD-2-Clause",
        embeddings={side: arrays[f"{side}_embedding"].astype(np.float32) for side in SIDES},
        head_weight=arrays["head_weight"].astype(np.float32),
        head_bias={active: arrays["head_bias"][row].astype(np.float32) for row, active in enumerate(counts)},
        costs=arrays["costs"].astype(np.float32),
        plan=Plan(),
    )
    words = entries("train")
    words = words[:: len(words) // CALIBRATION]
    return replace(bare, calibration=bare._inputs(words, [entry.pronunciations[0] for entry in words]))


def _layer(arrays: dict[str, npt.NDArray[Any]], side: str, row: int, active: int) -> FloatLayer:
    """The first ``active`` units of a side, with the biases of that count."""
    w_ih, w_hh, bias = (arrays[f"{side}_{name}"].astype(np.float64) for name in ("w_ih", "w_hh", "bias"))
    units = w_hh.shape[1]
    kept = (np.arange(4)[:, None] * units + np.arange(active)).ravel()
    return FloatLayer(side, w_ih[kept], w_hh[kept, :active], bias[row, kept])
