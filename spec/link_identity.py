"""The 64 bytes of HELLO's answer: which build this is, and which engine it holds."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from lstmith.spec.codes import Kind, Precision
from lstmith.spec.config import FAMILIES, PRECISIONS, EngineConfig
from lstmith.spec.link_map import LINK_VERSION

IDENTITY_BYTES = 64
MAGIC = 0x4C53544D
#: magic, version, window, ring size as a power of two, features, clock in Hz, baud, commit, board, design format.
IDENTITY_FORMAT = "<IBBBBII8s16sB"
#: lanes, weight_depth, units, inputs, layers, masks, precisions, acc, operand, c and requant width, flags,
#: kinds of layers, a bit each, but that of the LSTM is set where there is none, with verdicts above, and symbols.
CONFIG_FORMAT = "<HIHHBBBBBBBBBH"
#: Flags of the configuration by bit; the family's place in ``FAMILIES`` lies above them.
_FLAGS = ("peepholes", "monitor", "skip")
_TWO_PLANES, _TWO_WAYS, _DIGIT, _FAMILY_SHIFT = 1 << 3, 1 << 4, 1 << 5, 6
#: Above the active counts: programs, minus 1.
_PROGRAMS_SHIFT = 4
#: Beside the precisions, where engines from before it was optional have 0.
_FIXED, _FOUR_WAYS, _NO_DELTA = 1 << 5, 1 << 6, 1 << 7
#: Above the kinds.
_VERDICTS = 1 << 7


#: A ring's places fit 16 bits, with one bit that tells a full ring from an empty one.
MOST_RING_BITS = 15


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a device says of itself.

    Parameters
    ----------
    window : int
        Frames that may be sent before an answer has come.
    ring_words : int
        16-bit words of the result ring, a power of two up to 2^15.
    features : int
        :class:`~lstmith.spec.link_map.Feature`.
    clock_hz, baud : int
    commit : bytes
        First 8 bytes of the source's commit, zero if unknown.
    board : str
        Name, up to 16 ASCII characters.
    design_format : int
        Version of the design's files.
    config : EngineConfig
    version : int
        Of the link; where it differs from ``LINK_VERSION`` only ``version`` means anything.
    """

    window: int
    ring_words: int
    features: int
    clock_hz: int
    baud: int
    commit: bytes
    board: str
    design_format: int
    config: EngineConfig
    version: int = LINK_VERSION

    def pack(self) -> bytes:
        """The ``IDENTITY_BYTES`` bytes."""
        if not 0 < self.ring_words <= 1 << MOST_RING_BITS or self.ring_words & (self.ring_words - 1):
            raise ValueError(f"Ring must have a power of two of words up to 32768, not {self.ring_words!r}")
        board = self.board.encode("ascii")
        if len(board) > 16 or len(self.commit) != 8:
            raise ValueError(f"Board must have up to 16 characters, not {self.board!r}, and commit 8 bytes")
        head = struct.pack(
            IDENTITY_FORMAT,
            MAGIC,
            self.version,
            self.window,
            self.ring_words.bit_length() - 1,
            self.features,
            self.clock_hz,
            self.baud,
            self.commit,
            board,
            self.design_format,
        )
        return (head + pack_config(self.config)).ljust(IDENTITY_BYTES, b"\0")

    @classmethod
    def unpack(cls, data: bytes) -> Identity:
        """What :meth:`pack` packed.

        Raises
        ------
        ValueError
            If it is no identity, or none of this version.
        """
        size = struct.calcsize(IDENTITY_FORMAT)
        if len(data) != IDENTITY_BYTES:
            raise ValueError(f"Identity must have {IDENTITY_BYTES} bytes, not {len(data)}")
        magic, version, window, ring, features, clock, baud, commit, board, form = struct.unpack(
            IDENTITY_FORMAT, data[:size]
        )
        if magic != MAGIC:
            raise ValueError(f"Identity must begin with {MAGIC:#x}, not {magic:#x}")
        if version != LINK_VERSION:
            raise ValueError(f"Link version must be {LINK_VERSION}, not {version}")
        if not window or not 1 <= ring <= MOST_RING_BITS:
            raise ValueError(
                f"Window must be 1 or more and ring 2^1 to 2^{MOST_RING_BITS} words, not {window}, 2^{ring}"
            )
        return cls(
            window=window,
            ring_words=1 << ring,
            features=features,
            clock_hz=clock,
            baud=baud,
            commit=commit,
            board=board.rstrip(b"\0").decode("ascii", "replace"),
            design_format=form,
            config=unpack_config(data[size : size + struct.calcsize(CONFIG_FORMAT)]),
            version=version,
        )


def pack_config(config: EngineConfig) -> bytes:
    """An engine's configuration as the bytes of ``CONFIG_FORMAT``; their CRC-32 is its digest."""
    flags = sum(getattr(config, name) << bit for bit, name in enumerate(_FLAGS))
    flags |= _TWO_PLANES * (config.planes == 2)
    flags |= _TWO_WAYS * (config.rows_per_cycle == 2) | _DIGIT * (config.mac == "digit")
    return struct.pack(
        CONFIG_FORMAT,
        config.lanes,
        config.weight_depth,
        config.units,
        config.inputs,
        config.layers,
        config.active_counts | (config.programs - 1) << _PROGRAMS_SHIFT,
        sum(1 << Precision.of(bits) for bits in config.precisions)
        | _FIXED * config.fixed
        | _FOUR_WAYS * (config.rows_per_cycle == 4)
        | _NO_DELTA * (not config.delta),
        config.acc_width,
        config.operand_width,
        config.c_width,
        config.requant_width,
        flags | FAMILIES.index(config.family) << _FAMILY_SHIFT,
        sum(1 << kind for kind in config.kinds) ^ 1 << Kind.LSTM | _VERDICTS * config.verdicts,
        config.symbols,
    )


def unpack_config(data: bytes) -> EngineConfig:
    """What :func:`pack_config` packed.

    Raises
    ------
    ValueError
        If no engine has such a configuration.
    """
    sizes, widths = struct.unpack(CONFIG_FORMAT, data)[:7], struct.unpack(CONFIG_FORMAT, data)[7:]
    lanes, depth, units, inputs, layers, active_counts, precisions = sizes
    acc, operand, c, requant, flags, kinds, symbols = widths
    named: dict[str, Any] = {name: bool(flags >> bit & 1) for bit, name in enumerate(_FLAGS)}
    try:
        return EngineConfig(
            lanes=lanes,
            weight_depth=depth,
            units=units,
            inputs=inputs,
            layers=layers,
            active_counts=active_counts & ((1 << _PROGRAMS_SHIFT) - 1),
            programs=1 + (active_counts >> _PROGRAMS_SHIFT),
            precisions=tuple(bits for index, bits in enumerate(PRECISIONS) if precisions >> index & 1),
            acc_width=acc,
            operand_width=operand,
            c_width=c,
            requant_width=requant,
            planes=2 if flags & _TWO_PLANES else 1,
            rows_per_cycle=4 if precisions & _FOUR_WAYS else 2 if flags & _TWO_WAYS else 1,
            delta=not precisions & _NO_DELTA,
            fixed=bool(precisions & _FIXED),
            mac="digit" if flags & _DIGIT else "dsp",
            family=FAMILIES[flags >> _FAMILY_SHIFT],
            symbols=symbols,
            verdicts=bool(kinds & _VERDICTS),
            kinds=tuple(kind for kind in Kind if (kinds ^ 1 << Kind.LSTM) >> kind & 1),
            **named,
        )
    except TypeError as error:
        raise ValueError(str(error)) from None
