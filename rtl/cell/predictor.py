"""Skip predictor: an extra row of 4-bit weights beside the array (Sen and Raghunathan, TCAD 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import predictor_place_bits, row_layout
from lstmith.rtl.prim import parameters as check
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.product import PRODUCT_LATENCY, registered_product
from lstmith.rtl.prim.ram import RAM_LATENCY, Ram
from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.quantised import PREDICTOR_BITS, PREDICTOR_SUM_BITS


def predictor_weights(config: EngineConfig, image: MemoryImage | None) -> list[int]:
    """Initial weights by place; zero where the image has none."""
    init = [0] * (1 << predictor_place_bits(inputs=config.x_columns, units=config.units))
    if image is not None and image.predictor is not None:
        weights = image.predictor.tolist()
        recurrent = 1 << bits_for(config.x_columns)
        init[: image.inputs] = weights[: image.inputs]
        init[recurrent : recurrent + len(weights) - image.inputs] = weights[image.inputs :]
    return init


class Predictor(wiring.Component):
    """Adds the columns of the first layer's first fold as they are read, and judges when that fold is captured.

    The sum is kept from step to step as the array's are. The decision comes ``latency`` cycles after ``captured``.

    Parameters
    ----------
    inputs : int
        Most columns of the first layer's x.
    units : int
        Units of all layers together.
    operand_width : int
        Signed width of a column's operand.
    family : str
        One of ``FAMILIES``: whose multipliers may be instantiated.
    pipelined : bool
        Whether the clock is so fast that multipliers need their registers.
    init : sequence of int
        Initial weights by place, as :func:`predictor_weights` gives them.

    Members
    -------
    threshold : In(signed(PREDICTOR_SUM_BITS))
        The next step is skipped if the sum reaches it; valid ``latency - 1`` cycles after ``captured``.
    valid : In(1)
        A column of the first layer's first fold, for one cycle.
    entry : In(row_layout)
        That column; valid with ``valid``.
    captured : In(1)
        The first layer's first fold is captured, for one cycle, no earlier than a cycle after its last column.
    predicted : Out(1)
        The decision: the next step is to be skipped; it holds from ``decision`` to the next one.
    decision : Out(1)
        A decision has come, for one cycle.
    w_addr : In(place_bits)
        Place of a weight to write; valid with ``w_en``.
    w_data : In(signed(PREDICTOR_BITS))
        That weight; valid with ``w_en``.
    w_en : In(1)
        Writes a weight at the end of this cycle.

    Raises
    ------
    TypeError
        If a size is no integer.
    ValueError
        If a parameter is out of range.
    """

    def __init__(
        self,
        *,
        inputs: int,
        units: int,
        operand_width: int,
        family: str,
        pipelined: bool,
        init: Sequence[int] = (),
    ):
        check.integer("Predictor inputs", inputs, 1)
        check.integer("Predictor units", units, 1)
        self._operand_width = check.integer("Predictor operand_width", operand_width, 1)
        self._family, self._pipelined = check.family("Predictor", family), pipelined
        self._place_bits = predictor_place_bits(inputs=inputs, units=units)
        if len(init) > 1 << self._place_bits:
            raise ValueError(f"Predictor init must hold at most {1 << self._place_bits} weights, not {len(init)!r}")
        self._init = list(init)
        super().__init__(
            {
                "threshold": In(signed(PREDICTOR_SUM_BITS)),
                "valid": In(1),
                "entry": In(row_layout(inputs=inputs, units=units, operand_width=operand_width)),
                "captured": In(1),
                "predicted": Out(1),
                "decision": Out(1),
                "w_addr": In(self._place_bits),
                "w_data": In(signed(PREDICTOR_BITS)),
                "w_en": In(1),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from ``captured`` to ``decision``."""
        return self._settles + 1

    @property
    def _settles(self) -> int:
        """Cycles from a column to the sum that holds it, less the one that ``captured`` comes later."""
        return RAM_LATENCY + PRODUCT_LATENCY

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.weights = weights = Ram(
            signed(PREDICTOR_BITS), 1 << self._place_bits, self._init, attrs={"ram_style": "block"}
        )
        m.d.comb += [
            weights.r_addr.eq(self.entry.column),
            weights.w_addr.eq(self.w_addr),
            weights.w_data.eq(self.w_data),
            weights.w_en.eq(self.w_en),
        ]
        late = Signal(signed(self._operand_width))
        m.d.comb += late.eq(delayed(m, self.entry.operand, weights.latency, "operand"))
        clears = delayed(m, self.valid & self.entry.clears, weights.latency, "clears")
        adds = delayed(m, self.valid & ~self.entry.empty, weights.latency + PRODUCT_LATENCY, "adds")
        product = registered_product(m, "product", late, weights.r_data, family=self._family, pipelined=self._pipelined)
        total = Signal(signed(PREDICTOR_SUM_BITS))
        # Cleared in the cycle before the first addition; the last one of the pass before is over by then.
        with m.If(clears):
            m.d.sync += total.eq(0)
        with m.Elif(adds):
            m.d.sync += total.eq(total + product)
        judged = delayed(m, self.captured, self._settles, "judged")
        with m.If(judged):
            m.d.sync += self.predicted.eq(total >= self.threshold)
        m.d.sync += self.decision.eq(judged)
        return m
