"""What coverage found, as JSON for programs and as a page; and what is waived, by name and with a reason."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lstmith.scripts.coverage.plan import Bin
from lstmith.scripts.coverage.points import Point
from lstmith.spec.errors import UserError

_FIELDS = ["kind", "name", "reason"]
KINDS = ("bin", "line", "toggle")
_HEAD = """# Coverage

`make coverage` simulates and writes this page, [coverage.json](coverage.json) holds the same for programs, and
[coverage_waivers.csv](coverage_waivers.csv) names what is left out of the totals, with the reason.
[Decision 67](../decisions/0067-coverage.md) tells how points are counted.

"""


@dataclass
class Waivers:
    """Names of bins and points that need not be met; ``*`` in a name stands for anything.

    Attributes
    ----------
    entries : list of (kind, pattern)
    used : set of (kind, pattern)
        Those that waived something.
    """

    entries: list[tuple[str, str]]
    used: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def load(cls, path: Path) -> Waivers:
        """Reads the list.

        Raises
        ------
        UserError
            If it has other columns, an unknown kind, a line without a reason, or a name twice.
        """
        entries: list[tuple[str, str]] = []
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != _FIELDS:
                raise UserError(str(path), f"has the columns {reader.fieldnames}", f"name them {','.join(_FIELDS)}")
            for row in reader:
                entry = row["kind"], row["name"]
                where = f"{path}, {entry[0]} {entry[1]!r}"
                if entry[0] not in KINDS:
                    raise UserError(where, "has an unknown kind", f"use one of {', '.join(KINDS)}")
                if not row["reason"] or entry in entries:
                    problem = "is there twice" if entry in entries else "has no reason"
                    raise UserError(where, problem, "give each waiver one line with a reason")
                entries.append(entry)
        return cls(entries)

    def waives(self, kind: str, name: str) -> bool:
        """Whether a name is on the list."""
        for entry in self.entries:
            # A bracket is a bit here, no set of characters.
            if entry[0] == kind and fnmatchcase(name, entry[1].replace("[", "[[]")):
                self.used.add(entry)
                return True
        return False

    def unused(self) -> list[str]:
        """Entries that waive nothing."""
        return [f"{kind}: {name}" for kind, name in self.entries if (kind, name) not in self.used]


def bin_name(each: Bin) -> str:
    """A bin as the list of waivers calls it."""
    return f"{each[0]}: {', '.join(each[1])}"


def bin_figures(hits: Mapping[Bin, int], waivers: Waivers) -> dict[str, Any]:
    """Bins met, of those that are not waived, by cross; and the names of those that are empty."""
    crosses: dict[str, Counter[str]] = defaultdict(Counter)
    empty: list[str] = []
    for each, count in hits.items():
        name = bin_name(each)
        told = "met" if count else "waived" if waivers.waives("bin", name) else "empty"
        empty += [name] if told == "empty" else []
        for block in (each[0], "all"):
            crosses[block][told] += 1
    return {"crosses": {cross: dict(counts) for cross, counts in crosses.items()}, "empty": sorted(empty)}


def point_figures(points: Mapping[Point, int], waivers: Waivers) -> dict[str, Any]:
    """Lines and toggles met, of those that are not waived, by block; and the names of lines that were not."""
    blocks: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    missed: list[str] = []
    bits = Counter[str]()
    for (block, kind, name), count in sorted(points.items()):
        full = f"{block}: {name}"
        told = "met" if count else "waived" if waivers.waives(kind, full) else "missed"
        if told == "missed" and kind == "line":
            missed.append(full)
        elif told == "missed":
            bits[f"{block}: {name.split('[')[0].split(':')[0]}"] += 1
        for each in (block, "all"):
            blocks[each][kind][told] += 1
    plain = {block: {kind: dict(counts) for kind, counts in kinds.items()} for block, kinds in blocks.items()}
    return {"blocks": plain, "missed lines": missed, "missed toggles": dict(bits)}


def share(met: int, total: int) -> str:
    """As a percentage; a dash where there is nothing."""
    return f"{100 * met / total:.1f} %" if total else "-"


def share_of(counts: Mapping[str, int]) -> str:
    """Of what is not waived."""
    met = counts.get("met", 0)
    return share(met, met + counts.get("missed", 0) + counts.get("empty", 0))


def totals(figures: Mapping[str, Any]) -> dict[str, str]:
    """The figures of a run in a line each, for the page of all verification."""
    found: dict[str, str] = {}
    if "bins" in figures:
        counts = figures["bins"]["crosses"]["all"]
        met, waived = counts.get("met", 0), counts.get("waived", 0)
        found["functional bins met"] = f"{met} of {sum(counts.values())} ({waived} waived)"
        every = figures["rtl"]["blocks"]["all"]
        for kind in ("line", "toggle"):
            waived = f" ({every[kind]['waived']:,} waived)" if every[kind].get("waived") else ""
            found[f"{kind}s of the RTL"] = share_of(every[kind]) + waived
    for block, counts in figures.get("python", {}).get("blocks", {}).items():
        if "/" not in block:
            found[f"branches of {block}/"] = share(counts["branches met"], counts["branches"])
    return found


def _table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    names = list(header)
    lines = [names, ["---"] * len(names), *([str(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _list(title: str, names: Iterable[str]) -> str:
    lines = "".join(f"- `{name}`\n" for name in names)
    return f"\n### {title}\n{lines}" if lines else ""


def page(figures: Mapping[str, Any]) -> str:
    """The page.

    Parameters
    ----------
    figures : dict
        ``measured``, ``ran`` and ``seconds`` by part; ``bins``, ``rtl`` and ``python`` as far as they were measured.
    """
    parts = figures["measured"]
    text = _HEAD + _table(
        ("part", "what ran", "processor", "measured"),
        ((part, figures["ran"][part], f"{figures['seconds'][part] / 60:.0f} min", parts[part]) for part in parts),
    )
    if "bins" in figures:
        crosses = dict(figures["bins"]["crosses"])
        every = crosses.pop("all")
        rows = [
            (name, counts.get("met", 0), counts.get("waived", 0), counts.get("empty", 0), share_of(counts))
            for name, counts in [*sorted(crosses.items()), ("all", every)]
        ]
        text += "\n## Functional bins\n" + _table(("cross", "met", "waived", "empty", "share"), rows)
        text += _list("Empty", figures["bins"]["empty"])
        blocks = dict(figures["rtl"]["blocks"])
        every = blocks.pop("all")
        points = [
            (name if name == "all" else f"`{name}`", *_cells(kinds.get("line", {})), *_cells(kinds.get("toggle", {})))
            for name, kinds in [*sorted(blocks.items()), ("all", every)]
        ]
        text += "\n## Lines and toggles of the RTL\n"
        text += _table(("block", "lines", "waived", "met", "toggles", "waived", "met"), points)
        text += _list("Lines that nothing ran", figures["rtl"]["missed lines"])
    if "python" in figures:
        counted = [
            (f"`{name}`", counts["lines"], share(counts["lines met"], counts["lines"]), counts["branches"],
             share(counts["branches met"], counts["branches"]))
            for name, counts in sorted(figures["python"]["blocks"].items())
        ]  # fmt: skip
        text += "\n## Lines and branches of Python\n"
        text += _table(("block", "lines", "met", "branches", "met"), counted)
    return text


def _cells(counts: Mapping[str, int]) -> tuple[int, int, str]:
    return sum(counts.values()), counts.get("waived", 0), share_of(counts)
