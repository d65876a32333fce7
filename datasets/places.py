"""The folder of fetched files, which stay when a build is cleaned."""

from __future__ import annotations

import os
from pathlib import Path

#: Of this checkout; an installed package has no ``datasets``.
BUILD = Path(__file__).resolve().parent.parent / "build"


def data_directory() -> Path:
    """Folder of recordings and other fetched files: ``LSTMITH_DATA``, else ``build/data``."""
    return Path(os.environ.get("LSTMITH_DATA") or BUILD / "data")
