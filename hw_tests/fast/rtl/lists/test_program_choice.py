"""Program choice: who waits for settings, and who is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hw_tests.fast.rtl.wrappers.stream_bench import simulate
from lstmith.rtl.lists.program_choice import ProgramChoice
from lstmith.spec.config import PROGRAMS

ELEMENTS = 200


@pytest.mark.parametrize("programs", [2, 3, 5, 8])
def test_choice(programs: int, rng: np.random.Generator) -> None:
    """Elements that name any program, or none, each offered until it is taken."""
    unit = ProgramChoice(programs)

    async def bench(ctx: Any) -> None:
        asked, closed = 0, False
        for _ in range(ELEMENTS):
            names, wanted, gap = bool(rng.random() < 0.4), int(rng.integers(PROGRAMS)), int(rng.integers(3))
            absent = wanted >= programs
            other = names and not absent and wanted != asked
            ctx.set(unit.names, names)
            ctx.set(unit.wanted, wanted)
            for cycle in range(20):
                ctx.set(unit.clear, cycle >= gap)
                taken = cycle >= gap and not ctx.get(unit.waits)
                ctx.set(unit.accept, taken)
                assert ctx.get(unit.refuses) == (absent if names else closed)
                assert ctx.get(unit.refused) == (taken and names and absent)
                if taken:
                    break
                await ctx.tick()
            assert cycle == gap + (unit.wait if other else 0)
            await ctx.tick()
            ctx.set(unit.accept, 0)
            if names:
                asked, closed = asked if absent else wanted, absent
            assert ctx.get(unit.program) == asked

    simulate(unit, bench)
