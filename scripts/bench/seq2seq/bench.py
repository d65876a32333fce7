"""``lstmith bench seq2seq``: an encoder-decoder that says a word with few units first, and again if it is unsure.

The networks are grapheme-to-phoneme networks, as in Sen and Raghunathan (TCAD 2018), of more units than most words
need. One is trained to work with its first units alone too, *nested*. The host, which reads every h anyway, sees by the
scores whether the few units were sure of a word. An engine holds both as programs: encoder and decoder of all units,
and of few. Whatever is skipped or left out is compared with smaller networks of equal cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmith.scripts.bench.adaptive.networks import Static, engine_for, quantised
from lstmith.scripts.bench.adaptive.runner import GoldenRunner
from lstmith.scripts.bench.stamps import MEASURED, stamp
from lstmith.spec.latency import renew
from lstmith.spec.policy import Mode, Policy
from lstmith.tuning.engine import GoldenEngine
from lstmith.workloads.g2p import SIDES, G2p, Plan
from lstmith.workloads.g2p_data import Entry, entries
from lstmith.workloads.g2p_score import phoneme_errors, word_errors
from lstmith.workloads.workload import Float64, Scores

LANES = 16
FORMAT = Static(8, 8)
UNITS, FEW = 384, 160
#: Networks of fewer units that every word is said with.
SMALLER = (320, 256)
MARGINS = (0.01, 0.05)  #: by which the word error rate may grow, relative
SEED = 1
RANDOM = 3  #: random choices
Report = Callable[[str], None]


@dataclass(frozen=True)
class Said:
    """What some words became, all said by so many units.

    Parameters
    ----------
    wrong, edits, length : float64 [N]
        Whether a word is wrong; edits to its nearest pronunciation, and the phonemes of that.
    margin : float64 [N]
        How much the best phoneme's score was above the next one's, at least.
    cycles : float64 [N]
        Of encoder and decoder, with the start and the hand-over of the state.
    """

    wrong: Float64
    edits: Float64
    length: Float64
    margin: Float64
    cycles: Float64

    def then(self, other: Said, again: npt.NDArray[np.bool_]) -> Said:
        """Where ``again``, what the other made of it; the cycles of both."""
        return Said(
            np.where(again, other.wrong, self.wrong),
            np.where(again, other.edits, self.edits),
            np.where(again, other.length, self.length),
            self.margin,
            self.cycles + again * other.cycles,
        )

    @property
    def errors(self) -> Scores:
        """Word error rate."""
        return Scores(self.wrong, np.ones(len(self.wrong)))

    @property
    def phoneme_errors(self) -> Scores:
        """Phoneme error rate."""
        return Scores(self.edits, self.length)


def say_all(workload: G2p, words: list[Entry], units: int) -> Said:
    """Have every word said by so many units, in the integers of an engine, every step dense."""
    names = {side: workload.network(side, units) for side in SIDES}
    starts, engines = workload.starts(), {}
    for name in names.values():
        source = workload.networks[name]
        made = quantised(source, workload.calibration[name], FORMAT, starts.get(name))
        engines[name] = GoldenEngine(made, source, engine_for(made, LANES))
    runner = GoldenRunner(engines, cuts=False)
    runner.begin({name: [Policy(Mode.DENSE)] for name in engines})
    spoken = workload.with_plan(Plan(units=units)).speak(words, runner)
    cycles = np.full(len(words), float(switches(engines[names["encoder"]], units)))
    for name, costs in runner.costs().items():
        # A dense step takes the same cycles, but for the first one of a sequence.
        cycles += spoken.steps[name] * (costs.cycles.sum() / spoken.steps[name].sum())
    words_wrong, phonemes_wrong = word_errors(words, spoken.phonemes), phoneme_errors(words, spoken.phonemes)
    return Said(words_wrong.numerator, phonemes_wrong.numerator, phonemes_wrong.denominator, spoken.margins, cycles)


def switches(engine: GoldenEngine, units: int) -> int:
    """Cycles in which an engine of several programs starts the encoder, and hands its state over to the decoder."""
    config = replace(engine.config, programs=2, monitor=False, skip=False)
    return int(renew(config, ())) + int(renew(config, [units]))


@dataclass(frozen=True)
class Cascade:
    """What some words become if those that few units are least sure of are said again by all.

    Parameters
    ----------
    few, every : Said
        All words, said by few units and by all.
    """

    few: Said
    every: Said

    def run(self, margin: float) -> Said:
        """Words of a smaller margin are said again."""
        return self.few.then(self.every, self.few.margin < margin)

    def margin_at_errors(self, rate: float) -> float:
        """The least margin from which on the word error rate is at most this; infinite if there is none."""
        more, margins = self._wrong() > rate * len(self.few.wrong), self._margins()
        above = np.flatnonzero(more)
        return float(margins[above[-1] + 1 if above.size else 0]) if not more[-1] else np.inf

    def margin_at_cycles(self, cycles: float) -> float:
        """The largest margin with which a word takes at most so many cycles on average."""
        total = self.few.cycles.sum() + self._sums(self.every.cycles)
        within = np.flatnonzero(total <= cycles * len(total[1:]))
        return float(self._margins()[within[-1]]) if within.size else 0.0

    def _wrong(self) -> Float64:
        """Wrong words, if the 0, 1, ... least sure ones are said again."""
        gained: Float64 = self.few.wrong.sum() + self._sums(self.every.wrong - self.few.wrong)
        return gained

    def _margins(self) -> Float64:
        """Margins that have just so many words said again."""
        return np.append(np.sort(self.few.margin), np.inf)

    def _sums(self, values: Float64) -> Float64:
        """Sums over the least sure words, of 0, 1, ... of them."""
        return np.append(0.0, np.cumsum(values[np.argsort(self.few.margin, kind="stable")]))


def run_seq2seq(report: Report, folder: Path) -> dict[str, Any]:
    """Train what is not in the folder yet, choose margins on tuning words, and judge all on held-out words.

    Returns JSON values: ``rows`` of all that was judged, and ``chosen``, margins by name.
    """
    from lstmith.scripts.bench.seq2seq.training import Kind, trained

    when = stamp()
    kinds = [
        Kind("base", (UNITS,)),
        Kind("nested", (UNITS, FEW)),
        *(Kind(f"units-{each}", (each,)) for each in SMALLER),
    ]
    networks = {kind.name: trained(kind, folder, report) for kind in kinds}
    said: dict[str, dict[tuple[str, int], Said]] = {}
    for split in ("tune", "heldout"):
        words = entries(split)
        for kind in kinds:
            for units in kind.counts:
                report(f"{split}: {kind.name}, {units} units")
                said.setdefault(split, {})[kind.name, units] = say_all(networks[kind.name], words, units)
    lengths = {split: np.array([len(entry.word) for entry in entries(split)]) for split in said}
    margins = choose(said["tune"])
    return {MEASURED: when, "chosen": margins, "rows": judge(said["heldout"], margins, lengths["heldout"])}


def choose(said: dict[tuple[str, int], Said]) -> dict[str, float]:
    """Margins by the name of what they are for, from words to choose on."""
    cascade, base = Cascade(said["nested", FEW], said["nested", UNITS]), said["base", UNITS]
    wanted = {f"at most {margin:.0%} more errors": (1 + margin) * base.errors.value for margin in MARGINS}
    costs = {f"as fast as {units} units": said[f"units-{units}", units].cycles.mean() for units in SMALLER}
    return {
        **{name: cascade.margin_at_errors(rate) for name, rate in wanted.items()},
        **{name: cascade.margin_at_cycles(float(cycles)) for name, cycles in costs.items()},
    }


def judge(
    said: dict[tuple[str, int], Said], margins: dict[str, float], lengths: npt.NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Rows of all networks and choices on some words."""
    base = said["base", UNITS]
    rows = [_row(f"{name}, {units} units", one, base, 0.0) for (name, units), one in said.items()]
    cascade, rng = Cascade(said["nested", FEW], said["nested", UNITS]), np.random.default_rng(SEED)
    for name, margin in margins.items():
        again = cascade.few.margin < margin
        rows.append(_row(name, cascade.run(margin), base, again.mean()))
        for draw in range(RANDOM):
            drawn = rng.permutation(again)
            rows.append(
                _row(f"{name}, random words {draw + 1}", cascade.few.then(cascade.every, drawn), base, drawn.mean())
            )
        long = by_length(cascade, lengths, cascade.run(margin).cycles.mean())
        rows.append(_row(f"{name}, long words by all units", long, base, 0.0))
    return rows


def by_length(cascade: Cascade, lengths: npt.NDArray[np.int64], cycles: float) -> Said:
    """Words of so many letters and more are said by all units alone, the others by few: as many as the cycles allow."""
    best = cascade.few
    for least in range(int(lengths.max()), 0, -1):
        long = lengths >= least
        made = cascade.few.then(cascade.every, long)
        made = replace(made, cycles=np.where(long, cascade.every.cycles, cascade.few.cycles))
        if made.cycles.mean() > cycles:
            break
        best = made
    return best


def _row(name: str, one: Said, base: Said, again: float) -> dict[str, Any]:
    """Figures of one row; changes are relative to the base, with 95 % intervals of the same words drawn for both."""
    found: dict[str, Any] = {
        "name": name,
        "again": float(again),
        "cycles": float(one.cycles.mean()),
        "speedup": float(base.cycles.sum() / one.cycles.sum()),
    }
    for metric, own, other in (
        ("words", one.errors, base.errors),
        ("phonemes", one.phoneme_errors, base.phoneme_errors),
    ):
        low, high = own.paired(other, SEED)
        found[metric] = own.value
        found[f"{metric}_more"] = [each / other.value for each in (own.value - other.value, low, high)]
    return found
