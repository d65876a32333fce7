"""Weight variants: where an entry's weights begin at the precision of its fold, and in the lower variant."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data

from lstmith.spec.config import PRECISIONS, EngineConfig


def choose_variants(
    m: Module,
    config: EngineConfig,
    fetch: data.View[data.StructLayout],
    fields: data.View[data.StructLayout],
    place: Value,
    level: Signal,
    lowered: Signal,
) -> None:
    """Drive the fields of a fetched entry that depend on precision.

    Parameters
    ----------
    m : Module
    config : EngineConfig
    fetch : fetch_layout(config)
    fields : descriptor_layout()
        The layer's descriptor.
    place : unsigned
        Columns before the segment's first, over all folds.
    level : unsigned(2)
        The fold's precision.
    lowered : unsigned(1)
        That is not the layer's own.
    """
    bases = {PRECISIONS.index(bits): getattr(fields, f"base_{bits}") for bits in config.precisions}
    codes = [(level, fetch.base)]
    if config.mixed:
        codes.append((fields.low, fetch.low_base))
    else:
        # Nobody looks; a constant would stay undefined in simulators that wait for an event.
        m.d.comb += fetch.low_base.eq(place)
    for code, base in codes:
        with m.Switch(code):
            for precision, begin in bases.items():
                with m.Case(precision) if len(bases) > 1 else m.Default():
                    m.d.comb += base.eq(begin + (place << precision))
    m.d.comb += [
        fetch.precision.eq(level),
        fetch.low.eq(fields.low),
        fetch.lowered.eq(lowered),
        # 4 bits per step from 8 to 4, 8 from 16 to 8, 12 from 16 to 4.
        fetch.shift.eq((fields.precision - level)[:2] + (fields.precision == 2) if config.monitor else 0),
    ]
    if config.monitor:
        with m.If(~lowered):
            m.d.comb += fetch.shift.eq(0)
