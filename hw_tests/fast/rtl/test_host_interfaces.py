"""What the host reaches: values pass whole."""

from __future__ import annotations

from amaranth.hdl import signed

from lstmith.rtl.host_interfaces import StateAccessSignature
from lstmith.spec.config import H_FRAC


def test_states_pass_whole() -> None:
    """h in Q1.15, and c in as many bits as it has; a read is as wide as a write."""
    members = StateAccessSignature(units=5, sequences=2, c_width=18).members
    shapes = {name: members[name].shape for name in ("hidden_value", "hidden", "cell_value", "cell")}
    h, c = signed(1 + H_FRAC), signed(18)
    assert shapes == {"hidden_value": h, "hidden": h, "cell_value": c, "cell": c}
    # Two sequences of five units, each at its own power of two.
    assert members["place"].shape == 4
