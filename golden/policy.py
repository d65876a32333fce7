"""Run-time policy: how each layer chooses the columns of a step."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from pathlib import Path

from .errors import UserError


class Mode(enum.IntEnum):
    """Which columns a step lists."""

    DENSE = 0  #: every column, value by value
    SKIP = 1  #: columns whose value is not zero
    DELTA = 2  #: columns whose value changed; sums are kept from step to step


@dataclass(frozen=True)
class Policy:
    """Policy of one layer; thresholds count LSBs of the operand grid and act in delta mode only.

    A change is listed if ``|value - reference| > threshold``; what is not listed stays in the
    difference and is paid later.
    """

    mode: Mode = Mode.DELTA
    theta_x: int = 0
    theta_h: int = 0

    def __post_init__(self) -> None:
        for name in ("theta_x", "theta_h"):
            if not 0 <= getattr(self, name) < 1 << 16:
                raise ValueError(f"{name} must be between 0 and 65535, not {getattr(self, name)!r}")


def load_policy(path: Path, layers: int) -> list[Policy]:
    """Read a policy file: one object for all layers, or ``{"layers": [..]}`` with one object each.

    Raises
    ------
    UserError
        If the file is not JSON, has unknown keys, bad values or the wrong number of layers.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(str(path), f"cannot be read as JSON ({error})", "give a policy file") from None
    if not isinstance(content, dict):
        raise UserError(str(path), f"holds a {type(content).__name__}", "write an object")
    if "layers" not in content:
        return [_parse(content, str(path))] * layers
    entries = content["layers"]
    if set(content) != {"layers"} or not isinstance(entries, list):
        raise UserError(str(path), f"has keys {sorted(content)}", "write only a list 'layers'")
    if len(entries) != layers:
        raise UserError(
            f"{path} field layers", f"has {len(entries)} entries", f"write one for each of the {layers} layers"
        )
    return [_parse(entry, f"{path} field layers[{index}]") for index, entry in enumerate(entries)]


def _parse(entry: object, where: str) -> Policy:
    if not isinstance(entry, dict):
        raise UserError(where, f"is {entry!r}", "write an object")
    if unknown := set(entry) - {"mode", "theta_x", "theta_h"}:
        raise UserError(where, f"has unknown key {sorted(unknown)[0]!r}", "use mode, theta_x and theta_h")
    try:
        mode = Mode[str(entry.get("mode", "delta")).upper()]
    except KeyError:
        raise UserError(f"{where} field mode", f"is {entry['mode']!r}", "use dense, skip or delta") from None
    thetas = {}
    for name in ("theta_x", "theta_h"):
        value = entry.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 16:
            raise UserError(f"{where} field {name}", f"is {value!r}", "use an integer between 0 and 65535")
        thetas[name] = value
    return Policy(mode, **thetas)
