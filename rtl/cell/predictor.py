"""Skip predictor: an extra row of 4-bit weights beside the array (Sen and Raghunathan, TCAD 2018)."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from lstmith.rtl.layouts import predictor_place_bits, row_layout
from lstmith.rtl.prim.arith import delayed
from lstmith.rtl.prim.product import registered_product
from lstmith.rtl.prim.ram import Ram
from lstmith.spec.config import EngineConfig, bits_for
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.quantised import PREDICTOR_BITS, PREDICTOR_SUM_BITS


def predictor_weights(config: EngineConfig, image: MemoryImage | None) -> list[int]:
    """Initial weights by place."""
    init = [0] * (1 << predictor_place_bits(config))
    if image is not None and image.predictor is not None:
        weights = image.predictor.tolist()
        recurrent = 1 << bits_for(config.inputs)
        init[: image.inputs] = weights[: image.inputs]
        init[recurrent : recurrent + len(weights) - image.inputs] = weights[image.inputs :]
    return init


class Predictor(wiring.Component):
    """Adds the columns of the first layer's first fold as they are read, and judges when that fold is captured.

    The sum is kept from step to step as the array's are. The verdict comes four cycles after
    ``captured``.

    Parameters
    ----------
    config : EngineConfig
    init : sequence of int
        Initial weights by place.

    Members
    -------
    threshold
        The next step is skipped if the sum reaches it.
    valid, entry
        A column of the first layer's first fold.
    captured
        The first layer's first fold is captured.
    run
        Clock enable of multipliers that have registers.
    predicted, verdict
        The verdict, and for one cycle that it has come.
    w_addr, w_data, w_en
        Write of a weight.
    """

    def __init__(self, config: EngineConfig, init: list[int] | None = None):
        self._config, self._init = config, init or []
        self._place_bits = predictor_place_bits(config)
        super().__init__(
            {
                "threshold": In(signed(PREDICTOR_SUM_BITS)),
                "valid": In(1),
                "entry": In(row_layout(config)),
                "captured": In(1),
                "run": In(1, init=1),
                "predicted": Out(1),
                "verdict": Out(1),
                "w_addr": In(self._place_bits),
                "w_data": In(signed(PREDICTOR_BITS)),
                "w_en": In(1),
            }
        )

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
        late = Signal(signed(self._config.operand_width))
        m.d.comb += late.eq(delayed(m, self.entry.operand, weights.latency, "operand"))
        clears = delayed(m, self.valid & self.entry.clears, weights.latency, "clears")
        adds = delayed(m, self.valid & ~self.entry.empty, weights.latency + 1, "adds")
        product = registered_product(m, "product", late, weights.r_data, self._config, self.run)
        total = Signal(signed(PREDICTOR_SUM_BITS))
        # Cleared in the cycle before the first addition; the last one of the pass before is over by then.
        with m.If(clears):
            m.d.sync += total.eq(0)
        with m.Elif(adds):
            m.d.sync += total.eq(total + product)
        judged = delayed(m, self.captured, 3, "judged")
        with m.If(judged):
            m.d.sync += self.predicted.eq(total >= self.threshold)
        m.d.sync += self.verdict.eq(judged)
        return m
