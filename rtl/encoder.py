"""Encoder: a stream of 16-bit values to the list entries that count."""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import EngineConfig, bits_for
from lstmith.golden.policy import Mode

from .arith import delayed
from .ram import Ram


class GridFields(data.Struct):
    """How values become operands, and which of them are listed; see ``golden.quantised.Grid``."""

    shift: unsigned(4)
    exponent: unsigned(3)
    unsigned: 1
    mode: Mode
    theta: unsigned(16)
    forget: 1  #: references count as zero
    exact: 1  #: no threshold: the sums are recomputed


class Encoder(wiring.Component):
    """Rounds a value to its grid, compares it with its reference and lists the difference.

    Latency 4 cycles, throughput one value per cycle. The same reference must not return within
    four cycles.

    Parameters
    ----------
    config : EngineConfig
    references : int
        Number of reference values kept.
    tag : shape-like
        Travels with a value.

    Members
    -------
    valid, value, index, tag, grid
        A value, the place of its reference, and how to encode it.
    o_valid, o_listed, o_operand, o_tag
        ``latency`` cycles later: whether it is listed, and the operand to list.
    """

    def __init__(self, config: EngineConfig, references: int, tag: data.StructLayout):
        self._config, self._references, self._tag = config, references, tag
        super().__init__(
            {
                "valid": In(1),
                "value": In(signed(16)),
                "index": In(bits_for(references)),
                "tag": In(tag),
                "grid": In(GridFields),
                "o_valid": Out(1),
                "o_listed": Out(1),
                "o_operand": Out(signed(config.operand_width)),
                "o_tag": Out(tag),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from a value to its entry."""
        return 4

    def elaborate(self, platform: object) -> Module:
        m = Module()
        # A grid value fits 16 bits signed: an unsigned 8-bit grid has 9.
        m.submodules.references = references = Ram(signed(16), self._references)

        # Stage 1: shift to the grid, keeping one fraction bit.
        shifted, largest, top = Signal(signed(17)), Signal(signed(17)), Signal(signed(17))
        valid, index = Signal(), Signal.like(self.index)
        tag, grid = Signal(self._tag), Signal(GridFields)
        m.d.sync += [
            shifted.eq((self.value << 1) >> self.grid.shift),
            largest.eq(0xFFFF >> self.grid.shift),
            top.eq(0x7FFF >> self.grid.shift),
            valid.eq(self.valid),
            index.eq(self.index),
            tag.eq(self.tag),
            grid.eq(self.grid),
        ]
        m.d.comb += references.r_addr.eq(index)

        # Stage 2: round half up, saturate. Only the largest value rounds beyond the grid.
        on_grid = Signal(signed(16))
        with m.If(grid.unsigned & (shifted < 0)):
            m.d.comb += on_grid.eq(0)
        with m.Elif(shifted == largest):
            m.d.comb += on_grid.eq(top)
        with m.Else():
            m.d.comb += on_grid.eq((shifted + 1) >> 1)
        value = delayed(m, on_grid, 1, "value").as_signed()
        valid, index = delayed(m, valid, 1, "valid"), delayed(m, index, 1, "index")
        tag, grid = delayed(m, tag.as_value(), 1, "tag"), data.View(GridFields, delayed(m, grid.as_value(), 1, "grid"))

        # Stage 3: between which references the value does not count; the memory answers meanwhile.
        restarts, theta = Signal(), Signal(16)
        m.d.comb += [
            restarts.eq((grid.mode != Mode.DELTA) | grid.exact),
            theta.eq(Mux(restarts, 0, grid.theta)),
        ]
        low, high = Signal(signed(18)), Signal(signed(18))
        forget, always = Signal(), Signal()
        m.d.sync += [
            low.eq(value - theta),
            high.eq(value + theta),
            forget.eq(restarts | grid.forget),
            always.eq(grid.mode == Mode.DENSE),
        ]
        valid, index, exponent = (
            delayed(m, signal, 1, f"{name}_2")
            for name, signal in (("valid", valid), ("index", index), ("exponent", grid.exponent))
        )
        value = delayed(m, value, 1, "value_2").as_signed()
        tag = delayed(m, tag, 1, "tag_2")

        # Stage 4: the change, and whether it counts. What the sums hold follows what was listed.
        reference, change = Signal(signed(16)), Signal(signed(17))
        m.d.comb += [
            reference.eq(Mux(forget, 0, references.r_data)),
            change.eq(value - reference),
        ]
        written, kept = Signal(signed(16)), Signal(signed(16))
        m.d.sync += [
            self.o_valid.eq(valid),
            self.o_listed.eq(always | (reference < low) | (reference > high)),
            self.o_operand.eq(change << exponent),
            self.o_tag.eq(tag),
            written.eq(value),
            kept.eq(reference),
            references.w_addr.eq(index),
        ]
        m.d.comb += [
            references.w_data.eq(Mux(self.o_listed, written, kept)),
            references.w_en.eq(self.o_valid),
        ]
        return m
