"""The layer record: what the engine's program memory holds for each layer, packed in 32-bit words."""

from __future__ import annotations

from collections.abc import Mapping

WORD_BITS = 32

#: Field widths in order; a field never crosses a word. Values are unsigned.
FIELDS: dict[str, int] = {
    # word 0: how the layer is issued
    "precision": 2,  # 0, 1, 2: weights of 4, 8, 16 bits
    "mode": 2,  # Mode of the layer's own lists
    "last_layer": 1,
    "folds": 12,  # folds - 1
    "last_lanes": 12,  # lanes in use in the last fold, minus 1
    # word 1
    "weight_base": 24,
    "c_frac": 4,
    "h_shift": 4,
    # word 2: weight words of all input columns; those of the recurrent columns follow
    "h_offset": 24,
    "x_shift_next": 4,
    "x_exponent_next": 3,
    # word 3: weight words of one fold
    "fold_stride": 24,
    "peep_shift": 5,
    "mode_next": 2,
    # word 4
    "unit_base": 16,
    "x_base": 16,  # unit base of the layer that feeds this one
    # word 5: thresholds of the own h list and of the next layer's x list
    "theta_h": 16,
    "theta_x_next": 16,
}


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
RECORD_WORDS = 1 + max(word for word, _, _ in LAYOUT.values())
#: Records start at multiples of this many words.
RECORD_STRIDE = 8


def pack(values: Mapping[str, int]) -> list[int]:
    """A record as 32-bit words.

    Raises
    ------
    ValueError
        If a field is missing, unknown or too large.
    """
    if set(values) != set(FIELDS):
        raise ValueError(f"Record fields must be {sorted(FIELDS)}, not {sorted(values)}")
    words = [0] * RECORD_WORDS
    for name, value in values.items():
        word, bit, width = LAYOUT[name]
        if not 0 <= value < 1 << width:
            raise ValueError(f"Record field {name} must fit {width} bits, not {value!r}")
        words[word] |= value << bit
    return words
