"""Engines with a name: what each is for, and what has been verified of it.

A preset is a complete :class:`EngineConfig`, sized as ``lstmith compile`` sizes an engine for a network of the shape
``serves``. The tests of each tier take their engines from here, and ``hw_tests/unit/test_presets.py`` holds the
claims of :class:`Preset` against what these tests run. No preset has run on a board yet.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields, replace

from lstmith.spec.config import EngineConfig
from lstmith.spec.errors import UserError


class Tier(enum.StrEnum):
    """How an engine was verified; every comparison with golden is exact, in all values and cycles.

    The simulated tiers and ``NETLIST`` run the preset at a small size (:meth:`Preset.small`), with all its options.
    """

    #: Random networks, policies, inputs and stalls on Icarus and Verilator.
    RANDOM = "random"
    #: The text that ``lstmith generate`` writes for a compiled network, with models of the vendor's cells.
    TEXT = "text"
    #: What yosys makes of the engine, simulated cell by cell.
    NETLIST = "netlist"
    #: A bitstream at full size that meets the clock of the preset's board, as `lstmith bench presets` recorded it.
    PLACED = "placed"
    #: A run on the board itself. No preset claims it.
    HARDWARE = "hardware"


#: Fields of a configuration that a network's size and weights decide; the others are a preset's options.
SIZES = ("lanes", "acc_width", "operand_width", "weight_depth", "units", "inputs", "layers")


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named engine.

    Parameters
    ----------
    name : str
    purpose : str
        What it is for, and with what.
    engine : EngineConfig
    board : str or None
        The board it is sized for; None for an engine in a user's own top level.
    serves : (int, int)
        Units and inputs of the layer it is sized for.
    tiers : frozenset of Tier
        How it was verified.
    """

    name: str
    purpose: str
    engine: EngineConfig
    board: str | None
    serves: tuple[int, int]
    tiers: frozenset[Tier]

    @property
    def options(self) -> dict[str, object]:
        """Fields of the engine that no size decides: what a small engine has in common with it."""
        return {
            field.name: getattr(self.engine, field.name) for field in fields(EngineConfig) if field.name not in SIZES
        }

    def small(self, *, lanes: int = 2, units: int = 5, inputs: int = 4) -> EngineConfig:
        """The same engine with at most so many lanes, and memories for a network that simulates in seconds.

        Parameters
        ----------
        lanes, units, inputs : int

        Returns
        -------
        EngineConfig
            iCE40 keeps its lanes and the depth of its weights, which decide how they lie in the device's four SPRAMs.
        """
        engine = self.engine
        if engine.family == "ice40":
            return replace(engine, units=units, inputs=inputs)
        return replace(engine, lanes=min(engine.lanes, lanes), weight_depth=1024, units=units, inputs=inputs)


_SIMULATED = frozenset({Tier.RANDOM, Tier.TEXT})
#: What `lstmith compile` makes for Silero VAD on a large ECP5 when nothing is left out, and three more active counts.
_ADAPTIVE = EngineConfig(
    lanes=64,
    precisions=(4, 8),
    family="ecp5",
    operand_width=11,
    weight_depth=1024,
    planes=2,
    monitor=True,
    skip=True,
    active_counts=4,
)
#: The same for 16-bit weights with peepholes, which need wider sums and operands.
_WIDE = replace(_ADAPTIVE, precisions=(4, 8, 16), peepholes=True, acc_width=40, operand_width=17)

PRESETS = (
    Preset(
        name="tiny",
        purpose="the smallest engine: one lane of 8-bit weights, every step dense",
        engine=EngineConfig(
            lanes=1,
            precisions=(8,),
            family="ecp5",
            rows_per_cycle=1,
            weight_depth=1024,
            units=20,
            inputs=1,
            delta=False,
        ),
        board="ulx3s-25f",
        serves=(20, 1),
        tiers=_SIMULATED | {Tier.NETLIST, Tier.PLACED},
    ),
    Preset(
        name="ice40",
        purpose="Silero VAD on an iCE40 UP5K: weights in SPRAM, delta lists",
        engine=EngineConfig(
            lanes=4,
            precisions=(8,),
            family="ice40",
            acc_width=22,
            operand_width=9,
            c_width=16,
            requant_width=16,
            rows_per_cycle=1,
            weight_depth=16384,
        ),
        board="icebreaker",
        serves=(128, 128),
        tiers=_SIMULATED | {Tier.NETLIST, Tier.PLACED},
    ),
    Preset(
        name="gowin",
        purpose="small networks on a GW1NR-9: 4-bit and 8-bit weights, delta lists",
        engine=EngineConfig(
            lanes=2,
            precisions=(4, 8),
            family="gowin",
            acc_width=22,
            operand_width=9,
            rows_per_cycle=1,
            weight_depth=2048,
            units=32,
            inputs=8,
        ),
        board="tang-nano-9k",
        serves=(32, 8),
        tiers=_SIMULATED | {Tier.NETLIST, Tier.PLACED},
    ),
    Preset(
        name="adaptive",
        purpose="Silero VAD at full speed: two digit planes with references of their own, monitor, skip rules",
        engine=_ADAPTIVE,
        board="ulx3s-85f",
        serves=(128, 128),
        tiers=_SIMULATED | {Tier.NETLIST, Tier.PLACED},
    ),
    Preset(
        name="digit",
        purpose="boards with few DSP blocks: lanes of lookup tables, otherwise as adaptive",
        engine=replace(_ADAPTIVE, lanes=8, mac="digit", weight_depth=2048, units=64, inputs=32, active_counts=1),
        board="colorlight-5a75b",
        serves=(64, 32),
        tiers=_SIMULATED | {Tier.NETLIST, Tier.PLACED},
    ),
    Preset(
        name="wide",
        purpose="networks that 8 bits would change: 16-bit weights, peepholes, adaptive",
        engine=replace(_WIDE, lanes=8, units=32, inputs=16, active_counts=1),
        board="ulx3s-45f",
        serves=(32, 16),
        tiers=_SIMULATED | {Tier.PLACED},
    ),
    Preset(
        name="pair",
        purpose="your own top level: two sequences in turn, so that neither waits for its own h",
        engine=replace(
            _ADAPTIVE,
            lanes=8,
            monitor=False,
            skip=False,
            active_counts=1,
            weight_depth=1536,
            units=64,
            inputs=32,
            sequences=2,
        ),
        board=None,
        serves=(64, 32),
        tiers=_SIMULATED,
    ),
    Preset(
        name="generic",
        purpose="any other FPGA, and simulation: every option, no vendor cells",
        engine=replace(_WIDE, lanes=16, family="generic", weight_depth=8192),
        board=None,
        serves=(128, 128),
        tiers=_SIMULATED,
    ),
)


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises
    ------
    UserError
        If there is none; the message lists the names.
    """
    for found in PRESETS:
        if found.name == name:
            return found
    raise UserError("preset", f"{name!r} is unknown", f"use one of {', '.join(each.name for each in PRESETS)}")
