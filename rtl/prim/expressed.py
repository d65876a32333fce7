"""Carry chains as plain sums, for long simulations: a sum is one operation there, a chain of cells one for each bit."""

from __future__ import annotations


class Expressed:
    """A platform, as Amaranth calls what a circuit is elaborated for: simulators that need no vendor's carry chains.

    The sums are the same in every bit; ``hw_tests/formal/benches/chains.py`` proves it.
    """


def chain_family(family: str, platform: object) -> str:
    """The family whose carry chains a part instantiates: its own, or ``generic``, which has none, for Expressed."""
    return "generic" if isinstance(platform, Expressed) else family
