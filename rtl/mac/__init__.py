"""MAC kinds behind one interface."""

from lstmith.golden.config import EngineConfig

from .digit import DigitMac
from .dsp import DspMac
from .signature import mac_signature

__all__ = ["DigitMac", "DspMac", "mac_signature", "make_mac"]


def make_mac(config: EngineConfig) -> DspMac | DigitMac:
    """The MAC that ``config.mac`` names."""
    return DigitMac(config) if config.mac == "digit" else DspMac(config)
