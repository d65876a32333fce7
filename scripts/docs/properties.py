"""docs/verification/properties.md: the list of proven properties, from the tests' own.

``python -m lstmith.scripts.docs.properties`` writes the page; a test compares it.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "verification" / "properties.md"
_HEAD = """# Properties that are proven

`hw_tests/formal/` states what a part of the RTL may be relied on for, in every order of its inputs and however long
anything stalls. An SMT solver (yices, through yosys) proves it. *Induction* holds for ever: what held for so many
cycles holds in the next one, from whatever state. *Bounded* holds for so many cycles after reset, and the column says
why these are enough. For each property a test also reaches a cover, so that its assumptions forbid nothing that it is
about, and plants a fault in the RTL, on which the proof fails.

`.venv/bin/pytest hw_tests/formal` repeats all of them. `hw_tests/formal/properties.py` shows how to add one.
`python -m lstmith.scripts.docs.properties` writes this page from the list.

| property | block | what it says | method, cycles | configurations | planted fault |
|---|---|---|---|---|---|
"""


def page() -> str:
    """The page as the list is now."""
    sys.path.insert(0, str(ROOT))
    from hw_tests.formal.properties import all_properties

    rows = []
    for claim in sorted(all_properties().values(), key=lambda claim: (claim.fault.block, claim.name)):
        method = f"{claim.method}, {claim.depth}" + (f": {claim.enough}" if claim.enough else "")
        fault = " ".join(claim.fault.line.split())
        broken = " ".join(claim.fault.broken.split()) or "nothing"
        told = f"`{fault}` becomes " + (broken if broken == "nothing" else f"`{broken}`")
        cells = (claim.name, f"`{claim.fault.block}`", claim.says, method, str(len(claim.variants)), told)
        rows.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n")
    return _HEAD + "".join(rows) + f"\n{len(rows)} properties.\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
