"""What it would cost to notice a flipped bit of a memory, or to write anew what the host has loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lstmith.compiler.sizing.memories import BLOCK, Memory
from lstmith.rtl.cores import core_verilog
from lstmith.scripts.bench.presets import preset_design
from lstmith.scripts.flips.places import places
from lstmith.spec.presets import preset

#: Engines whose cost is told: the smallest, and the largest with all that it may have.
PRESETS = ("tiny", "adaptive")
#: Inputs of a lookup table, and bits that cross a serial port for a word of 32 bits.
_INPUTS, _SERIAL_BITS = 4, 40
_BAUD = 3_000_000
_HEAD = f"""
## What parity or a scrub would cost
The core has neither. *Parity* is a bit for every word of every memory, made at its write port and compared at its read
port; it notices one flipped bit of a memory and mends none. Lookup tables are those of the sums alone, by their widths.
*Scrub* is all that the host has loaded, written again between two steps: so many words of 32 bits, a cycle each on the
core's bus, or their bits over a serial port of {_BAUD / 1e6:g} Mbaud. References, lists, row sums and states are not
among them: a sequence writes these itself.

"""
_COLUMNS = {
    "registers": "bits in registers",
    "memories": "bits in memories",
    "parity": "parity bits",
    "blocks": "block memories",
    "blocks with parity": "with parity",
    "luts": "lookup tables of parity",
    "writes": "words of a scrub",
}


def sum_luts(bits: int) -> int:
    """Lookup tables of four inputs that add up so many bits to one: each takes away three."""
    return -(-(bits - 1) // (_INPUTS - 1))


def parity(held: Sequence[Mapping[str, Any]], family: str) -> dict[str, int]:
    """A bit more for every word of every memory: made where it is written, compared where it is read.

    Parameters
    ----------
    held : sequence of dict
        ``width`` and ``depth`` of what :func:`.places.places` finds.
    family : str

    Returns
    -------
    dict
        ``registers`` and ``memories`` in bits; ``parity`` in bits, the block memories ``blocks`` that yosys makes
        and how many the same memories are ``blocks with parity``, and ``luts`` of the sums.
    """
    memories = [place for place in held if place["depth"]]
    blocks = [place for place in memories if Memory("", place["width"], place["depth"]).blocks(family)]
    counted = {
        more: sum(Memory("", place["width"] + more, place["depth"], style=BLOCK).blocks(family) for place in blocks)
        for more in (0, 1)
    }
    return {
        "registers": sum(place["width"] for place in held if not place["depth"]),
        "memories": sum(place["width"] * place["depth"] for place in memories),
        "parity": sum(place["depth"] for place in memories),
        "blocks": counted[0],
        "blocks with parity": counted[1],
        "luts": sum(sum_luts(place["width"]) + sum_luts(place["width"] + 1) for place in memories),
    }


def costs() -> dict[str, dict[str, Any]]:
    """By preset what :func:`parity` tells, and ``writes``: words that load its network again."""
    found: dict[str, dict[str, Any]] = {}
    for name in PRESETS:
        design = preset_design(preset(name))
        held = places(core_verilog(design.engine))
        writes = sum(1 for _ in design.image().bus_writes(design.engine))
        found[name] = {**parity(held, design.engine.family), "writes": writes}
    return found


def section(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The part of the page."""
    text = _HEAD + f"| preset | {' | '.join(_COLUMNS.values())} | ms over the serial port |\n"
    text += f"|{'---|' * (len(_COLUMNS) + 2)}\n"
    for name, each in found.items():
        cells = [*(each[key] for key in _COLUMNS), round(1e3 * each["writes"] * _SERIAL_BITS / _BAUD)]
        text += f"| `{name}` | {' | '.join(f'{cell:,}' for cell in cells)} |\n"
    return text
