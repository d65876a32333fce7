"""Words, operands and sums of a MAC alone."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from hw_tests.checks import Check, Table, assert_equal, wrap
from lstmith.rtl.array.mac import make_mac
from lstmith.rtl.array.mac.negated import negated_operands
from lstmith.rtl.array.mac.parameters import MacParameters
from lstmith.spec.codes import Precision
from lstmith.spec.config import PACKED_OPERAND, PRECISIONS

Ints = npt.NDArray[np.int64]


CYCLES, SOME = 1 << 17, 2000


ROWS = np.arange(4)[:, None]


def random_signed(rng: np.random.Generator, width: int, count: int) -> Ints:
    """Random signed numbers; small ones, and the limits, are likely."""
    limit = 1 << (width - 1)
    value = rng.integers(-limit, limit, count) >> rng.integers(0, width, count)
    corner = rng.choice([-limit, -limit + 1, -1, 0, 1, limit - 1], count)
    return np.where(rng.random(count) < 0.1, corner, value)


def mac_check(
    mac: MacParameters, precision: Ints, weights: Ints, operand: Ints, sub: Ints, given: Ints | None = None
) -> Check:
    """``weights`` int64 [4, cycles] by place in the word: 4 of 4 bits, 2 of 8, or 1 of 16; ``given`` is the operand as
    the MAC takes it, if otherwise.
    """
    unit = make_mac(mac)
    bits = np.array(PRECISIONS)[precision]
    stored = weights.copy()
    if mac.packs_memory:
        # A negative digit borrows from the one that shares its multiplier.
        stored[2:] -= weights[:2] < 0
    word = np.where(ROWS * bits < 16, (stored & ((1 << bits) - 1)) << (bits * ROWS), 0)
    base = sub * (16 // bits)
    held = (base <= ROWS) & (base + 16 // bits > ROWS)  # rows of this word
    place = np.clip(ROWS - base, 0, 3)
    # Digits of the top plane count 2^bits times as much.
    raised = np.random.default_rng(len(operand) + 1).integers(0, mac.planes, len(operand))
    products = (np.take_along_axis(weights, place, axis=0) * operand) << (bits * raised)
    # Now and then a word is not added: a pair of sums is cleared instead.
    count = len(operand)
    clears = np.random.default_rng(count).integers(0, 64, count)
    clears = np.where(clears < 4, clears, 0)
    held &= clears == 0
    sums = np.zeros((4, count + 1), dtype=np.int64)
    for row in range(4):
        total = np.concatenate([[0], np.where(held[row], products[row], 0).cumsum()])
        cleared = np.flatnonzero(clears >> row // 2 & 1) + 1
        since = np.zeros(count + 1, dtype=np.int64)
        since[cleared] = total[cleared] - total[np.concatenate([[0], cleared[:-1]])]
        sums[row] = total - since.cumsum()

    def verify(outputs: Table) -> None:
        late = slice(unit.latency, unit.latency + count + 1)
        for row in range(4):
            assert_equal(f"sum of row {row}", outputs[f"sums.{row}"][late], wrap(sums[row], mac.acc_width))

    def beside_products(values: Ints) -> Ints:
        return np.concatenate([np.zeros(unit.latency, dtype=np.int64), values])

    table = {
        "word": word.sum(axis=0),
        "operand": operand if given is None else given,
        "packed": precision == Precision.W4,
        "wide": precision == Precision.W16,
    }
    table |= {"enables": beside_products((held << ROWS).sum(axis=0)), "clear": beside_products(clears)}
    for name in negated_operands(mac):
        negates = np.isin(bits, [int(part) for part in name.split("_") if part.isdecimal()])
        table[name] = np.where(negates, -operand, operand)
    if mac.lifts:
        table["lifted"] = raised & (precision == Precision.W8)
        raised = raised & (precision == Precision.W4)
    if mac.planes == 2:
        table["raised"] = beside_products(raised)
    return Check(unit, table | {"split": beside_products(precision == Precision.W4)}, verify)


def dual_check() -> Check:
    """iCE40's: every 8-bit weight with every difference of 8-bit values, another weight beside it."""
    mac = MacParameters(kind="dual", family="ice40", word_bits=(8,), operand_width=9, pipelined=False)
    operand, weight = (axis.ravel() for axis in np.meshgrid(np.arange(-255, 256), np.arange(-128, 128)))
    weights = np.array([weight, -1 - weight, weight, weight])
    given = np.abs(operand) | (operand < 0) << 8
    return mac_check(mac, np.full_like(operand, Precision.W8), weights, operand, np.arange(len(operand)) % 2, given)


