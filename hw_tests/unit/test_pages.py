"""The documents: every bench has its page, and links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lstmith.scripts.bench.blocks import find_block
from lstmith.scripts.bench.command import Name, _blocks, _documents

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("name", Name)
def test_every_bench_has_a_page_with_its_blocks(name: Name, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for document in _documents(name):
        for block in _blocks(name):
            find_block(document, block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    assert not [link for link in targets if broken(page, link)]


def broken(page: Path, link: str) -> bool:
    """Whether a file, or a heading in it, is missing."""
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not target.exists():
        return True
    headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE) if anchor else []
    return bool(anchor) and anchor not in {re.sub(r"[^\w\- ]", "", each).lower().replace(" ", "-") for each in headings}


def test_a_broken_link_is_found() -> None:
    page = ROOT / "README.md"
    assert broken(page, "docs/nothing.md")
    assert broken(page, "docs/board.md#nothing")
    assert not broken(page, "docs/board.md")
