"""docs/verification/blocks.md: what is known of each block, and how far it has come, from what other commands found.

Stages are after those of OpenTitan (Development Stages), with bounds of this project's own.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

#: Blocks whose design has not come as far as all others, which are in a bitstream that met its clock, and why.
NOT_PLACED = {"rtl/wrappers": "buses are in no bitstream of this project; their netlists are simulated"}
#: Least shares for V2.
LINES, TOGGLES, BRANCHES, MUTANTS = 0.95, 0.90, 0.90, 0.95
_HEAD = """# Blocks

What is known of each block, from [coverage](coverage.md), [mutants](mutation.md), [properties](properties.md) and the
tests of its folder in `hw_tests/fast`; `make verification` writes this page. Waived toggles do not count.

Stages are after those of [OpenTitan](https://opentitan.org/book/doc/project_governance/development_stages.html):
- **D2**: netlists of it are simulated. **D3**: it is in a bitstream that met its clock;
  [clocks by seed](../results/clocks.md) has the histogram.
- **V1**: it has tests of its own. **V2**: tests notice 95 % of the mutants, and run 95 % of the lines and 90 % of the
  toggles of hardware, or 90 % of the branches of software. **V3**: besides, no mutant survives, and of hardware
  something is proven.

"""


@dataclass(frozen=True)
class Block:
    """What is known of a folder; shares are None where nothing was measured.

    Parameters
    ----------
    name : str
    tests, properties, survivors : int
    lines, toggles, branches, mutants : float or None
    """

    name: str
    tests: int
    properties: int
    survivors: int
    lines: float | None
    toggles: float | None
    branches: float | None
    mutants: float | None

    @property
    def is_hardware(self) -> bool:
        """Whether it becomes gates."""
        return self.name.startswith("rtl")

    @property
    def design(self) -> str:
        """D2 or D3; of software there is none."""
        return "-" if not self.is_hardware else "D2" if self.name in NOT_PLACED else "D3"

    @property
    def verification(self) -> str:
        """V0 to V3."""
        if not self.tests:
            return "V0"
        if self._short():
            return "V1"
        return "V2" if self._open() else "V3"

    @property
    def exceptions(self) -> str:
        """What the next stages lack."""
        told = [NOT_PLACED[self.name]] if self.name in NOT_PLACED else []
        return "; ".join([*told, *([] if self.tests else ["no tests of its own"]), *self._short(), *self._open()])

    def _short(self) -> list[str]:
        """What V2 lacks."""
        bounds = [("mutants", self.mutants, MUTANTS)]
        if self.is_hardware:
            bounds += [("lines", self.lines, LINES), ("toggles", self.toggles, TOGGLES)]
        else:
            bounds += [("branches", self.branches, BRANCHES)]
        return [
            f"{what} not measured" if share is None else f"{what} below {bound:.0%}"
            for what, share, bound in bounds
            if share is None or share < bound
        ]

    def _open(self) -> list[str]:
        """What V3 lacks besides."""
        survive = (
            f"{self.survivors} mutant{'s' if self.survivors > 1 else ''} survive{'' if self.survivors > 1 else 's'}"
        )
        found = [survive] if self.survivors else []
        return found + (["nothing proven"] if self.is_hardware and not self.properties else [])


def blocks(
    listing: str, mutation: Mapping[str, Any], coverage: Mapping[str, Any], proven: Iterable[str]
) -> list[Block]:
    """Every block that mutants were made of.

    Parameters
    ----------
    listing : str
        What ``pytest --collect-only -qq`` prints.
    mutation, coverage : dict
        ``mutation.json`` and ``coverage.json``.
    proven : iterable of str
        File of each property.
    """
    tests = Counter[str]()
    for folder, count in re.findall(r"^hw_tests/fast/(\S+)/[^/\s]+: (\d+)$", listing, re.MULTILINE):
        tests[folder] += int(count)
    properties = Counter(PurePosixPath(file).parent.as_posix() for file in proven)
    hardware, software = coverage["rtl"]["blocks"], coverage["python"]["blocks"]
    found = []
    for name, counts in sorted(mutation["blocks"].items()):
        if name == "all":
            continue
        noticed, survivors = counts.get("failed", 0) + counts.get("timed out", 0), counts.get("passed", 0)
        of_files = [figures for file, figures in hardware.items() if PurePosixPath(file).parent.as_posix() == name]
        of_code = [each for file, each in software.items() if PurePosixPath(file).parent.as_posix() == name]
        found.append(
            Block(
                name,
                tests[name],
                properties[name],
                survivors,
                lines=_met(figures.get("line", {}) for figures in of_files),
                toggles=_met(figures.get("toggle", {}) for figures in of_files),
                branches=_share(
                    sum(each["branches met"] for each in of_code), sum(each["branches"] for each in of_code)
                ),
                mutants=_share(noticed, noticed + survivors),
            )
        )
    return found


def _met(points: Iterable[Mapping[str, int]]) -> float | None:
    total = Counter[str]()
    for each in points:
        total.update(each)
    return _share(total["met"], total["met"] + total["missed"])


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def blocks_page(found: Iterable[Block]) -> str:
    """The page."""
    text = _HEAD + "| block | tests | lines | toggles | branches | mutants | properties | stages | exceptions |\n"
    text += "|---|---|---|---|---|---|---|---|---|\n"
    for one in found:
        shares = (one.lines, one.toggles, one.branches, one.mutants)
        cells = [f"`{one.name}`", f"{one.tests}", *("-" if each is None else f"{each:.1%}" for each in shares)]
        cells += [
            f"{one.properties}",
            f"{one.design}, {one.verification}".removeprefix("-, "),
            one.exceptions or "none",
        ]
        text += f"| {' | '.join(cells)} |\n"
    return text
