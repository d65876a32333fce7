"""What is fixed when an engine is generated: sizes, widths, memory depths and pipeline latencies."""

from __future__ import annotations

import json
import operator
from dataclasses import asdict, dataclass, fields
from typing import get_type_hints

from lstmith.spec.codes import Kind

PRECISIONS = (4, 8, 16)

#: Left shift before the variable right shift of the requantiser; row scales up to 2^9 are reachable.
REQUANT_PRESHIFT = 8
#: Bits of the mantissa of a row scale; it lies in [2^14, 2^15) unless the row is all zero.
MANTISSA_BITS = 15
#: Width of the variable shift of the requantiser.
SHIFT_BITS = 6
#: Width of a row's bias, Q6.13 with the rounding constant folded in.
BIAS_BITS = 20
#: Width and fraction bits of an activation's argument z, Q5.12: sigma(8) would still leak a cell that
#: its network means to keep.
Z_BITS = 17
Z_FRAC = 12
#: Fraction bits of h, of gate outputs and of tanh(c).
H_FRAC = 15
#: Width of a peephole weight.
PEEP_BITS = 16
#: Width of a weight word, which holds four, two or one weights of a column.
WEIGHT_WORD_BITS = 16
#: Most active counts.
ACTIVE_COUNTS = 8
#: Most programs.
PROGRAMS = 8
#: Most symbols: they are elements of the x stream, int16.
SYMBOLS = 1 << 15
#: Largest operand of a 4-bit weight: two such weights share a multiplier.
PACKED_OPERAND = 1023
#: Signed width of the difference of two 8-bit values, the largest operand where both 8-bit rows share a multiplier.
DUAL_OPERAND_BITS = 9

#: Most lanes beside which the smallest ECP5 has multipliers and block memories to spare.
FEW_LANES = 4
#: Most lanes of iCE40, of one multiplier each, that leave two of eight to the activations.
SPARING_LANES = 2

#: Families with vendor cells of their own, and the one without. A board tells its own by its place here.
FAMILIES = ("generic", "ecp5", "ice40", "gowin")
#: Most lanes, inputs or units, layers and weight words per lane that any engine may have.
MOST = {"lanes": 4096, "inputs": 1 << 16, "units": 1 << 16, "layers": 256, "weight_depth": 1 << 24}


def bits_for(count: int) -> int:
    """Width of an index that counts from 0 to ``count - 1``; at least 1."""
    return max(1, (count - 1).bit_length())


