"""Grapheme to phoneme: the split, the tables, and what the shipped weights reach."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest

from lstmith.scripts.bench.g2p_plan import judge
from lstmith.workloads import catalogue, g2p
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.g2p import G2p, Plan
from lstmith.workloads.g2p_data import GRAPHEMES, PHONEMES, Entry, entries, split_of
from lstmith.workloads.g2p_float import SkippingRunner
from lstmith.workloads.g2p_score import distance, phoneme_errors, word_errors
from lstmith.workloads.g2p_skip import OUTSIDE, SHAPE, contexts, skipped

WORDS = {"train": 116_321, "tune": 2_473, "heldout": 6_132}
#: Of the words decoded here, measured by these tests.
WER, PER = 0.2935, 0.0711
PLANS = {Plan(): (0.2838, 1.0), Plan(9): (0.3053, 1.250), Plan(9, 0.7): (0.3170, 1.285)}
EVERY = 12  #: of the held-out words: 511 are decoded here


@pytest.fixture(scope="module")
def words() -> list[Entry]:
    return entries("heldout")[::EVERY]


@pytest.fixture(scope="module")
def base(words: list[Entry]) -> G2p:
    return g2p.load()


@pytest.fixture(scope="module")
def adaptive(words: list[Entry]) -> G2p:
    return g2p.load("adaptive")


def letters(word: str) -> tuple[int, ...]:
    return tuple(GRAPHEMES.index(letter) for letter in word)


@pytest.mark.usefixtures("words")
def test_split_is_by_the_hash_of_the_word() -> None:
    split = {name: [entry.word for entry in entries(name)] for name in ("train", "tune", "heldout")}
    assert {name: len(found) for name, found in split.items()} == WORDS
    assert sum(map(len, split.values())) == len({word for found in split.values() for word in found})
    for name, buckets in (("heldout", range(5)), ("tune", range(5, 7)), ("train", range(7, 100))):
        for word in split[name][::500]:
            assert int(hashlib.sha256(word.encode()).hexdigest()[:16], 16) % 100 in buckets
            assert split_of(word) == name


@pytest.mark.usefixtures("words")
def test_pronunciations_lose_stress_and_repeats() -> None:
    every = {entry.word: entry for name in ("train", "tune", "heldout") for entry in entries(name)}
    spoken = [" ".join(PHONEMES[one] for one in said) for said in every["abstract"].pronunciations]
    assert spoken == ["AE B S T R AE K T"], "two in the dictionary, which differ in stress"
    assert every["abstract"].graphemes == letters("abstract")
    assert "o'clock" in every
    assert "a.m." not in every
    assert "good-bye" not in every


@pytest.mark.parametrize(("said", "right", "want"), [((), (1, 2), 2), ((1, 2, 3), (1, 3), 1), ((4, 2), (1, 2), 1)])
def test_distance(said: tuple[int, ...], right: tuple[int, ...], want: int) -> None:
    assert distance(said, right) == want


def test_errors_count_against_the_nearest_pronunciation() -> None:
    word = Entry("either", ((1, 2, 3, 4), (5, 2, 3)))
    assert word_errors([word], [(5, 2, 3)]).value == 0
    assert word_errors([word], [(5, 2)]).value == 1
    assert phoneme_errors([word], [(5, 2)]).value == pytest.approx(1 / 3)


def test_skips_are_looked_up_with_both_neighbours() -> None:
    costs = np.full(SHAPE, np.inf, dtype=np.float32)
    for left, letter, right in ("oll", "tte", "ett"):
        costs[letters(left + letter + right)] = 0.5
    costs[OUTSIDE, GRAPHEMES.index("k"), GRAPHEMES.index("n")] = 0.1
    costs[letters("lls")[0], letters("s")[0], OUTSIDE] = 0.0
    assert contexts(letters("ab"))[1] == (*letters("ab"), OUTSIDE)

    def shown(word: str, tolerance: float) -> str:
        marks = skipped(costs, letters(word), tolerance)
        return "".join("-" if mark else letter for mark, letter in zip(marks, word, strict=True))

    assert shown("knolls", 1.0) == "-no-ls", "the last letter, read first, stays"
    assert shown("knolls", 0.3) == "-nolls"
    assert shown("letter", 1.0) == "let-er", "of two neighbours, the one read first"
    assert shown("knolls", 0.0) == "knolls"


def test_shape(base: G2p) -> None:
    assert {name: (net.inputs, [layer.units for layer in net.layers]) for name, net in base.networks.items()} == {
        "encoder": (24, [192]),
        "decoder": (24, [192]),
    }
    assert {name: (len(xs), sum(map(len, xs))) for name, xs in base.calibration.items()} == {
        "encoder": (301, 2216),
        "decoder": (301, 2182),
    }
    assert catalogue.load("g2p").name == "g2p"


def test_error_rates_of_the_shipped_weights(base: G2p, words: list[Entry]) -> None:
    spoken = base.speak(words, FloatRunner(base))
    assert word_errors(words, spoken.phonemes).value == pytest.approx(WER, abs=0.004)
    assert phoneme_errors(words, spoken.phonemes).value == pytest.approx(PER, abs=0.001)
    assert spoken.steps["encoder"].tolist() == [len(entry.word) for entry in words]
    assert spoken.steps["decoder"].tolist() == [len(said) + 1 for said in spoken.phonemes]


def test_evaluation_and_recorded_inputs_are_of_whole_splits(base: G2p) -> None:
    scores = base.evaluate("tune", FloatRunner(base))
    assert len(scores.numerator) == WORDS["tune"]
    assert scores.value == pytest.approx(0.306, abs=0.002)
    inputs = base.inputs("tune")
    assert {name: len(xs) for name, xs in inputs.items()} == {"encoder": WORDS["tune"], "decoder": WORDS["tune"]}
    with pytest.raises(ValueError, match="Split must be one of"):
        base.inputs("train")


def test_short_words_get_fewer_units() -> None:
    counts = (192, 160, 128)
    assert [Plan(7).active(letters, counts) for letters in (9, 7, 6, 5, 1)] == [192, 192, 160, 128, 128]
    assert Plan().active(1, counts) == 192


def test_fewer_units_are_the_first_ones(adaptive: G2p) -> None:
    assert adaptive.counts == (192, 176, 160, 144, 128, 112, 96, 80)
    full, few = (adaptive.networks[name].layers[0] for name in ("encoder", "encoder@80"))
    assert few.w_hh.shape == (320, 80)
    for gate in range(4):
        np.testing.assert_array_equal(few.w_hh[80 * gate :][:80], full.w_hh[192 * gate :][:80, :80])
        np.testing.assert_array_equal(few.w_ih[80 * gate :][:80], full.w_ih[192 * gate :][:80])
    assert not np.array_equal(few.bias[:80], full.bias[:80]), "each count has biases of its own"


def test_plans_do_less_and_err_little(adaptive: G2p, words: list[Entry]) -> None:
    for plan, (wrong, factor) in PLANS.items():
        judged = judge(adaptive, words, plan)
        assert judged.words.value == pytest.approx(wrong, abs=0.004)
        assert judge(adaptive, words, Plan()).work / judged.work == pytest.approx(factor, abs=0.01)


def test_skipped_letters_are_not_read(adaptive: G2p, words: list[Entry]) -> None:
    planned = adaptive.with_plan(Plan(tolerance=0.7))
    hints, spoken = planned.hints(words), planned.speak(words, SkippingRunner(planned))
    assert spoken.steps["encoder"].tolist() == [int((~hint).sum()) for hint in hints]
    assert not any(hint[0] for hint in hints)
    changed = planned.speak(words, FloatRunner(planned)).phonemes
    assert changed != spoken.phonemes, "an engine that ignores hints reads every letter"


def test_decoders_start_where_encoders_end(base: G2p, words: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(g2p, "TRAINING", 20)
    inputs = base.training()
    starts = base.starts(inputs)
    assert starts.keys() == {"decoder"}
    (h, c) = starts["decoder"][0]
    assert len(h) == len(inputs["encoder"]) == len(inputs["decoder"]) >= 20
    for row, letters in enumerate(inputs["encoder"]):
        session = FloatRunner(base).session("encoder", 1)
        for letter in letters:
            session.step(letter[None])
        assert np.allclose(session.state()[0], (h[row : row + 1], c[row : row + 1]), atol=1e-12)
    # The decoder is given what the network itself says.
    decoded = FloatRunner(base).session("decoder", 1, [(h[:1], c[:1])])
    for now, following in itertools.pairwise(inputs["decoder"][0]):
        scores = decoded.step(now[None]) @ base.head_weight.T + base.head_bias[base.counts[0]]
        assert (base.embeddings["decoder"][scores[0].argmax()] == following).all()
