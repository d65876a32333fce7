"""MAC kinds behind one interface."""

from amaranth.hdl import Value

from lstmith.rtl.array.mac.digit import DigitMac
from lstmith.rtl.array.mac.dsp import DspMac
from lstmith.rtl.array.mac.dual import OPERAND_BITS, DualMac, dual_operand
from lstmith.rtl.array.mac.signature import mac_signature
from lstmith.spec.config import EngineConfig

__all__ = ["DigitMac", "DspMac", "DualMac", "mac_operand", "mac_signature", "make_mac"]


def make_mac(config: EngineConfig) -> DspMac | DualMac | DigitMac:
    """The MAC that ``config.mac`` names, of the kind that the family and the operands allow."""
    if config.dual_rows:
        return DualMac(config)
    return DigitMac(config) if config.mac == "digit" else DspMac(config)


def mac_operand(config: EngineConfig, operand: Value) -> Value:
    """An operand as the engine's MAC takes it, made once for all lanes."""
    return dual_operand(operand[:OPERAND_BITS].as_signed()) if config.dual_rows else operand
