"""All workloads by name."""

from __future__ import annotations

import importlib

from lstmith.spec.errors import UserError
from lstmith.workloads.workload import Workload

#: Module of each workload; every one has ``load() -> Workload``.
_MODULES = {
    "silero": "silero",
    "dtln": "dtln",
    "icu_thai": "icu_thai",
    "textgenrnn": "textgenrnn",
    "japanese_vowels": "japanese_vowels",
    "g2p": "g2p",
}
NAMES = tuple(_MODULES)


def load(name: str) -> Workload:
    """Load a workload; its module is imported only now, because it may need an optional package.

    Raises
    ------
    UserError
        For an unknown name, or if data is missing and cannot be fetched.
    """
    if name not in _MODULES:
        raise UserError(f"workload {name!r}", "is unknown", f"choose one of {', '.join(NAMES)}")
    module = importlib.import_module(f"lstmith.workloads.{_MODULES[name]}")
    workload: Workload = module.load()
    return workload
