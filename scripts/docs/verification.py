"""docs/verification/README.md, blocks.md and verification.json: what is proven, mutated and tested; README's totals.

``python -m lstmith.scripts.docs.verification`` (``make verification``) counts tests and properties anew, and takes
all others from the JSON files that their own commands wrote.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lstmith.scripts.bench.blocks import replace_block
from lstmith.scripts.bench.stamps import stamp
from lstmith.scripts.coverage.report import totals
from lstmith.scripts.docs.stages import blocks, blocks_page

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "verification"
#: README's block of totals.
BLOCK = "verification"
#: What, how much, measured when, by which command.
Row = tuple[str, str, str, str]
#: Folders of tests, and what they run on.
TIERS = {
    "fast": "files alone: parts and whole engines on Amaranth's simulator, the golden model, the compiler",
    "unit": "compiler, host, flow, commands",
    "cocotb": "Icarus and Verilator: parts, and random engines against golden",
    "netlist": "what synthesis made, simulated",
    "formal": "proofs",
}
_HEAD = """# Verification

What is checked of the hardware and of what makes it, in totals; each command repeats its figure.
`make verification` writes this page and [verification.json](verification.json), which holds the same for programs.

| what | total | measured | command |
|---|---|---|---|
"""
_LIMITS = """
## Known limits
- The score of mutants is of a sample, and of the tests of the fast and the unit tier: what only a simulator with
  Verilog, a netlist or a proof would notice counts as a survivor.
- Properties hold for the configurations that their page names. *Bounded* ones hold for so many cycles after reset.
- Toggles are those of named signals, over all engines that were simulated; parts of Amaranth's library do not count.
- Nothing here is of a real device: boards are simulated.

## Pages
- [Each block, and how far it has come](blocks.md)
- [Properties that are proven](properties.md)
- [Coverage](coverage.md), and [what is waived](coverage_waivers.csv)
- [A long run](long.md)
- [Files and devices that mean harm](fuzz.md)
- [Bit flips in a running core](flips.md)
- [Numbers: how far the engine is from float64, and why](numeric.md)
- [Mutants](mutation.md), and [those that change nothing](equivalent_mutants.csv)
"""


def _proven() -> list[str]:
    """The file of each property."""
    sys.path.insert(0, str(ROOT))
    from hw_tests.formal.properties import all_properties

    return [each.fault.block for each in all_properties().values()]


def counted_by_tier(listing: str) -> Counter[str]:
    """Tests of each tier, from what ``pytest --collect-only -qq`` prints: a file and its number a line."""
    found = Counter[str]()
    for tier, count in re.findall(r"^hw_tests/(\w+)/\S+: (\d+)$", listing, re.MULTILINE):
        found[tier] += int(count)
    return found


def _mutant_rows(mutants: Mapping[str, Any]) -> list[Row]:
    counts: dict[str, int] = mutants["blocks"]["all"]
    noticed = counts.get("failed", 0) + counts.get("timed out", 0)
    different = noticed + counts.get("passed", 0)
    share = f" ({100 * noticed / different:.1f} %)" if different else ""
    folders = sorted({name.partition("/")[0] for name in mutants["blocks"]} - {"all"})
    what = f"mutants of {', '.join(f'`{folder}/`' for folder in folders)} noticed"
    return [(what, f"{noticed} of {different}{share}", mutants["measured"], mutants["command"])]


def _coverage_rows(coverage: Mapping[str, Any]) -> list[Row]:
    """A row for each figure of the coverage command, with the time of its part."""
    hardware = [part for part in ("engines", "units") if part in coverage["measured"]]
    rows = []
    for what, figure in totals(coverage).items():
        parts = ["python"] if what.startswith("branches") else ["engines"] if "bins" in what else hardware
        rows.append((what, figure, coverage["measured"][parts[0]], f'make coverage PARTS="{" ".join(parts)}"'))
    return rows


def _long_rows(long: Mapping[str, Any]) -> list[Row]:
    """Each value that differs counts as a step, at most."""
    steps: int = long["steps"]
    equal = max(0, steps - long["mismatches"] - long["wrong_cycles"])
    what = "steps of Silero VAD's core that equal golden's, in values and cycles"
    return [(what, f"{equal:,} of {steps:,}", long["measured"], long["command"])]


def _fuzz_rows(fuzz: Mapping[str, Any]) -> list[Row]:
    counts: dict[str, int] = fuzz["kinds"]["all"]
    right = counts.get("refused", 0) + counts.get("accepted", 0)
    figure = f"{right} of {sum(counts.values())}"
    return [("hostile files and devices that do no harm", figure, fuzz["measured"], fuzz["command"])]


def _flip_rows(flips: Mapping[str, Any]) -> list[Row]:
    counts: dict[str, int] = flips["counts"]["all"]
    after = {what.removeprefix("right after "): count for what, count in counts.items() if what.startswith("right")}
    right, all_of_them = sum(after.values()) - after.get("nothing", 0), sum(after.values())
    what = "bit flips behind which a reset, or loading again, makes the core right"
    return [(what, f"{right} of {all_of_them}", flips["measured"], flips["command"])]


def _numeric_rows(numeric: Mapping[str, Any]) -> list[Row]:
    """Of each precision, the networks within the bound among those whose own sensitivity allows it."""
    rows = []
    for bits, groups in numeric["shares"].items():
        within = sum(found["within"] for found in groups.values())
        own = sum(found["causes"].get("the network itself", 0) for found in groups.values())
        able = sum(found["networks"] - found["refused"] for found in groups.values()) - own
        what = f"networks of {bits} bits as near to float64 as they allow"
        rows.append((what, f"{within} of {able}", numeric["measured"], numeric["command"]))
    return rows


#: Files that other commands wrote, by name, in the order of the page.
ROWS: dict[str, Callable[[Mapping[str, Any]], list[Row]]] = {
    "mutation": _mutant_rows,
    "coverage": _coverage_rows,
    "long": _long_rows,
    "fuzz": _fuzz_rows,
    "flips": _flip_rows,
    "numeric": _numeric_rows,
}


def page(figures: Mapping[str, Any], written: Mapping[str, Mapping[str, Any]]) -> str:
    """The page.

    Parameters
    ----------
    figures : dict
        ``measured``, ``properties`` and ``tests`` by tier.
    written : dict
        By name, what commands wrote, as far as they ever ran.
    """
    tests: dict[str, int] = figures["tests"]
    when = figures["measured"]
    rows: list[Row] = [
        ("properties proven", f"{figures['properties']}", when, ".venv/bin/pytest hw_tests/formal"),
        ("tests", f"{sum(tests.values())}", when, "make test` and `make nightly"),
        *(row for name, make in ROWS.items() if name in written for row in make(written[name])),
    ]
    text = _HEAD + "".join(f"| {what} | {total} | {at} | `{command}` |\n" for what, total, at, command in rows)
    text += "\n| tests | number | what they run |\n|---|---|---|\n"
    text += "".join(f"| `hw_tests/{tier}` | {tests.get(tier, 0)} | {what} |\n" for tier, what in TIERS.items())
    return text + _LIMITS


def readme_text(figures: Mapping[str, Any], written: Mapping[str, Mapping[str, Any]]) -> str:
    """Four totals for the project's first page."""
    mutants = _mutant_rows(written["mutation"])[0][1]
    covered = totals(written["coverage"])
    lines, toggles = (covered[f"{what} of the RTL"].partition(" (")[0] for what in ("lines", "toggles"))
    tests = sum(figures["tests"].values())
    return (
        f"Proven: {figures['properties']} properties (`.venv/bin/pytest hw_tests/formal`). Noticed: {mutants} of the "
        f"mutants (`make mutation`). Run: {lines} of the RTL's lines, {toggles} of its toggles (`make coverage`). "
        f"Tests: {tests:,} (`make test`, `make nightly`). [All totals and known limits](docs/verification/README.md), "
        "[each block](docs/verification/blocks.md).\n"
    )


