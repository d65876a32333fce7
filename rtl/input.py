"""Input stage: the x stream to the first layer's column lists."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from lstmith.golden.config import EngineConfig, bits_for
from lstmith.golden.timing import INPUT_GAP

from .encoder import Encoder, GridFields
from .ram import Ram
from .types import InputWord, entry_layout


def step_list_layout(config: EngineConfig) -> data.StructLayout:
    """A finished list of one step's inputs."""
    return data.StructLayout({"count": unsigned(bits_for(config.inputs + 1)), "start": 1, "restart": 1})


class InputStage(wiring.Component):
    """Encodes the coming step's x while the present one computes: two list buffers alternate.

    One element per cycle; ``INPUT_GAP`` idle cycles between steps, so that a reference is stored
    before it is read again. A list is ready ``Encoder.latency + 1`` cycles after its last element.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    x
        Input stream.
    inputs
        Elements per step, minus 1.
    grid
        Grid, mode and threshold; ``forget`` and ``exact`` are set here.
    full, step
        Per buffer: whether it holds a finished list, and which.
    release
        Frees a buffer.
    r_addr, entry
        Read port: place in the list and, as the upper bit, the buffer; entry ``Ram.latency`` cycles later.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        super().__init__(
            {
                "x": In(stream.Signature(InputWord)),
                "inputs": In(bits_for(config.inputs)),
                "grid": In(GridFields),
                "full": Out(2),
                "step": Out(data.ArrayLayout(step_list_layout(config), 2)),
                "release": In(2),
                "r_addr": In(bits_for(config.inputs) + 1),
                "entry": Out(entry_layout(config, config.inputs)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        place = bits_for(config.inputs)
        entry = entry_layout(config, config.inputs)
        tag = data.StructLayout({"column": place, "last": 1, "buffer": 1, "start": 1, "restart": 1})
        m.submodules.encoder = encoder = Encoder(config, config.inputs, tag)
        m.submodules.lists = lists = Ram(entry, 2 << place)

        column, buffer = Signal(place), Signal()
        gap = Signal(range(INPUT_GAP + 1))
        start, restart = Signal(), Signal()
        last = column == self.inputs
        full = Array(self.full[index] for index in range(2))
        m.d.comb += self.x.ready.eq((gap == 0) & ~full[buffer])
        with m.If(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        # A step's flags come with its first element and hold for all of it.
        flags = Cat(start, restart)
        flags_now = Mux(column == 0, Cat(self.x.payload.start, self.x.payload.restart), flags)
        accept = self.x.valid & self.x.ready
        with m.If(accept):
            m.d.sync += [column.eq(column + 1), flags.eq(flags_now)]
            with m.If(last):
                m.d.sync += [column.eq(0), buffer.eq(~buffer), gap.eq(INPUT_GAP)]
        m.d.comb += [
            encoder.valid.eq(accept),
            encoder.value.eq(self.x.payload.value),
            encoder.index.eq(column),
            encoder.grid.eq(self.grid),
            encoder.grid.exact.eq(flags_now.any()),
            encoder.tag.column.eq(column),
            encoder.tag.last.eq(last),
            encoder.tag.buffer.eq(buffer),
            encoder.tag.start.eq(flags_now[0]),
            encoder.tag.restart.eq(flags_now[1]),
        ]

        count = Signal(bits_for(config.inputs + 1))
        total = Signal.like(count)
        m.d.comb += [
            total.eq(count + encoder.o_listed),
            lists.w_addr.eq(Cat(count[:place], encoder.o_tag.buffer)),
            lists.w_data.column.eq(encoder.o_tag.column),
            lists.w_data.operand.eq(encoder.o_operand),
            lists.w_en.eq(encoder.o_valid & encoder.o_listed),
            lists.r_addr.eq(self.r_addr),
            self.entry.eq(lists.r_data),
        ]
        with m.If(encoder.o_valid):
            m.d.sync += count.eq(Mux(encoder.o_tag.last, 0, total))
        for index in range(2):
            with m.If(encoder.o_valid & encoder.o_tag.last & (encoder.o_tag.buffer == index)):
                m.d.sync += [
                    self.full[index].eq(1),
                    self.step[index].count.eq(total),
                    self.step[index].start.eq(encoder.o_tag.start),
                    self.step[index].restart.eq(encoder.o_tag.restart),
                ]
            with m.Elif(self.release[index]):
                m.d.sync += self.full[index].eq(0)
        return m
