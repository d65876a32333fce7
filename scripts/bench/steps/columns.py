"""Columns that are left out one by one: thresholds and parts that leave out as much as a choice of steps does."""

from __future__ import annotations

from lstmith.scripts.bench.steps.choices import RandomColumns, SmallChanges
from lstmith.scripts.bench.steps.runner import Choice, Recorded, StepRunner

#: What is run to count columns: sequences of a call, and steps of a sequence, at most.
SEQUENCES, STEPS = 64, 200
#: Halvings of a part.
HALVINGS = 6


def theta_for(runner: StepRunner, recorded: dict[str, list[Recorded]], words: float) -> int:
    """The smallest threshold that reads at most so many columns, as a part of what is read if nothing is left out."""
    least, most = 0, 1
    while counted(runner, recorded, SmallChanges(most)) > words and most < 1 << 15:
        least, most = most, most * 2
    while most - least > 1:
        middle = (least + most) // 2
        too_many = counted(runner, recorded, SmallChanges(middle)) > words
        least, most = (middle, most) if too_many else (least, middle)
    return most


def fraction_for(runner: StepRunner, recorded: dict[str, list[Recorded]], words: float) -> float:
    """The part of the columns that must be left out by lot to read so many."""
    least, most = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (least + most) / 2
        too_many = counted(runner, recorded, RandomColumns(middle, seed=0)) > words
        least, most = (middle, most) if too_many else (least, middle)
    return (least + most) / 2


def counted(runner: StepRunner, recorded: dict[str, list[Recorded]], choice: Choice) -> float:
    """Columns that a choice reads on a sample of a recorded run, over those that are read if nothing is left out."""
    chosen = everything = 0.0
    for network, calls in recorded.items():
        model = runner.engines[network].model
        for call, each in enumerate(calls):
            sample = each.part(SEQUENCES, STEPS)
            chosen += sample.replayed(model, choice, network, call).served
            everything += sample.served
    return chosen / everything
