"""What the commands share: reading designs, sequences and policies, writing JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstmith.compiler.data import load_sequences
from lstmith.compiler.design import Design
from lstmith.compiler.files import whole_file
from lstmith.host.problem import Problem, make_problem
from lstmith.spec.errors import UserError
from lstmith.spec.policy_check import check_policies, default_policies
from lstmith.spec.policy_file import load_policy


def load_problem(design: Design, data: Path, policy: Path | None) -> Problem:
    """A design with the sequences of X.npz and a policy file, or the default policy.

    Raises
    ------
    UserError
        If a file is wrong, or the policy asks for what the design cannot do.
    """
    layers = len(design.network.layers)
    policies = load_policy(policy, layers) if policy else default_policies(design.network, design.engine)
    try:
        check_policies(design.network, design.engine, policies)
    except ValueError as error:
        problem, _, fix = str(error).partition(": ")
        raise UserError(str(policy), problem, fix or "change the policy or compile the network for it") from None
    return make_problem(design, load_sequences(data, design.source), policies)


def check_writable(*paths: Path | None) -> None:
    """Refuse, before long work, outputs whose folder is missing or that are folders.

    Raises
    ------
    UserError
        Naming the path.
    """
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise UserError(str(path), "is a directory", "give a file name")
        trial = path.with_name(f".{path.name}.trial-{os.getpid()}")
        try:
            trial.touch()
            trial.unlink()
        except OSError as error:
            raise UserError(str(path), f"cannot be written ({error.strerror})", "choose a writable path") from None


def save_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a JSON file; it appears whole."""
    with whole_file(path) as draft:
        draft.write_text(json.dumps(values, indent=2) + "\n")
