"""How wrong pronunciations are: per word, and per phoneme."""

from __future__ import annotations

import numpy as np

from lstmith.workloads.g2p_data import Entry
from lstmith.workloads.workload import Scores

Phonemes = tuple[int, ...]


def word_errors(words: list[Entry], said: list[Phonemes]) -> Scores:
    """Wrong words of all words; a word is right if what was said is one of its pronunciations."""
    wrong = np.array([float(one not in entry.pronunciations) for entry, one in zip(words, said, strict=True)])
    return Scores(wrong, np.ones(len(words)))


def phoneme_errors(words: list[Entry], said: list[Phonemes]) -> Scores:
    """Edits to the nearest pronunciation of each word, of all phonemes of those pronunciations."""
    edits, lengths = np.empty((2, len(words)))
    for row, (entry, one) in enumerate(zip(words, said, strict=True)):
        distances = [(distance(one, right), len(right)) for right in entry.pronunciations]
        edits[row], lengths[row] = min(distances, key=lambda pair: pair[0] / pair[1])
    return Scores(edits, lengths)


def distance(said: Phonemes, right: Phonemes) -> int:
    """Least number of phonemes to insert, to remove or to change (Levenshtein)."""
    row = list(range(len(right) + 1))
    for position, one in enumerate(said, 1):
        above, row = row, [position]
        for column, other in enumerate(right, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (one != other)))
    return row[-1]
