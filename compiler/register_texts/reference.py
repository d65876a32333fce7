"""``python -m lstmith.compiler.register_texts.reference``: writes docs/registers.md of a checkout."""

from __future__ import annotations

from pathlib import Path

from lstmith.compiler.register_texts.markdown import register_reference

#: Relative to the top of a checkout.
PAGE = Path("docs/registers.md")

if __name__ == "__main__":
    PAGE.write_text(register_reference())