def mac_checks(rng: np.random.Generator, kind: str, *, full: bool) -> dict[str, Check]:
    """A kind in every precision: all products of 4 and of 8 bits, random ones of 16, and mixed word by word.

    Less than ``full``, a random choice of the products, in their order.
    """
    mac = partial(MacParameters, kind=kind, acc_width=40)

    def some(*axes: Ints) -> list[Ints]:
        grid = [axis.ravel() for axis in np.meshgrid(*axes)]
        chosen = slice(None) if full else np.sort(rng.choice(len(grid[0]), SOME, replace=False))
        return [axis[chosen] for axis in grid]

    # Every 4-bit weight with every operand in every row, in four arrangements of neighbours.
    operand, weight, turn = some(np.arange(-PACKED_OPERAND, PACKED_OPERAND + 1), np.arange(15), np.arange(4))
    weights = np.array([(weight + row * (2 * turn + 1)) % 15 - 7 for row in range(4)])
    zero = np.zeros_like(operand)
    four = mac_check(mac(word_bits=(4,), operand_width=11), zero + Precision.W4, weights, operand, zero)
    # Every 8-bit product in every row.
    operand, weight, sub = some(np.arange(-128, 128), np.arange(256), np.arange(2))
    weights = np.array([weight - 128, 127 - weight, weight, weight])
    eight = mac_check(mac(word_bits=(8,), operand_width=10), np.full_like(operand, Precision.W8), weights, operand, sub)
    # 16 bits, and all precisions mixed word by word at the full operand width.
    cycles = CYCLES if full else SOME
    weights, operand = np.tile(random_signed(rng, 16, cycles), (4, 1)), random_signed(rng, 17, cycles)
    sub = rng.integers(0, 4, cycles)
    sixteen = mac_check(mac(word_bits=(16,), operand_width=17), np.full(cycles, Precision.W16), weights, operand, sub)
    mixed = random_check(rng, mac(word_bits=PRECISIONS, operand_width=18), cycles)
    found = {f"{kind}_4": four, f"{kind}_8": eight, f"{kind}_16": sixteen, f"{kind}_mixed": mixed}
    for word_bits, operand_width in (((4,), 9), ((4,), 11), ((8,), 17), ((4, 8), 17)):
        name = f"{kind}_planes_{'_'.join(map(str, word_bits))}_{operand_width}"
        found[name] = random_check(rng, mac(word_bits=word_bits, planes=2, operand_width=operand_width), cycles)
        plain = mac(word_bits=word_bits, planes=2, operand_width=operand_width, family="generic", pipelined=False)
        found[f"{name}_small"] = random_check(rng, plain, cycles)
    return found


def random_check(rng: np.random.Generator, mac: MacParameters, cycles: int) -> Check:
    """All widths of digits mixed word by word, with two planes both of them, operands of any size."""
    chosen = [Precision.of(bits) for bits in mac.word_bits]
    precision, operand = rng.choice(chosen, cycles), random_signed(rng, mac.operand_width, cycles)
    weights = np.array([random_signed(rng, 16, cycles) for _ in range(4)])
    weights = np.where(
        precision == Precision.W4, weights % 15 - 7, np.where(precision == Precision.W8, wrap(weights, 8), weights)
    )
    operand = np.where(precision == Precision.W4, np.clip(operand, -PACKED_OPERAND, PACKED_OPERAND), operand)
    sub = rng.integers(0, 4, cycles) % (1 << precision)
    return mac_check(mac, precision, weights, operand, sub)
