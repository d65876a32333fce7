"""Japanese vowels, whole on the virtual board: the speaker of every utterance comes from the device."""

from __future__ import annotations

import numpy as np
import pytest

from hw_tests.unit.workload_cases import loaded
from lstmith.scripts.bench.vowels import Vowels, run_vowels, vowels_design
from lstmith.spec.codes import Verdict

#: Of the 370 test utterances; `python -m lstmith.scripts.bench.vowels` runs all of them.
EVERY, UTTERANCES = 15, 25


@pytest.fixture(scope="module")
def vowels() -> Vowels:
    loaded("japanese_vowels")
    return run_vowels(EVERY)


def test_nothing_is_left_to_the_host() -> None:
    loaded("japanese_vowels")
    design = vowels_design()
    assert design.graph is not None
    assert {item.where for item in design.graph.placement} == {"core", "folded"}
    assert design.network.layers[-1].verdict is Verdict.ARGMAX


def test_the_device_names_the_speaker_that_golden_names(vowels: Vowels) -> None:
    assert len(vowels.speakers) == UTTERANCES
    assert np.array_equal(vowels.speakers, vowels.golden)
    assert (vowels.speakers == vowels.wanted).mean() > 0.8


def test_a_speaker_takes_less_of_the_wire_than_nine_scores(vowels: Vowels) -> None:
    scores, steps, utterances = vowels.wires.values()
    assert scores.received > 3 * steps.received
    assert steps.received > utterances.received
