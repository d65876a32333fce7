"""Symbol encoder: what a symbol lists, and what it takes away."""

from __future__ import annotations

import numpy as np

from hw_tests.checks import Check, Sheet, Table, run_here
from hw_tests.fast.rtl.lists.list_cases import entries_of, put_all, widest_grid
from lstmith.golden.encoder import distance
from lstmith.rtl.layouts import lists
from lstmith.rtl.lists.symbol_encoder import SymbolEncoder
from lstmith.spec.config import EngineConfig
from lstmith.spec.policy import Mode

SYMBOLS = 5


def _check(rng: np.random.Generator, *, planes: int, sequences: int = 1) -> Check:
    """Symbols as close as allowed, some of them of steps that are not computed: as columns of a one-hot x.

    Entries come in the order in which columns change, the symbol itself last.
    """
    config = EngineConfig(
        lanes=1, precisions=(8,), operand_width=14, planes=planes, inputs=1, symbols=SYMBOLS, sequences=sequences
    )
    unit = SymbolEncoder(config)
    period, sheet = unit.latency + 1, Sheet(4000)
    shift, exponent = int(rng.integers(5, 9)), int(rng.integers(3))
    grid = widest_grid(shift, exponent, unsigned=True)
    put_all(sheet, "grid.", slice(None), {"shift": shift, "exponent": exponent, "pair": planes > 1})
    held = np.zeros((sequences, SYMBOLS), dtype=np.int64)
    seen: list[tuple[int, int, int | None, list[dict[int, tuple[int | None, ...]]]]] = []
    for at in range(period, sheet.cycles - period, period):
        symbol, sequence = int(rng.integers(SYMBOLS)), int(rng.integers(sequences))
        begins = not held[sequence].any()
        mode, exact = Mode(int(rng.choice([Mode.DENSE, Mode.SKIP, Mode.DELTA]))), begins or bool(rng.random() < 0.1)
        put_all(sheet, "", at, {"valid": 1, "symbol": symbol, "sequence": sequence})
        put_all(sheet, "grid.", slice(at, at + period), {"mode": mode, "exact": exact})
        value = np.where(np.arange(SYMBOLS) == symbol, grid.high, 0)
        anew = exact or mode is not Mode.DELTA
        before = np.zeros_like(value) if anew else held[sequence]
        found = entries_of(np.tile(before, (planes, 1)), np.tile(value, (planes, 1)), exponent)
        # How far the first step is from what another sequence held tells nobody anything.
        far = None if begins else int(distance(value, held[sequence]).sum())
        seen.append((at + unit.latency, symbol, far, [dict(entries) for entries in found]))
        if exact or rng.random() < 0.8:
            sheet.put("follows", at + unit.latency, 1)
            held[sequence] = value

    def verify(outputs: Table) -> None:
        for number, (at, symbol, far, wanted) in enumerate(seen):
            have: list[dict[int, tuple[int | None, ...]]] = [{} for _ in range(lists(planes))]
            for cycle in np.flatnonzero(outputs["o_valid"][at - unit.latency + 1 : at + 1]) + at - unit.latency + 1:
                for which, entries in enumerate(have):
                    name = f"o_candidates.{which}"
                    if (listed := int(outputs[f"{name}.planes"][cycle])) != 0:
                        assert listed == (1 << planes) - 1
                        operands = (int(outputs[f"{name}.operands.{plane}"][cycle]) for plane in range(planes))
                        entries[int(outputs["o_column"][cycle])] = tuple(operands)
            assert have == wanted, f"step {number}"
            assert (outputs["o_valid"][at], outputs["o_last"][at], outputs["o_column"][at]) == (1, 1, symbol)
            if far is not None:
                assert outputs["o_distance"][at] == far, f"step {number}"

    return Check(unit, sheet.table, verify)


def checks(rng: np.random.Generator, *, full: bool) -> dict[str, Check]:
    """One plane and two, and two sequences in turn."""
    return {
        "one_plane": _check(rng, planes=1),
        "two_planes": _check(rng, planes=2),
        "two_sequences": _check(rng, planes=1, sequences=2),
    }


def test_alone(rng: np.random.Generator) -> None:
    run_here(checks(rng, full=False))
