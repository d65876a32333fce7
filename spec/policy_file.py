"""Policy files: JSON as users write it, refused key by key."""

from __future__ import annotations

import dataclasses
import enum
import json
from pathlib import Path
from typing import Any

from lstmith.spec.errors import UserError
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Scope, Skip

_ENUMS: dict[str, type[enum.IntEnum]] = {"mode": Mode, "rule": Rule, "scope": Scope}
_NESTED: dict[str, type[Any]] = {"monitor": Monitor, "skip": Skip}

#: What took the place of fields that policies had before digit planes.
_REPLACED: dict[type[Any], dict[str, str]] = {
    Policy: {
        "tau_x": "theta_x and low_theta_x",
        "tau_h": "theta_h and low_theta_h",
        "restart_tau_x": "theta_x and low_theta_x",
        "restart_tau_h": "theta_h and low_theta_h",
        "refresh": "theta_h and low_theta_h, whose errors do not add up",
    },
    Monitor: {"middle": "low alone", "restart_above": "mode auto, which restarts where that is shorter"},
}


def load_policy(path: Path, layers: int) -> list[Policy]:
    """Read a policy file: one object for all layers, or ``{"layers": [..]}`` with one object each.

    Raises
    ------
    UserError
        If the file is not JSON, has unknown keys, bad values or the wrong number of layers.
    """
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise UserError(str(path), f"cannot be read ({error.strerror})", "give a policy file") from None
    except (ValueError, RecursionError) as error:
        raise UserError(str(path), f"cannot be read as JSON ({error})", "give a policy file") from None
    return parse_policies(content, layers, str(path))


def parse_policies(content: object, layers: int, source: str) -> list[Policy]:
    """Policies of each layer from what a policy file holds; see :func:`load_policy`.

    Parameters
    ----------
    content : object
        JSON values; anything but an object is refused.
    layers : int
    source : str
        The file, for messages.
    """
    if not isinstance(content, dict):
        raise UserError(source, f"holds a {type(content).__name__}", "write an object")
    # What 'tune' wrote says so.
    content = {key: value for key, value in content.items() if key != "generator"}
    if "layers" not in content:
        return [_parse(Policy, content, source)] * layers
    entries = content["layers"]
    if set(content) != {"layers"} or not isinstance(entries, list):
        raise UserError(source, f"has keys {sorted(content)}", "write only a list 'layers'")
    if len(entries) != layers:
        raise UserError(
            f"{source} field layers", f"has {len(entries)} entries", f"write one for each of the {layers} layers"
        )
    return [_parse(Policy, entry, f"{source} field layers[{index}]") for index, entry in enumerate(entries)]


def describe_policy(policy: Policy) -> dict[str, Any]:
    """The policy as :func:`load_policy` reads it."""
    return {key: _plain(value) for key, value in dataclasses.asdict(policy).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return value.name.lower() if isinstance(value, enum.IntEnum) else value


def _parse(kind: type[Any], entry: object, where: str) -> Any:
    if not isinstance(entry, dict):
        raise UserError(where, f"is {entry!r}", "write an object")
    known = {field.name: field for field in dataclasses.fields(kind)}
    if old := sorted(set(entry) & set(_REPLACED.get(kind, ()))):
        raise UserError(
            f"{where} field {old[0]}",
            f"is {entry[old[0]]!r}, of policies before digit planes",
            f"leave it out and use {_REPLACED[kind][old[0]]}; docs/policies.md tells how",
        )
    if unknown := sorted(set(entry) - set(known)):
        raise UserError(where, f"has unknown key {unknown[0]!r}", f"use {', '.join(known)}")
    return kind(**{name: _value(known[name], value, f"{where} field {name}") for name, value in entry.items()})


def _value(field: dataclasses.Field[Any], value: object, where: str) -> Any:
    if field.name in _NESTED:
        return _parse(_NESTED[field.name], value, where)
    if field.name in _ENUMS:
        names = [member.name.lower() for member in _ENUMS[field.name]]
        if value not in names:
            raise UserError(where, f"is {value!r}", f"use {', '.join(names[:-1])} or {names[-1]}")
        return _ENUMS[field.name][str(value).upper()]
    if not field.metadata:
        if not isinstance(value, bool):
            raise UserError(where, f"is {value!r}", "use true or false")
        return value
    low, high = field.metadata["low"], field.metadata["high"]
    if value is None and field.default is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UserError(where, f"is {value!r}", f"use an integer between {low} and {high}")
    return value
