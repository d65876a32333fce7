"""An estimate of energy per step, for comparing policies: counted operations times published constants."""

from __future__ import annotations

from dataclasses import dataclass

from lstmith.host.activity import Activity
from lstmith.spec.activation_table import SEGMENT_BITS, SLOPE_BITS
from lstmith.spec.config import BIAS_BITS, H_FRAC, MANTISSA_BITS, SHIFT_BITS, Z_BITS, EngineConfig
from lstmith.spec.errors import UserError

#: A multiplier's energy grows with the product of its operands' widths: the published 8 and 32 bit ones differ
#: by 15.5, their widths' products by 16. Likewise an adder's with its width.
MULTIPLY_8, ADD_32 = 0.2, 0.1


@dataclass(frozen=True)
class Constants:
    """Energies in pJ.

    Parameters
    ----------
    source : str
    memory_bit : float
        Reading one bit of weights.
    multiply_bit : float
        Multiplying, per bit of one operand and bit of the other.
    add_bit : float
        Adding, per bit of the sum.
    control_cycle : float
        Fetching a list entry and counting, per cycle.
    small_bit : float
        Reading or writing one bit of row parameters, tables and states, which are on the chip anyway.
    """

    source: str
    memory_bit: float
    multiply_bit: float
    add_bit: float
    control_cycle: float
    small_bit: float


_HOROWITZ = "Horowitz, Computing's energy problem, ISSCC 2014, 45 nm, 0.9 V"
_SRAM_BIT = 10 / 64
#: A control cycle reads 32 bits from a small memory and adds once.
_CONTROL = 32 * _SRAM_BIT + ADD_32

#: Sets of constants by name.
CONSTANTS = {
    "sram-45nm": Constants(
        f"{_HOROWITZ}; weights in SRAM of 8 KB, 10 pJ for 64 bit",
        _SRAM_BIT,
        MULTIPLY_8 / 64,
        ADD_32 / 32,
        _CONTROL,
        _SRAM_BIT,
    ),
    "dram-45nm": Constants(
        f"{_HOROWITZ}; weights in DRAM, 1300 pJ for 64 bit",
        1300 / 64,
        MULTIPLY_8 / 64,
        ADD_32 / 32,
        _CONTROL,
        _SRAM_BIT,
    ),
}
DEFAULT = "sram-45nm"


def find_constants(name: str) -> Constants:
    """Constants by name.

    Raises
    ------
    UserError
        If there is no such set.
    """
    if name not in CONSTANTS:
        raise UserError("option --energy", f"{name!r} is unknown", f"use {' or '.join(CONSTANTS)}")
    return CONSTANTS[name]


def estimate_energy(
    activity: Activity, config: EngineConfig, cycles: int, steps: int, name: str = DEFAULT
) -> dict[str, str | float]:
    """Energy per step in pJ.

    Parameters
    ----------
    activity : Activity
    config : EngineConfig
    cycles : int
        Of the whole run.
    steps : int
        Skipped ones included.
    name : str
        One of ``CONSTANTS``.

    Returns
    -------
    dict
        ``constants`` (the name), ``memory_pj``, ``mac_pj``, ``cell_pj``, ``control_pj`` and their sum ``total_pj``.
    """
    constants = find_constants(name)
    memory = activity.weight_bits * constants.memory_bit
    add = config.acc_width * constants.add_bit
    mac = sum(
        count * (bits * config.operand_width * constants.multiply_bit + add) for bits, count in activity.macs.items()
    )
    parts = {
        "memory_pj": memory / steps,
        "mac_pj": mac / steps,
        "cell_pj": activity.units * unit_energy(config, constants) / steps,
        "control_pj": cycles * constants.control_cycle / steps,
    }
    return {"constants": name, **parts, "total_pj": sum(parts.values())}


def unit_energy(config: EngineConfig, constants: Constants) -> float:
    """What the cell unit spends on one unit of one step, in pJ; the same whatever was listed.

    Parameters
    ----------
    config : EngineConfig
    constants : Constants
    """
    h_bits = H_FRAC + 1
    # Four rows scaled; five activations interpolated; input by candidate, forget by state, output by tanh.
    products = (
        4 * config.requant_width * MANTISSA_BITS
        + 5 * SEGMENT_BITS * SLOPE_BITS
        + h_bits * (h_bits + config.c_width + h_bits)
    )
    sums = 4 * Z_BITS + 5 * h_bits + config.c_width
    # Row parameters; points of the activation's table; the state read and written, h written.
    moved = 4 * (MANTISSA_BITS + SHIFT_BITS + BIAS_BITS) + 5 * (H_FRAC + SLOPE_BITS) + 2 * config.c_width + h_bits
    return products * constants.multiply_bit + sums * constants.add_bit + moved * constants.small_bit
