"""MAC kinds behind one interface."""

from collections.abc import Iterable

from amaranth.hdl import Value

from lstmith.rtl.array.mac.digit import DigitMac
from lstmith.rtl.array.mac.dsp import DspMac, packed_init, packed_word
from lstmith.rtl.array.mac.dual import OPERAND_BITS, DualMac, dual_operand
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.rtl.array.mac.signature import mac_signature

__all__ = [
    "DigitMac",
    "DspMac",
    "DualMac",
    "MacParameters",
    "mac_init",
    "mac_operand",
    "mac_signature",
    "mac_word",
    "make_mac",
]


def make_mac(mac: MacParameters) -> DspMac | DualMac | DigitMac:
    """A MAC of the kind that the parameters name."""
    if mac.kind == "dual":
        return DualMac(mac)
    return DigitMac(mac) if mac.kind == "digit" else DspMac(mac)


def mac_operand(mac: MacParameters, operand: Value) -> Value:
    """An operand as the MAC takes it; made once, for all lanes."""
    return dual_operand(operand[:OPERAND_BITS].as_signed()) if mac.kind == "dual" else operand


def mac_word(mac: MacParameters, word: Value) -> Value:
    """A weight word as memories hold it for the MAC; made once, for all lanes."""
    return packed_word(word) if mac.packs_memory else word


def mac_init(mac: MacParameters, words: Iterable[int]) -> list[int]:
    """Initial weight words as memories hold them for the MAC."""
    return [packed_init(word) if mac.packs_memory else word for word in words]
