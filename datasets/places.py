"""Folders of what is fetched or compiled once and kept: never inside an installed package."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

_ROOT = Path(__file__).resolve().parent.parent


def cache_directory() -> Path:
    """``build`` of a checkout; elsewhere the user's cache folder, on Linux ``~/.cache/lstmith``."""
    if (_ROOT / "pyproject.toml").is_file():
        return _ROOT / "build"
    return platformdirs.user_cache_path("lstmith", appauthor=False)


def data_directory() -> Path:
    """Folder of recordings and other fetched files: ``LSTMITH_DATA``, else ``data`` in `cache_directory`."""
    return Path(os.environ.get("LSTMITH_DATA") or cache_directory() / "data")
