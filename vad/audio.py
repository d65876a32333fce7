"""Recordings that users give, and the microphone."""

from __future__ import annotations

import importlib
import struct
import warnings
from collections.abc import Iterator
from math import gcd
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.io import wavfile
from scipy.signal import resample_poly

from lstmith.spec.errors import UserError

Samples = npt.NDArray[np.float32]

_FIX = "give a .wav file with PCM or float samples"


def read_wav(path: Path, rate: int) -> tuple[Samples, int]:
    """A recording as float32 [n] within [-1, 1] at ``rate``, and the rate it had; channels are averaged.

    Raises
    ------
    UserError
        If the file cannot be read, is damaged, or holds nothing.
    """
    try:
        with warnings.catch_warnings():
            # A chunk that is not sound is none of our business, a file that ends too early is.
            warnings.filterwarnings("ignore", message="Chunk", category=wavfile.WavFileWarning)
            warnings.filterwarnings("error", category=wavfile.WavFileWarning)
            found, samples = wavfile.read(path)
    except OSError as error:
        raise UserError(str(path), f"cannot be read ({error.strerror or error})", _FIX) from None
    except (ValueError, struct.error, EOFError, wavfile.WavFileWarning, ZeroDivisionError) as error:
        raise UserError(
            str(path), f"is no .wav file, or a damaged one ({' '.join(str(error).split())})", _FIX
        ) from None
    if samples.size == 0 or found < 1:
        raise UserError(str(path), "holds no sound", _FIX)
    real = _real(samples)
    mono = real if real.ndim == 1 else real.mean(axis=1)
    if not np.isfinite(mono).all():
        raise UserError(str(path), "holds samples that are not finite", _FIX)
    if found != rate:
        common = gcd(found, rate)
        mono = resample_poly(mono, rate // common, found // common)
    return np.clip(mono, -1.0, 1.0).astype(np.float32), found


def _real(samples: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Full scale to 1."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float64)
    real = samples.astype(np.float64)
    if samples.dtype == np.uint8:
        return (real - 128) / 128
    return real / float(np.iinfo(samples.dtype.name).max + 1)


def hops(samples: Samples, size: int) -> Iterator[Samples]:
    """A recording in pieces; the last one is filled with zeros."""
    for begin in range(0, len(samples), size):
        piece = samples[begin : begin + size]
        yield np.pad(piece, (0, size - len(piece)))


def microphone(rate: int, size: int, seconds: float) -> Iterator[Samples]:
    """What the microphone hears, in pieces.

    Raises
    ------
    UserError
        If the package sounddevice, or a microphone, is missing.
    """
    try:
        sounddevice = importlib.import_module("sounddevice")
    except (ImportError, OSError):
        raise UserError("option --microphone", "needs the package sounddevice", "run pip install sounddevice") from None
    try:
        with sounddevice.InputStream(samplerate=rate, channels=1, dtype="float32", blocksize=size) as stream:
            for _ in range(int(seconds * rate / size)):
                yield stream.read(size)[0][:, 0]
    except sounddevice.PortAudioError as error:
        raise UserError("option --microphone", f"cannot listen ({error})", "plug a microphone in") from None
