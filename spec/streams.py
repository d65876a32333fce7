"""TUSER of the AXI4-Streams of x and h; ``lstmith generate --bus axi`` describes them in CORE.json."""

from __future__ import annotations

from lstmith.spec.register_map import Field

#: Beside an element of x; all but the mark belong to a step's first element.
X_USER: tuple[Field, ...] = (
    Field("restart", 0, 1, "no new sequence: the states were loaded, so compute the sums anew"),
    Field("mark", 1, 1, "the step is skipped, and this is its only element"),
    Field("keep", 2, 1, "no new sequence, although TLAST came before: go on with its states and sums"),
    Field("sequence", 3, 1, "which of two sequences"),
    Field("mask", 4, 3, "index of the active count"),
)
#: Beside a result.
H_USER: tuple[Field, ...] = (
    Field("last", 0, 1, "last unit of its layer in this step"),
    Field("skipped", 1, 1, "the step was skipped: this is its only result, and TDATA means nothing"),
    Field("sequence", 2, 1, "which of two sequences"),
    Field("layer", 8, 8, "layer it belongs to"),
)
X_USER_BITS = 8
H_USER_BITS = 16
