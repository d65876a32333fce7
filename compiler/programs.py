"""Programs: chains of layers that lie side by side in one engine's memories."""

from __future__ import annotations

from dataclasses import dataclass

from lstmith.golden.network import FloatNetwork
from lstmith.spec.quantised import QuantNetwork


@dataclass(frozen=True)
class Program:
    """One chain of layers of a design.

    Parameters
    ----------
    name : str
        For messages and files; of a design with a single program it may be empty.
    network : QuantNetwork
    source : FloatNetwork
        What the network was quantised from.
    place : int
        Where the states of its first layer's units begin in the state memories. Programs at the same place take up each
        other's states; places that overlap nowhere keep states of several programs at once.
    """

    name: str
    network: QuantNetwork
    source: FloatNetwork
    place: int = 0

    @property
    def units(self) -> int:
        """Units of all its layers."""
        return sum(layer.units for layer in self.network.layers)

    @property
    def state_format(self) -> list[tuple[int, str, float]]:
        """Units, kind and LSB of the state of every layer: programs that agree may take up each other's states."""
        return [(layer.units, layer.kind.name, layer.c_lsb) for layer in self.network.layers]
