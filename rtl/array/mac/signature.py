"""Ports that every MAC kind has."""

from __future__ import annotations

from amaranth.hdl import signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.array.mac.negated import negated_operands
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.spec.codes import Gate
from lstmith.spec.config import WEIGHT_WORD_BITS


def mac_signature(mac: MacParameters) -> dict[str, wiring.Member]:
    """Ports of a MAC, which has no handshakes: one weight word per cycle.

    ``word`` and what lies beside it are valid in one cycle; ``enables``, ``split`` and ``raised`` are valid ``latency``
    cycles later, when the word's products are added to the sums.

    Members
    -------
    word : In(WEIGHT_WORD_BITS)
        Weight word: four 4-bit rows, two 8-bit rows or one 16-bit row, as :func:`.mac.mac_word` makes it.
    operand : In(signed(operand_width))
        The column's operand, beside ``word``; at most ``PACKED_OPERAND`` in magnitude for 4-bit rows. The kind ``dual``
        takes it as :func:`.dual.dual_operand` makes it.
    operand_negative_* : In(signed(operand_width + 1))
        Fields of :func:`.negated.negated_operands`, beside ``word``; with kind ``digit`` only.
    packed : In(1)
        The word holds four 4-bit rows; beside ``word``.
    wide : In(1)
        The word holds one 16-bit row; beside ``word``. With neither flag it holds two 8-bit rows.
    lifted : In(1)
        The word holds 8-bit digits of the top plane, which count 2^8 times as much; beside ``word``. With
        :attr:`.MacParameters.lifts` only.
    enables : In(4)
        Gate rows whose products are added in this cycle, by :class:`~lstmith.spec.codes.Gate`.
    split : In(1)
        ``packed`` once more, beside ``enables``.
    raised : In(1)
        The word held digits of the top plane, whose products are added ``2^width`` times; beside ``enables``. Never set
        where the word was ``lifted``. With two planes only.
    clear : In(2)
        Bit 0 clears the sums of gates i and f at the end of this cycle, bit 1 those of g and o. A sum that is cleared
        must not be enabled in the same cycle.
    sums : Out(signed(acc_width)), 4 of them
        Sum of each gate row; a product is in it from the cycle after its ``enables`` on.
    """
    return {
        "word": In(WEIGHT_WORD_BITS),
        "operand": In(signed(mac.operand_width)),
        **{name: In(shape) for name, shape in negated_operands(mac).items()},
        "packed": In(1),
        "wide": In(1),
        **({"lifted": In(1)} if mac.lifts else {}),
        "enables": In(len(Gate)),
        "split": In(1),
        **({"raised": In(1)} if mac.planes == 2 else {}),
        "clear": In(2),
        "sums": Out(data.ArrayLayout(signed(mac.acc_width), len(Gate))),
    }