def history(root: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Commit, day and totals of each version of ``verification.json``, newest first; none without git's history."""
    path = "docs/verification/verification.json"
    git = ["git", "-C", str(root)]
    log = subprocess.run(
        [*git, "log", "--format=%h %as", "--", path], capture_output=True, text=True, check=False
    ).stdout
    found = []
    for commit, day in (line.split() for line in log.splitlines()):
        shown = subprocess.run([*git, "show", f"{commit}:{path}"], capture_output=True, text=True, check=True).stdout
        found.append((commit, day, json.loads(shown)))
    return found


def history_text(versions: list[tuple[str, str, dict[str, Any]]]) -> str:
    """A table of totals by commit, nothing if there are none."""
    if not versions:
        return ""
    text = "\n## History\n`git show COMMIT:docs/verification/verification.json` has all totals of a commit.\n\n"
    text += "| commit | day | properties | tests | mutants noticed | bins | lines | toggles |\n"
    text += "|---|---|---|---|---|---|---|---|\n"
    for commit, day, told in versions:
        others = {
            what: total for figures in told.values() if isinstance(figures, dict) for what, total in figures.items()
        }
        cells = [commit, day, told["properties"], sum(told["tests"].values())]
        for start, end in (("mutants", "noticed"), ("functional bins", ""), ("lines of the RTL", ""), ("toggles", "")):
            cells.append(
                next((each for what, each in others.items() if what.startswith(start) and what.endswith(end)), "-")
            )
        text += f"| {' | '.join(map(str, cells))} |\n"
    return text


def main() -> None:
    """Counts, and writes the pages, the JSON and README's totals."""
    stores = {name: FOLDER / f"{name}.json" for name in ROWS}
    written = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in stores.items() if path.exists()}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", "hw_tests"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    proven = _proven()
    figures = {"measured": stamp(), "properties": len(proven), "tests": dict(counted_by_tier(listing))}
    (FOLDER / "README.md").write_text(page(figures, written) + history_text(history(ROOT)), encoding="utf-8")
    every = blocks(listing, written["mutation"], written["coverage"], proven)
    (FOLDER / "blocks.md").write_text(blocks_page(every), encoding="utf-8")
    replace_block(ROOT / "README.md", BLOCK, readme_text(figures, written))
    # The same totals for programs; details are in the files of their own.
    told = {name: {what: total for what, total, *_ in ROWS[name](found)} for name, found in written.items()}
    (FOLDER / "verification.json").write_text(json.dumps({**figures, **told}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
