"""docs/verification/README.md and verification.json: what is proven, mutated and tested, in four totals.

``python -m lstmith.scripts.docs.verification`` (``make verification``) counts tests and properties anew, and takes the
figures of mutants from docs/verification/mutation.json, which their own campaign writes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstmith.scripts.bench.stamps import stamp

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "verification"
#: Folders of tests, and what they run on.
TIERS = {
    "fast": "parts and whole engines on Amaranth's simulator, the golden model",
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
- Coverage of lines, toggles and functional bins is not measured.
- Nothing here is of a real device: boards are simulated.

## Pages
- [Properties that are proven](properties.md)
- [Mutants](mutation.md), and [those that change nothing](equivalent_mutants.csv)
"""


def _properties() -> int:
    sys.path.insert(0, str(ROOT))
    from hw_tests.formal.properties import all_properties

    return len(all_properties())


def counted_by_tier(listing: str) -> Counter[str]:
    """Tests of each tier, from what ``pytest --collect-only -qq`` prints: a file and its number a line."""
    found = Counter[str]()
    for tier, count in re.findall(r"^hw_tests/(\w+)/\S+: (\d+)$", listing, re.MULTILINE):
        found[tier] += int(count)
    return found


def page(figures: Mapping[str, Any], mutants: Mapping[str, Any] | None) -> str:
    """The page.

    Parameters
    ----------
    figures : dict
        ``measured``, ``properties`` and ``tests`` by tier.
    mutants : dict or None
        What the campaign of mutants wrote: ``measured``, ``command``, and verdicts by block; None before the first one.
    """
    tests: dict[str, int] = figures["tests"]
    when = figures["measured"]
    rows = [
        ("properties proven", f"{figures['properties']}", when, ".venv/bin/pytest hw_tests/formal"),
        ("tests", f"{sum(tests.values())}", when, "make test"),
    ]
    if mutants is not None:
        counts: dict[str, int] = mutants["blocks"]["all"]
        noticed = counts.get("failed", 0) + counts.get("timed out", 0)
        different = noticed + counts.get("passed", 0)
        share = f" ({100 * noticed / different:.1f} %)" if different else ""
        rows.insert(1, ("mutants noticed", f"{noticed} of {different}{share}", mutants["measured"], mutants["command"]))
    text = _HEAD + "".join(f"| {what} | {total} | {at} | `{command}` |\n" for what, total, at, command in rows)
    text += "\n| tests | number | what they run |\n|---|---|---|\n"
    text += "".join(f"| `hw_tests/{tier}` | {tests.get(tier, 0)} | {what} |\n" for tier, what in TIERS.items())
    return text + _LIMITS


def main() -> None:
    """Counts, and writes both files."""
    store = FOLDER / "mutation.json"
    mutants = json.loads(store.read_text(encoding="utf-8")) if store.exists() else None
    command = [sys.executable, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider", "hw_tests"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    figures = {"measured": stamp(), "properties": _properties(), "tests": dict(counted_by_tier(listing))}
    (FOLDER / "README.md").write_text(page(figures, mutants), encoding="utf-8")
    (FOLDER / "verification.json").write_text(
        json.dumps({**figures, "mutants": mutants}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
