"""The documents: every bench has its page, and links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lstmith.scripts.bench.blocks import find_block
from lstmith.scripts.bench.command import Name, _blocks, _documents

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
INDEX = ROOT / "docs" / "index.md"
_TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.DOTALL | re.MULTILINE)
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


def contents(page: Path) -> set[Path]:
    """Documents that the tables of contents of a page list, and those that theirs list."""
    entries = [line for block in _TOCTREE.findall(page.read_text()) for line in block.splitlines() if line[:1] != ":"]
    listed = {found for entry in entries if entry for found in page.parent.glob(f"{entry}.md")}
    return listed.union(*(contents(each) for each in listed))


def test_every_document_is_in_a_table_of_contents() -> None:
    """Otherwise the site, which the slower tests build, does not build."""
    assert set((ROOT / "docs").rglob("*.md")) - contents(INDEX) == {INDEX}


def test_a_broken_link_is_found() -> None:
    page = ROOT / "README.md"
    assert broken(page, "docs/nothing.md")
    assert broken(page, "docs/board.md#nothing")
    assert not broken(page, "docs/board.md")
