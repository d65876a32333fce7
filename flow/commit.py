"""The commit of this source, in a checkout or a wheel. Imports nothing of the package: the wheel's build runs it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

COMMIT_BYTES = 8
#: In a wheel, beside this file: the commit it was built from, in hexadecimal.
RECORD = "commit.txt"


def source_commit(file: Path = Path(__file__)) -> bytes:
    """The commit of the package that a copy of this file belongs to.

    Parameters
    ----------
    file : Path
        The copy; its folder lies in the package's root.

    Returns
    -------
    bytes
        The first ``COMMIT_BYTES`` of the hash: of HEAD if the package's root is the root of a checkout, otherwise as
        the wheel recorded it. Zeros if neither is known; a repository around the package is never asked.
    """
    folder = file.resolve().parent
    found = _checkout_commit(folder.parent) or _recorded_commit(folder / RECORD)
    return found or bytes(COMMIT_BYTES)


def _checkout_commit(root: Path) -> bytes | None:
    # A git hook sets variables that name the repository it runs in, wherever a command starts.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "rev-parse", "--show-toplevel", "HEAD"]
    try:
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    top, commit = done.stdout.splitlines()
    return bytes.fromhex(commit)[:COMMIT_BYTES] if Path(top).resolve() == root else None


def _recorded_commit(record: Path) -> bytes | None:
    try:
        return bytes.fromhex(record.read_text(encoding="ascii"))
    except OSError:
        return None
