"""What `lstmith vad` shows while it listens."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.table import Table

from lstmith.vad.silero import STEP_SECONDS, THRESHOLD

#: Frames that the view looks back.
HISTORY = 80
_BARS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Moment:
    """One frame.

    Attributes
    ----------
    samples : float32 [512]
    probability : float
        Of speech.
    counts : dict of str to int
        Weight words by their bits, and skipped steps; empty if the engine does not tell.
    """

    samples: npt.NDArray[np.float32]
    probability: float
    counts: dict[str, int]


class View:
    """The last frames as a table for `rich.live`."""

    def __init__(self, title: str):
        self._title = title
        self._moments: deque[Moment] = deque(maxlen=HISTORY)
        self._frames = self._skipped = 0

    def add(self, moment: Moment) -> Table:
        """Another frame; returns what is to be seen."""
        self._moments.append(moment)
        self._frames += 1
        self._skipped += moment.counts.get("skipped", 0)
        table = Table(title=f"{self._title}, {self._frames * STEP_SECONDS:.1f} s", title_justify="left", box=None)
        table.add_column()
        table.add_column(no_wrap=True)
        table.add_column(justify="right")
        speech = moment.probability > THRESHOLD
        peaks = [float(np.abs(each.samples).max()) ** 0.5 for each in self._moments]
        table.add_row("sound", bars(peaks, 1.0), "")
        chances = bars([each.probability for each in self._moments], 1.0)
        table.add_row("p(speech)", f"[{'green' if speech else 'dim'}]{chances}[/]", f"{moment.probability:.2f}")
        for bits in (4, 8, 16):
            words = [each.counts.get(f"words_{bits}", 0) for each in self._moments]
            if any(words):
                table.add_row(f"{bits}-bit words", bars(words, max(words)), str(words[-1]))
        if moment.counts:
            table.add_row("skipped", "", f"{self._skipped} of {self._frames}")
        return table


def bars(values: list[float] | list[int], top: float) -> str:
    """A row of block characters."""
    scale = (len(_BARS) - 1) / top if top else 0.0
    return "".join(_BARS[min(len(_BARS) - 1, round(value * scale))] for value in values)
