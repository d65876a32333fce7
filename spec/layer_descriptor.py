"""The layer descriptor: what the engine's program memory holds for each layer, packed in 32-bit words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

WORD_BITS = 32
#: Width of the number of folds and of a lane's number.
FOLD_BITS = 12

#: Field widths in order; a field never crosses a word. Values are unsigned.
FIELDS: dict[str, int] = {
    # how the layer is issued
    "word": 2,  # width of a digit in its weight words: codes 0, 1, 2 for 4, 8, 16 bits
    "planes": 1,  # planes - 1
    "planes_next": 1,  # of the layer that its h feeds
    "mode": 2,  # Mode of the layer's own lists
    "last_layer": 1,
    "folds": FOLD_BITS,  # folds - 1
    "last_lanes": FOLD_BITS,  # lanes in use in the last fold, minus 1
    # first weight word of each plane
    "base_top": 24,
    "c_frac": 4,
    "h_shift": 4,
    "base_low": 24,
    "x_shift_next": 4,
    "x_exponent_next": 3,
    "x_unsigned_next": 1,  # the next layer's x grid has no negative values; looked at where layers may be dense
    "peep_shift": 5,
    "mode_next": 2,
    # columns of the input, and all of them
    "inputs": 16,
    # what its units compute
    "kind": 2,
    "squash": 2,
    "columns": 16,
    "unit_base": 16,
    "x_base": 16,  # unit base of the layer that feeds this one
    # thresholds of the own h list and of the next layer's x list, by plane
    "theta_h": 16,
    "low_theta_h": 16,
    "theta_x_next": 16,
    "low_theta_x_next": 16,
    "units": 16,  # active units - 1
    # cell-state monitor
    "monitor_low": 10,
    "low_leave": 11,  # the threshold while the low plane is deferred
    "warmup": 8,
    "rule": 2,
    "scope": 1,
    "monitor_theta": 2,
    # of the next layer's monitor, which decides on its x columns
    "rule_next": 2,
    "scope_next": 1,
    "warmup_next": 8,
    # of a program's last layer: what is made of its h, and what a threshold compares it with, modulo 2^16
    "verdict": 2,
    "threshold": 16,
    # a step of fewer units leaves the others as they are
    "skims": 1,
}
#: Fields that only engines with verdicts have.
VERDICT_FIELDS = ("verdict", "threshold")
#: Fields that only engines with several active counts have.
COUNT_FIELDS = ("skims",)


def layout() -> dict[str, tuple[int, int, int]]:
    """Position of each field: (word, first bit, width)."""
    positions, word, bit = {}, 0, 0
    for name, width in FIELDS.items():
        if bit + width > WORD_BITS:
            word, bit = word + 1, 0
        positions[name] = (word, bit, width)
        bit += width
    return positions


LAYOUT = layout()
DESCRIPTOR_WORDS = 1 + max(word for word, _, _ in LAYOUT.values())
#: Records start at multiples of this many words.
DESCRIPTOR_STRIDE = 16


def pack(values: Mapping[str, int]) -> list[int]:
    """A record as 32-bit words.

    Raises
    ------
    ValueError
        If a field is missing, unknown or too large.
    """
    if set(values) != set(FIELDS):
        raise ValueError(f"Record fields must be {sorted(FIELDS)}, not {sorted(values)}")
    words = [0] * DESCRIPTOR_WORDS
    for name, value in values.items():
        word, bit, width = LAYOUT[name]
        if not 0 <= value < 1 << width:
            raise ValueError(f"Record field {name} must fit {width} bits, not {value!r}")
        words[word] |= value << bit
    return words


def unpack(words: Sequence[int]) -> dict[str, int]:
    """The fields of a packed record; inverse of :func:`pack`."""
    return {name: words[word] >> bit & ((1 << width) - 1) for name, (word, bit, width) in LAYOUT.items()}
