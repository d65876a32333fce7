"""What the cell-state monitor of the model and of the hardware agree on, but for the policy itself."""

from __future__ import annotations

#: Fraction bits of a ratio threshold.
RATIO_FRAC = 8
#: Low bits of the cell state that the monitor does not look at.
DROP = 3


def spare_bits(lanes: int) -> int:
    """Low bits of a sum that no decision depends on: as many as a full fold's sum has more than one unit."""
    return lanes.bit_length() - 1


#: Steps from the one that is judged to the one whose columns it decides on. A column of h is listed as it drains, when
#: the step before is complete: that is one step before the list is read, and the judged step one more.
LAG_H = 2
#: The first layer's input may be listed while the step before the last still drains.
LAG_INPUT = 3