def index_bits(count: int) -> int:
    """As :func:`bits_for`, but 0 where there is one only."""
    return bits_for(count) if count > 1 else 0


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """Parameters of one generated engine.

    Parameters
    ----------
    lanes : int
        Lanes of the systolic chain, L; lane l computes unit ``fold * L + l``.
    precisions : tuple of int
        Weight widths the lanes support, a subset of 4, 8 and 16.
    mac : str
        MAC kind, ``dsp`` or ``digit``.
    family : str
        ``generic``, ``ecp5``, ``ice40`` or ``gowin``: which vendor cells leaves may instantiate.
    peepholes : bool
        Whether the cell unit has peephole multipliers.
    acc_width : int
        Width n of a row sum; sums are modulo 2^n.
    operand_width : int
        Signed width of a column's operand, 9 to 18.
    c_width : int
        Width of the cell state, 12 to 24.
    requant_width : int
        Signed width of the requantiser's multiplier operand, 16 or 18.
    rows_per_cycle : int
        Rows the cell unit takes per cycle, 1, 2 or 4 (a unit every 4, 2 or 1 cycles); 4 with one layer only.
    weight_depth : int
        16-bit weight words per lane.
    units : int
        Units of all layers together that the state memories hold, and the row memories for each program.
    inputs : int
        Most elements of a step: the largest input width of a first layer whose x are values; 1 if none are.
    layers : int
        Largest number of stacked layers.
    planes : int
        Digit planes of a weight that keep references of their own: 1 or 2. With 2 an 8-bit weight is two 4-bit digits,
        a 16-bit one two of 8 bits, and every step has both lists, so that it may take the shorter.
    monitor : bool
        Whether the cell state chooses precisions.
    skip : bool
        Whether steps can be skipped by the input's change or by the predictor; marked ones always can.
    active_counts : int
        Active counts, 1 to 8.
    sequences : int
        Sequences that may be in flight at once, 1 or 2: while one drains the other one's lists are complete.
    delta : bool
        Whether values are compared with references and sums kept; without, every step is dense.
    kinds : tuple of int
        Kinds of layers that it runs (:class:`.codes.Kind`), ascending; all but the LSTM take a ``c_width`` of 17 or
        more, since the argument of their squash comes as a cell state does.
    programs : int
        Chains of layers that lie side by side in the memories, 1 to 8; the x stream names one where a sequence starts.
    symbols : int
        Most symbols that an x may name, where a program's steps are one symbol each; 0: x are values in all programs.
    verdicts : bool
        Whether it can tell which of the last layer's h is the largest, or which are above a threshold.
    fixed : bool
        Whether what a bus would write are constants of the engine, which has none: one network, one policy.
    """

    lanes: int
    precisions: tuple[int, ...]
    mac: str = "dsp"
    family: str = "generic"
    peepholes: bool = False
    acc_width: int = 24
    operand_width: int = 13
    c_width: int = 18
    requant_width: int = 18
    rows_per_cycle: int = 2
    weight_depth: int = 1024
    units: int = 128
    inputs: int = 128
    layers: int = 1
    planes: int = 1
    monitor: bool = False
    skip: bool = False
    active_counts: int = 1
    sequences: int = 1
    delta: bool = True
    kinds: tuple[int, ...] = (Kind.LSTM,)
    programs: int = 1
    symbols: int = 0
    verdicts: bool = False
    fixed: bool = False

    def __post_init__(self) -> None:
        for name, most in MOST.items():
            if not 1 <= operator.index(getattr(self, name)) <= most:
                raise ValueError(f"Engine {name} must be an integer in 1..{most}, not {getattr(self, name)!r}")
        if not self.precisions or any(p not in PRECISIONS for p in self.precisions):
            raise ValueError(f"Engine precisions must be chosen from 4, 8 and 16, not {self.precisions!r}")
        if tuple(sorted(set(self.precisions))) != self.precisions:
            raise ValueError(f"Engine precisions must be ascending without repeats, not {self.precisions!r}")
        ranges = {
            "acc_width": (16, 48),
            "operand_width": (9, 18),
            "c_width": (12, 24),
            "planes": (1, 2),
            "active_counts": (1, ACTIVE_COUNTS),
            "sequences": (1, 2),
            "programs": (1, PROGRAMS),
            "symbols": (0, SYMBOLS),
        }
        for name, (low, high) in ranges.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"Engine {name} must be between {low} and {high}, not {getattr(self, name)!r}")
        if self.rows_per_cycle not in (1, 2, 4):
            raise ValueError(f"Engine rows_per_cycle must be 1, 2 or 4, not {self.rows_per_cycle!r}")
        if self.rows_per_cycle == 4 and self.layers > 1:
            # Every h of a stack is listed twice, one list per cycle.
            raise ValueError(f"Engine layers must be 1 with 4 rows per cycle, not {self.layers!r}")
        if not self.kinds or tuple(sorted(set(self.kinds))) != self.kinds or not set(self.kinds) <= set(Kind):
            raise ValueError(f"Engine kinds must be chosen from 0 to 3, ascending without repeats, not {self.kinds!r}")
        if self.mixed and self.c_width < Z_BITS:
            raise ValueError(
                f"Engine c_width must be {Z_BITS} or more with other kinds than LSTM, not {self.c_width!r}"
            )
        if self.requant_width not in (16, 18):
            raise ValueError(f"Engine requant_width must be 16 or 18, not {self.requant_width!r}")
        if self.monitor and self.planes == 1:
            raise ValueError("Engine monitor needs two planes: it decides whether the low one is served")
        if self.sequences > 1 and (self.monitor or self.skip or self.active_counts > 1):
            raise ValueError("Engine sequences must be 1 with a monitor, skip rules or several active counts")
        for name in ("monitor", "skip", "active_counts", "sequences"):
            if self.programs > 1 and getattr(self, name) > 1 - (name in ("monitor", "skip")):
                raise ValueError(f"Engine programs must be 1 with {name} of {getattr(self, name)}, not {self.programs}")
        if self.verdicts and self.active_counts > 1:
            raise ValueError(f"Engine active_counts must be 1 with verdicts, not {self.active_counts}")
        for name in ("planes", "monitor", "skip", "active_counts", "programs"):
            if self.fixed and getattr(self, name) > 1 - (name in ("monitor", "skip")):
                raise ValueError(f"Engine fixed needs {name} left out: only one policy of one network runs")
        for name, asked in (("planes", self.planes > 1), ("skip", self.skip)):
            if asked and not self.delta:
                raise ValueError(f"Engine {name} needs delta: without references nothing tells what changed")
        if self.family not in FAMILIES:
            raise ValueError(f"Engine family must be one of {', '.join(FAMILIES)}, not {self.family!r}")
        if self.mac not in ("dsp", "digit"):
            raise ValueError(f"Engine mac must be 'dsp' or 'digit', not {self.mac!r}")

    @property
    def mixed(self) -> bool:
        """Whether it runs layers other than LSTMs."""
        return self.kinds != (Kind.LSTM,)

    @property
    def single_rows(self) -> bool:
        """Whether it runs layers with a single row per unit."""
        return any(Kind(kind).rows == 1 for kind in self.kinds)

    @property
    def unit_cycles(self) -> int:
        """Cycles between two units that leave the array, K."""
        return 4 // self.rows_per_cycle

    @property
    def pipelined(self) -> bool:
        """Whether parts have the registers that only a fast clock needs; a one-way cell unit is for small devices."""
        return self.rows_per_cycle > 1

    @property
    def skips_unmarked(self) -> bool:
        """Whether steps are skipped that were not marked: by a rule, or since there is no program that they name."""
        return self.skip or self.programs > 1

    @property
    def few_lanes(self) -> bool:
        """Whether multipliers and block memories are to spare beside the lanes, and take the place of logic."""
        return self.family == "ecp5" and self.mac == "dsp" and self.lanes <= FEW_LANES

    @property
    def fetches_first(self) -> bool:
        """Whether a sequence's first step may wait for layer descriptors."""
        return self.active_counts > 1 or self.programs > 1

    @property
    def spare_multipliers(self) -> bool:
        """Whether the lanes leave multipliers to the activations, in the place of adders."""
        plain = not (self.peepholes or self.skip or self.monitor) and self.rows_per_cycle == 1
        return self.few_lanes or (self.dual_rows and self.lanes <= SPARING_LANES and plain)

    @property
    def drain_rows(self) -> int:
        """Row sums that leave a lane together."""
        return max(2, self.rows_per_cycle)

    @property
    def slot_lanes(self) -> int:
        """Lanes that a slot reaches in the same cycle: with several the last of them drains sooner."""
        return 4 if self.rows_per_cycle == 4 else 1

    @property
    def word_bits(self) -> tuple[int, ...]:
        """Widths of the weights, or of their digits, that a weight word may hold, ascending."""
        return tuple(sorted({self.plane_bits(precision) for precision in self.precisions}))

    def plane_bits(self, precision: int) -> int:
        """Width of one digit of a weight of ``precision`` bits."""
        return precision if self.planes == 1 or precision == 4 else precision // 2

    @property
    def dual_rows(self) -> bool:
        """Whether one multiplier takes both 8-bit rows of a word: on iCE40, where operands are narrow."""
        narrow = self.word_bits == (8,) == self.precisions and self.operand_width <= DUAL_OPERAND_BITS
        return self.family == "ice40" and self.mac == "dsp" and narrow and not self.pipelined

    @property
    def x_columns(self) -> int:
        """Columns that the first layer's x may have: elements of a step, or symbols."""
        return max(self.inputs, self.symbols)

    @property
    def x_entries(self) -> int:
        """Most entries of a step's list of x: where symbols change, one leaves and one comes."""
        return max(self.inputs, 2 if self.symbols else 1)

    @property
    def requant_shift(self) -> int:
        """Right shift after the mantissa product, s."""
        return self.requant_width - 3

    @property
    def unit_bits(self) -> int:
        """Width of a unit's index in the state memories."""
        return bits_for(self.units)

    @property
    def sequence_bits(self) -> int:
        """Width of a sequence's index; 0 with one sequence."""
        return self.sequences - 1

    @property
    def state_bits(self) -> int:
        """Width of a place in the state memories: a unit, and above it its sequence."""
        return self.unit_bits + self.sequence_bits

    @property
    def contexts(self) -> int:
        """Layers' states: layer c // sequences of sequence c % sequences."""
        return self.layers * self.sequences

    @property
    def layer_bits(self) -> int:
        """Width of a layer's index in the program; 0 with one layer."""
        return index_bits(self.layers)

    @property
    def active_bits(self) -> int:
        """Width of an active count's index in the program; 0 with one count."""
        return index_bits(self.active_counts)

    @property
    def program_bits(self) -> int:
        """Width of a program's number; 0 with one program."""
        return index_bits(self.programs)

    @property
    def descriptors(self) -> int:
        """Layer records of the program memory, one per program, layer and active count."""
        return self.layers * self.active_counts * self.programs

    @property
    def renews(self) -> bool:
        """Whether layer descriptors are fetched anew where a sequence starts."""
        return self.active_counts > 1 or self.programs > 1

    @property
    def address_bits(self) -> int:
        """Width of a weight address."""
        return bits_for(self.weight_depth)

    @property
    def out_depth(self) -> int:
        """Depth of the output queue: a fold drains while the one before still leaves."""
        return 1 << (2 * self.lanes + 32 - 1).bit_length()

    def folds(self, units: int) -> int:
        """Passes over the list that a layer of ``units`` units needs."""
        return -(-units // self.lanes)

    def to_json(self) -> str:
        """Stable JSON text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> EngineConfig:
        """Inverse of :meth:`to_json`.

        Raises
        ------
        TypeError
            If a parameter is missing, unknown or of another type: a default in its place would be another engine.
        ValueError
            If the text is no JSON or a parameter is out of range.
        """
        values = json.loads(text)
        if not isinstance(values, dict):
            raise TypeError(f"Engine parameters must be an object, not {values!r}")
        known = {field.name: get_type_hints(cls)[field.name] for field in fields(cls)}
        if unknown := values.keys() - known:
            raise TypeError(f"Unknown engine parameters: {', '.join(sorted(unknown))}")
        if missing := known.keys() - values:
            raise TypeError(f"Missing engine parameters: {', '.join(sorted(missing))}")
        for name, kind in known.items():
            value = values[name]
            if kind in (int, bool, str):
                right = type(value) is kind
            else:
                right = type(value) is list and all(type(entry) is int for entry in value)
            if not right:
                wanted = {int: "an integer", bool: "true or false", str: "a string"}.get(kind, "a list of integers")
                raise TypeError(f"Engine {name} must be {wanted}, not {value!r}")
        return cls(**{**values, **{name: tuple(values[name]) for name in ("precisions", "kinds")}})
