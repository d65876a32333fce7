"""What the cell-state monitor of the model and of the hardware agree on, but for the policy itself."""

from __future__ import annotations

#: Fraction bits of a ratio threshold.
RATIO_FRAC = 8
#: Low bits of the cell state that the monitor does not look at.
DROP = 3


def spare_bits(lanes: int) -> int:
    """Low bits of a sum that no decision depends on: as many as a full fold's sum has more than one unit."""
    return lanes.bit_length() - 1


def lag(layers: int) -> int:
    """Steps from the one that is judged to the one that uses the decision.

    When a pass begins, at most one pass is still draining: in a stack another layer's, so the previous step
    is complete; with one layer it may be the previous step itself, so the one before it decides.
    """
    return 1 if layers > 1 else 2
