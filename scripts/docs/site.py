"""The documents as a site: ``python -m lstmith.scripts.docs.site``, or ``make docs``.

The documents are read in the repository, so they link to source files and stand in several folders. They are copied to
a tree of their own, with such links as plain text, and Sphinx makes pages of it; its warnings are errors.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "site"
#: Pages of the site by the file at the root that they are made of.
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
EXAMPLES = "examples.md"
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_LANGUAGES = {".py": "python", ".v": "verilog"}


def pages() -> dict[str, str]:
    """Every page of the site by its place, as Markdown; pictures are not among them."""
    docs = ROOT / "docs"
    found = {path.relative_to(docs).as_posix(): path for path in docs.rglob("*.md")}
    found |= {page: ROOT / source for source, page in PAGES.items()}
    texts = {page: _linked(path, page) for page, path in found.items()}
    texts[EXAMPLES] = _examples()
    return texts


def stage(folder: Path) -> None:
    """Write the tree that Sphinx reads."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("*.md"))
    for page, text in pages().items():
        path = folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def build(folder: Path = BUILD) -> int:
    """Make the site in ``folder``/html; returns Sphinx's exit code, which a warning makes 1."""
    stage(folder / "pages")
    return int(
        build_main(["-q", "-W", "--keep-going", "-E", "-b", "html", str(folder / "pages"), str(folder / "html")])
    )


def _linked(source: Path, page: str) -> str:
    """A document with links within the site; a link to anything else is its text."""

    def replaced(link: re.Match[str]) -> str:
        image, text, target = link.groups()
        path, _, anchor = target.partition("#")
        if "://" in target or not path:
            return link[0]
        found = _on_site((source.parent / path).resolve().relative_to(ROOT).as_posix())
        if found is None:
            return text
        return (
            f"{image}[{text}]({posixpath.relpath(found, posixpath.dirname(page) or '.')}{'#' * bool(anchor)}{anchor})"
        )

    return _LINK.sub(replaced, source.read_text(encoding="utf-8"))


def _on_site(place: str) -> str | None:
    """Where a file of the repository is on the site, relative to its root; None if it is not on it."""
    if place in PAGES:
        return PAGES[place]
    if place == "examples":
        return EXAMPLES
    inside = posixpath.relpath(place, "docs")
    return None if inside.startswith("..") or not (ROOT / place).is_file() else inside


def _examples() -> str:
    parts = ["# Examples\n\nThese scripts are run in this order. Each one says what it needs.\n"]
    for path in sorted((ROOT / "examples").iterdir()):
        if path.suffix in _LANGUAGES:
            parts.append(f"## {path.name}\n\n```{_LANGUAGES[path.suffix]}\n{path.read_text(encoding='utf-8')}```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(build())
