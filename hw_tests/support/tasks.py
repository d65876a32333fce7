"""Tasks for tests of the runner; any worker finds them by name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstmith.spec.errors import UserError


def square(spec: Any, files: Mapping[str, Path]) -> Any:
    """Of ``value``; a line for each call goes into the file ``log``, if there is one."""
    if "log" in spec:
        with Path(spec["log"]).open("a") as log:
            log.write(f"{spec['value']}\n")
    time.sleep(spec.get("seconds", 0.0))
    return {"square": spec["value"] ** 2}


def fragile(spec: Any, files: Mapping[str, Path]) -> Any:
    """As :func:`square`, but the first worker that gets it dies, if ``dies`` names a folder; the folder remembers."""
    if "dies" in spec:
        mark = Path(spec["dies"]) / str(spec["value"])
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return square(spec, files)
        os.kill(os.getpid(), signal.SIGKILL)
    return square(spec, files)


def lethal(spec: Any, files: Mapping[str, Path]) -> Any:
    """Every worker that gets it dies."""
    os.kill(os.getpid(), signal.SIGKILL)


def wrong(spec: Any, files: Mapping[str, Path]) -> Any:
    """It raises."""
    raise ArithmeticError(f"{spec} is too much")


def refused(spec: Any, files: Mapping[str, Path]) -> Any:
    """It finds fault with its input."""
    raise UserError("it", f"is {spec}", "mend it")


def texts(spec: Any, files: Mapping[str, Path]) -> Any:
    """What the files hold, and those of folders by their names below these."""
    found = {}
    for name, path in files.items():
        members = sorted(path.rglob("*")) if path.is_dir() else [path]
        for each in members:
            if each.is_file():
                below = each.relative_to(path).as_posix() if path.is_dir() else path.suffix
                found[f"{name}:{below}"] = each.read_text()
    return found
