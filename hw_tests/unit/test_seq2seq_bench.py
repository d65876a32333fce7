"""The bench of encoder-decoders: its choices do what they say, and its figures are those of golden."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lstmith.scripts.bench.adaptive.networks import engine_for, quantised
from lstmith.scripts.bench.seq2seq import bench
from lstmith.scripts.bench.seq2seq.bench import (
    AS_FAST_AS,
    FEW,
    FORMAT,
    LANES,
    SMALLER,
    UNITS,
    Cascade,
    Said,
    cascade_of,
)
from lstmith.scripts.bench.seq2seq.tables import seq2seq_text
from lstmith.spec.latency import renew
from lstmith.tuning.engine import GoldenEngine
from lstmith.workloads import g2p
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.g2p import Plan
from lstmith.workloads.g2p_data import entries
from lstmith.workloads.g2p_score import word_errors

WORDS = 400
#: Words of the test with the golden model; those of one length run side by side.
SPOKEN = 40


def _said(rng: np.random.Generator, rate: float, cycles: float) -> Said:
    """Words of which just so many are wrong."""
    wrong = rng.permutation(np.arange(WORDS) < rate * WORDS).astype(np.float64)
    return Said(wrong, 2 * wrong, np.full(WORDS, 7.0), rng.random(WORDS), rng.uniform(0.5, 1.5, WORDS) * cycles)


def _all_said(rng: np.random.Generator) -> dict[tuple[str, int], Said]:
    """As good networks would say words: few units are wrong more often, but only where they are unsure."""
    every, few = _said(rng, 0.25, 1000), _said(rng, 0, 200)
    rank = np.argsort(np.argsort(few.margin))
    wrong = np.maximum(every.wrong, (rank < WORDS // 2) & (rank % 3 == 0))
    few = Said(wrong, 2 * wrong, few.length, few.margin, few.cycles)
    smaller = {(f"units-{units}", units): _said(rng, 0.3, 1000 * (units / UNITS) ** 2) for units in SMALLER}
    return {("base", UNITS): _said(rng, 0.28, 1000), ("nested", UNITS): every, ("nested", FEW): few, **smaller}


def test_unsure_words_are_said_again(rng: np.random.Generator) -> None:
    few, every = _said(rng, 0.4, 100), _said(rng, 0.2, 500)
    made = Cascade(few, every).run(0.3)
    again = few.margin < 0.3
    assert (made.wrong == np.where(again, every.wrong, few.wrong)).all()
    assert (made.edits == np.where(again, every.edits, few.edits)).all()
    assert made.cycles.sum() == pytest.approx(few.cycles.sum() + every.cycles[again].sum())
    assert made.errors.value == made.wrong.mean()
    assert made.phoneme_errors.value == pytest.approx(made.edits.sum() / made.length.sum())


def test_margin_is_the_least_that_surely_keeps_the_errors(rng: np.random.Generator) -> None:
    said = _all_said(rng)
    cascade, base = cascade_of(said, f"{FEW} of {UNITS} nested"), said["nested", UNITS].errors
    found = cascade.margin_within(base, 0.05)
    assert 0 < found < np.inf
    assert cascade.run(found).errors.paired(base, bench.SEED)[1] <= 0.05
    # A little fewer words, and it would not be sure.
    share = (cascade.few.margin < found).mean()
    less = np.quantile(cascade.few.margin, share - bench.SHARES[1])
    assert cascade.run(float(less)).errors.paired(base, bench.SEED)[1] > 0.05
    assert cascade.margin_within(base, -1.0) == np.inf
    assert (cascade.run(cascade.margin_within(base, 1.0)).cycles == cascade.few.cycles).mean() > 0.99


def test_margin_is_the_largest_within_the_cycles(rng: np.random.Generator) -> None:
    said = _all_said(rng)
    cascade = Cascade(said["nested", FEW], said["nested", UNITS])
    found = cascade.margin_at_cycles(600)
    assert cascade.run(found).cycles.mean() <= 600
    above = np.sort(cascade.few.margin)[np.searchsorted(np.sort(cascade.few.margin), found) + 1]
    assert cascade.run(above).cycles.mean() > 600
    assert cascade.margin_at_cycles(1e9) == np.inf
    assert not (cascade.few.margin < cascade.margin_at_cycles(1)).any()


def test_long_words_take_as_many_cycles_at_most(rng: np.random.Generator) -> None:
    said = _all_said(rng)
    cascade, lengths = Cascade(said["nested", FEW], said["nested", UNITS]), rng.integers(1, 15, WORDS)
    made = bench.by_length(cascade, lengths, 600)
    assert made.cycles.mean() <= 600
    long = made.cycles != cascade.few.cycles
    assert lengths[long].min() > lengths[~long].max()
    assert (made.wrong[long] == cascade.every.wrong[long]).all()
    # One letter less would take too long.
    more = lengths >= lengths[long].min() - 1
    assert np.where(more, cascade.every.cycles, cascade.few.cycles).mean() > 600


def test_rows_compare_with_the_base_and_with_controls(rng: np.random.Generator) -> None:
    said = _all_said(rng)
    choices = bench.choose(said)
    assert set(choices) == {
        *(f"at most {margin:.0%} more errors" for margin in bench.MARGINS),
        *(f"as fast as {units} units" for units in AS_FAST_AS),
    }
    rows = {row["name"]: row for row in bench.judge(said, choices, rng.integers(1, 15, WORDS))}
    base = rows[f"base, {UNITS} units"]
    assert (base["speedup"], base["words_more"]) == (1.0, [0.0, 0.0, 0.0])
    for what, choice in choices.items():
        row = rows[f"{what}: {choice.cascade}"]
        drawn = [rows[f"{what}, random words {draw + 1}"] for draw in range(bench.RANDOM)]
        assert all(each["again"] == row["again"] for each in drawn)
        assert np.mean([each["words"] for each in drawn]) >= row["words"]
        assert rows[f"{what}, long words by all units"]["cycles"] <= row["cycles"]
    for units in AS_FAST_AS:
        what = f"as fast as {units} units"
        row = rows[f"{what}: {choices[what].cascade}"]
        assert row["cycles"] <= 1.05 * rows[f"units-{units}, {units} units"]["cycles"]
    more, low, high = rows[f"nested, {FEW} units"]["words_more"]
    assert low < more < high
    told = {"rows": list(rows.values()), "weights": {"base": 1_250_000}, "words": {"tune": 2000, "heldout": WORDS}}
    text = seq2seq_text(told, "Measured.")
    assert "base 1.25; a cascade" in text
    assert f"| nested, {FEW} units | - |" in text


def test_words_are_said_by_golden_and_cycles_are_its_own() -> None:
    workload, words = g2p.load("adaptive"), entries("heldout")[::150][:SPOKEN]
    active = workload.counts[-1]
    said = bench.say_all(workload, words, active)
    spoken = workload.with_plan(Plan(units=active)).speak(words, FloatRunner(workload))
    # Eight bits change few words.
    assert abs(said.errors.value - word_errors(words, spoken.phonemes).value) <= 0.1
    assert said.margin.min() >= 0
    name = workload.network("encoder", active)
    made = quantised(workload.networks[name], workload.calibration[name], FORMAT)
    engine = GoldenEngine(made, workload.networks[name], engine_for(made, LANES))
    # A column takes a cycle in each fold for every plane of four bits; an encoder's first step has no h.
    words_of_step = 2 * sum(layer.inputs + layer.units for layer in made.layers) * -(-active // LANES)
    ideal = words_of_step * (spoken.steps[name] + spoken.steps[workload.network("decoder", active)])
    switches = bench.switches(engine, active)
    assert (said.cycles > 0.9 * ideal + switches).all()
    assert (said.cycles < 1.05 * ideal + switches).all()
    assert switches > renew(replace(engine.config, programs=2, monitor=False, skip=False), [active])


def test_a_network_is_trained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from lstmith.scripts.bench.seq2seq import training

    some = entries("train")[::200]
    monkeypatch.setattr(training, "entries", lambda split: some)
    kind, told = training.Kind("nested", (12, 4)), list[str]()
    first = training.trained(kind, tmp_path, told.append, epochs=1)
    assert first.counts == (12, 4)
    again = training.trained(kind, tmp_path, told.append, epochs=1)
    assert told == ["training nested"]
    assert (first.head_weight == again.head_weight).all()
    words = entries("tune")[::100]
    assert len(first.with_plan(Plan(units=4)).speak(words, FloatRunner(first)).phonemes) == len(words)
