"""What the commands share: reading designs, sequences and policies, writing JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lstmith.compiler.data import load_sequences
from lstmith.compiler.design import Design
from lstmith.compiler.files import whole_file
from lstmith.compiler.marks import KEY, Kind
from lstmith.host.request import RunRequest, make_request
from lstmith.spec.errors import UserError
from lstmith.spec.policy_check import check_policies, default_policies
from lstmith.spec.policy_file import load_policy

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def load_problem(design: Design, data: Path, policy: Path | None) -> RunRequest:
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
        request, _, fix = str(error).partition(": ")
        raise UserError(str(policy), request, fix or "change the policy or compile the network for it") from None
    return make_request(design, load_sequences(data, design.source), policies)


def save_json(path: Path, values: Mapping[str, Any], kind: Kind) -> None:
    """Write a JSON file with its mark; it appears whole."""
    with whole_file(path) as draft:
        draft.write_text(json.dumps({**values, KEY: kind.mark}, indent=2) + "\n")


def save_picture(path: Path, figure: Figure, kind: Kind) -> None:
    """Write a figure as PNG with its mark; it appears whole."""
    with whole_file(path) as draft:
        figure.savefig(draft, format="png", dpi=120, metadata={"Software": kind.mark})
