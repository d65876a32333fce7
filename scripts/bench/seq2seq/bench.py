"""``lstmith bench seq2seq``: an encoder-decoder that says a word with few units first, and again if it is unsure.

The networks are grapheme-to-phoneme networks, as in Sen and Raghunathan (TCAD 2018), of more units than most words
need. The few units are the first ones of a network that was trained to work with them alone too, *nested*, or a
smaller network. The host, which reads every h anyway, sees by the scores whether a word was said surely. An engine
holds all as programs: encoder and decoder of all units, and of few. Whatever is left out is compared with smaller
networks of equal cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
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
SMALLER = (320, 256, 160)
#: Those that cascades are to be as fast as.
AS_FAST_AS = (320, 256)
#: Network and units of who says a word first, and of who says it again.
CASCADES = {
    f"{FEW} of {UNITS} nested": (("nested", FEW), ("nested", UNITS)),
    f"256, then {UNITS}": (("units-256", 256), ("base", UNITS)),
    f"{FEW}, then {UNITS}": ((f"units-{FEW}", FEW), ("base", UNITS)),
}
MARGINS = (0.01, 0.05)  #: by which the word error rate may grow, relative
SHARES = np.linspace(0, 1, 41)  #: of words said again, to choose from
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


#: By network and units.
AllSaid = dict[tuple[str, int], Said]


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

    def margin_within(self, errors: Scores, most: float) -> float:
        """The least margin from which on the word error rate surely grows by at most so much, of those that have some
        shares of words said again: the upper end of a 95 % interval counts. Infinite if there is none.
        """
        margins = [float(np.quantile(self.few.margin, share)) for share in SHARES[:-1]] + [np.inf]
        more = [self.run(margin).errors.paired(errors, SEED)[1] > most for margin in margins]
        above = np.flatnonzero(more)
        return np.inf if more[-1] else margins[above[-1] + 1 if above.size else 0]

    def margin_at_cycles(self, cycles: float) -> float:
        """The largest margin with which a word takes at most so many cycles on average."""
        total = self.few.cycles.sum() + self._sums(self.every.cycles)
        within = np.flatnonzero(total <= cycles * len(total[1:]))
        return float(self._margins()[within[-1]]) if within.size else 0.0

    def _margins(self) -> Float64:
        """Margins that have just so many words said again."""
        return np.append(np.sort(self.few.margin), np.inf)

    def _sums(self, values: Float64) -> Float64:
        """Sums over the least sure words, of 0, 1, ... of them."""
        return np.append(0.0, np.cumsum(values[np.argsort(self.few.margin, kind="stable")]))


@dataclass(frozen=True)
class Choice:
    """A cascade, and the margin below which it says words again.

    Parameters
    ----------
    cascade : str
        Its name in ``CASCADES``.
    margin : float
    """

    cascade: str
    margin: float


def run_seq2seq(report: Report, folder: Path) -> dict[str, Any]:
    """Train what is not in the folder yet, choose margins on tuning words, and judge all on held-out words.

    Returns JSON values: ``rows`` of all that was judged, ``chosen``, cascades and margins by name, and ``weights`` of
    each network.
    """
    from lstmith.scripts.bench.seq2seq.training import Kind, trained

    when = stamp()
    kinds = [
        Kind("base", (UNITS,)),
        Kind("nested", (UNITS, FEW)),
        *(Kind(f"units-{each}", (each,)) for each in SMALLER),
    ]
    networks = {kind.name: trained(kind, folder, report) for kind in kinds}
    said: dict[str, AllSaid] = {}
    for split in ("tune", "heldout"):
        words = entries(split)
        for kind in kinds:
            for units in kind.counts:
                report(f"{split}: {kind.name}, {units} units")
                said.setdefault(split, {})[kind.name, units] = say_all(networks[kind.name], words, units)
    lengths = np.array([len(entry.word) for entry in entries("heldout")])
    report("choosing margins")
    choices = choose(said["tune"])
    return {
        MEASURED: when,
        "words": {split: len(entries(split)) for split in said},
        "weights": {name: weights(network) for name, network in networks.items()},
        "chosen": {name: asdict(choice) for name, choice in choices.items()},
        "rows": judge(said["heldout"], choices, lengths),
    }


def weights(workload: G2p) -> int:
    """Weights of encoder and decoder of all units."""
    layers = [layer for side in SIDES for layer in workload.networks[side].layers]
    return sum(layer.w_ih.size + layer.w_hh.size for layer in layers)


def cascade_of(said: AllSaid, name: str) -> Cascade:
    """The cascade of a name."""
    few, every = CASCADES[name]
    return Cascade(said[few], said[every])


def choose(said: AllSaid) -> dict[str, Choice]:
    """What to say words with by the name of what it is for, from words to choose on."""
    base, found = said["base", UNITS], {}
    cascades = {name: cascade_of(said, name) for name in CASCADES}
    for margin in MARGINS:
        limit = margin * base.errors.value
        able = [Choice(name, cascade.margin_within(base.errors, limit)) for name, cascade in cascades.items()]
        # Whoever loses too much even where all say every word cannot be chosen.
        able = [each for each in able if _more(cascades[each.cascade].run(each.margin), base) <= limit]
        found[f"at most {margin:.0%} more errors"] = min(
            able, key=lambda each: cascades[each.cascade].run(each.margin).cycles.mean()
        )
    for units in AS_FAST_AS:
        cycles = float(said[f"units-{units}", units].cycles.mean())
        able = [Choice(name, cascade.margin_at_cycles(cycles)) for name, cascade in cascades.items()]
        # A first network that takes as long by itself is no cascade.
        able = [each for each in able if cascades[each.cascade].run(each.margin).cycles.mean() <= cycles]
        found[f"as fast as {units} units"] = min(
            able, key=lambda each: cascades[each.cascade].run(each.margin).errors.value
        )
    return found


def _more(one: Said, base: Said) -> float:
    """How much more the word error rate may be at most, with 97.5 % certainty."""
    return one.errors.paired(base.errors, SEED)[1]


def judge(said: AllSaid, choices: dict[str, Choice], lengths: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    """Rows of all networks and choices on some words."""
    base = said["base", UNITS]
    rows = [_row(f"{name}, {units} units", one, base, 0.0) for (name, units), one in said.items()]
    rng = np.random.default_rng(SEED)
    for what, choice in choices.items():
        name, cascade = f"{what}: {choice.cascade}", cascade_of(said, choice.cascade)
        again = cascade.few.margin < choice.margin
        rows.append(_row(name, cascade.run(choice.margin), base, again.mean()))
        for draw in range(RANDOM):
            drawn = rng.permutation(again)
            rows.append(
                _row(f"{what}, random words {draw + 1}", cascade.few.then(cascade.every, drawn), base, drawn.mean())
            )
        long = by_length(cascade, lengths, cascade.run(choice.margin).cycles.mean())
        rows.append(_row(f"{what}, long words by all units", long, base, 0.0))
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
