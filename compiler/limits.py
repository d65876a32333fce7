"""What an engine's generation parameters demand of a network's numbers."""

from __future__ import annotations

from dataclasses import dataclass

from lstmith.spec.config import PACKED_OPERAND, EngineConfig


@dataclass(frozen=True, kw_only=True)
class EngineLimits:
    """Bounds that quantisation keeps.

    Parameters
    ----------
    acc_width : int or None
        Width of the row sums if it is already fixed; None lets the engine follow the network.
    operand_width : int
        Largest signed width of an operand.
    c_width : int
        Width of the cell state.
    requant_width : int
        Width of the requantiser's multiplier operand, 16 or 18.
    planes : int
        Digit planes of the engine, 1 or 2.
    """

    acc_width: int | None = None
    operand_width: int = 18
    c_width: int = 18
    requant_width: int = 18
    planes: int = 1

    @classmethod
    def of(cls, config: EngineConfig) -> EngineLimits:
        """The limits of an engine that exists."""
        return cls(
            acc_width=config.acc_width,
            operand_width=config.operand_width,
            c_width=config.c_width,
            requant_width=config.requant_width,
            planes=config.planes,
        )

    def layer_planes(self, precision: int) -> int:
        """Digits of a weight: one where it is no wider than a digit, else as many as the engine has planes."""
        return 1 if precision == 4 else self.planes

    def digit_bits(self, precision: int) -> int:
        """Width of a weight's digit."""
        return precision // self.layer_planes(precision)

    def largest_operand(self, precision: int) -> int:
        """Largest magnitude of an operand that meets such weights."""
        path = (1 << (self.operand_width - 1)) - 1
        return min(path, PACKED_OPERAND) if self.digit_bits(precision) == 4 else path

    def model_config(self) -> EngineConfig:
        """An engine for trial runs of the golden model, with sums wide enough for every candidate."""
        return EngineConfig(
            lanes=1,
            precisions=(4, 8, 16),
            acc_width=48,
            operand_width=18,
            c_width=self.c_width,
            requant_width=self.requant_width,
            planes=self.planes,
        )
