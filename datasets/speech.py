"""Speech recordings at 16 kHz: what the quantiser is calibrated on, and what it is judged on.

A call-centre session joins telephone prompts with pauses of 0.6 to 2.5 s; it exists clean and in three
levels of white noise, each with prompts of its own. No prompt has two roles, and the prompts of different
roles come from different applications (voice mail, queues, ...), so no sentence is shared either.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.datasets.places import data_directory
from lstmith.datasets.speech_files import SpeechFile, fetch

Samples = npt.NDArray[np.float32]

RATE = 16_000  #: samples per second of every recording
PHONE_RATE = 8_000  #: of the telephone prompts before they are resampled
PAUSE_SECONDS = (0.6, 2.5)
SESSIONS_DB = (None, 20, 10, 5)  #: signal-to-noise ratios; None is a clean line
LINE_NOISE = 1e-3  #: RMS of a clean line (-60 dBFS): digital silence would flatter every way of skipping work
DEMO_DB = 20
PASSES = 3  #: how often each prompt is trained on, in other noise and after another pause
TELEPHONE = "asterisk-core-sounds-en-wav"
SEED = 16_000


@dataclass(frozen=True)
class Recording:
    """A mono recording.

    Parameters
    ----------
    name : str
    samples : float32 [n]
        16 kHz, within [-1, 1].
    """

    name: str
    samples: Samples

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / RATE


def calibration_audio() -> list[Recording]:
    """Recordings to calibrate on, and for nothing else: four short sessions and one wide-band recording."""
    files = fetch("calibration")
    return [*_sessions("calibration", files), *_joined("calibration", files)]


def tune_audio() -> list[Recording]:
    """Recordings to choose settings on: four sessions; none used in calibration or to judge."""
    return _sessions("tune", fetch("tune"))


def heldout_audio() -> list[Recording]:
    """Recordings to judge on: four sessions, LibriVox sentences and card names; none used in calibration."""
    files = fetch("heldout")
    return [*_sessions("heldout", files), *_joined("heldout", files)]


def training_audio() -> list[Recording]:
    """Recordings to train on without labels: every prompt in as many noise levels as there are sessions of one pass."""
    files = fetch("training")
    return [each for turn in range(PASSES) for each in _sessions("training", files, turn)]


def demo_audio() -> Recording:
    """Half a minute with five sentences, to be looked at; used neither in calibration nor for figures."""
    return _session("demo-20dB", fetch("demo"), DEMO_DB, np.random.default_rng(SEED))


def _sessions(role: str, files: list[SpeechFile], turn: int = 0) -> list[Recording]:
    """One session per noise level; telephone prompts are dealt to them in random order, another each turn."""
    rng = np.random.default_rng([SEED, len(role), *([turn] if turn else [])])
    prompts = [entry for entry in files if entry.package == TELEPHONE]
    order = rng.permutation(len(prompts))
    sessions = []
    for index, snr_db in enumerate(SESSIONS_DB):
        dealt = [prompts[position] for position in order[index :: len(SESSIONS_DB)]]
        name = f"{role}-{'clean' if snr_db is None else f'{snr_db}dB'}"
        sessions.append(_session(name, dealt, snr_db, rng))
    return sessions


def _joined(role: str, files: list[SpeechFile]) -> list[Recording]:
    """The role's wide-band recordings: one per package folder, its files joined with pauses on a clean line."""
    folders: dict[str, list[SpeechFile]] = {}
    for entry in files:
        if entry.package != TELEPHONE:
            folders.setdefault(entry.path.parent.name, []).append(entry)
    rng = np.random.default_rng([SEED, len(role), RATE])
    return [_session(f"{role}-{folder}", entries, None, rng) for folder, entries in folders.items()]


def _session(name: str, files: list[SpeechFile], snr_db: int | None, rng: np.random.Generator) -> Recording:
    """Join files with pauses and add white noise at a ratio to the power of the speech alone."""
    pieces, power, spoken = [], 0.0, 0
    for entry in files:
        speech = read_speech(entry)
        power, spoken = power + float(np.sum(np.square(speech))), spoken + len(speech)
        pieces += [np.zeros(int(rng.uniform(*PAUSE_SECONDS) * RATE)), speech]
    pieces.append(np.zeros(int(PAUSE_SECONDS[1] * RATE)))
    clean = np.concatenate(pieces)
    noise_rms = LINE_NOISE if snr_db is None else np.sqrt(power / spoken) * 10 ** (-snr_db / 20)
    noisy = clean + noise_rms * rng.standard_normal(len(clean))
    # Scale instead of clipping: clipping would add distortion that the noise level does not name.
    return Recording(name, (noisy / max(1.0, float(np.abs(noisy).max()))).astype(np.float32))


def read_speech(entry: SpeechFile) -> npt.NDArray[np.float64]:
    """One file as float64 [n] at 16 kHz, within [-1, 1]; the table holds only 16-bit mono at 8 or 16 kHz."""
    # Of the extra 'demo'; the command that needs it says so when it runs, not when it is named.
    from scipy.signal import resample_poly

    with wave.open(str(entry.path)) as file:
        rate = file.getframerate()
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    speech = pcm / 32768.0
    return speech if rate == RATE else resample_poly(speech, RATE // PHONE_RATE, 1)


def main() -> None:
    """Fetch everything, so that later commands need no network."""
    recordings = [*calibration_audio(), *tune_audio(), *heldout_audio(), demo_audio(), *training_audio()]
    seconds = sum(recording.seconds for recording in recordings)
    print(f"{len(recordings)} recordings, {seconds:.0f} s of speech and pauses, in {data_directory()}")


if __name__ == "__main__":
    main()
