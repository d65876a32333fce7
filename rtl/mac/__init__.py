"""MAC kinds behind one interface."""

from lstmith.golden.config import EngineConfig

from .dsp import DspMac, mac_signature

__all__ = ["DspMac", "mac_signature", "make_mac"]


def make_mac(config: EngineConfig) -> DspMac:
    """The MAC that ``config.mac`` names.

    Raises
    ------
    ValueError
        If the kind is not built yet.
    """
    if config.mac != "dsp":
        raise ValueError(f"MAC kind must be 'dsp', not {config.mac!r}")
    return DspMac(config)
