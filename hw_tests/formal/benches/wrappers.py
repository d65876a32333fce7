"""Parts of the wrappers by induction: what waits holds still, nothing is lost or repeated, something always goes on."""

from __future__ import annotations

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw_tests.formal.properties import Fault, proves
from lstmith.rtl.wrappers import axi_lite, joining_slice, register_slice, sequence_tracker, wishbone
from lstmith.spec.config import EngineConfig

DEPTH = 4


@proves(
    "stream register keeps elements",
    says="A stream register loses, repeats and reorders nothing, and what it offers holds still.",
    fault=Fault(register_slice, "Mux(free, self.i.payload, self.spare)", "self.i.payload"),
    depth=DEPTH,
    cover=sequence_tracker.STEPS + 4,
)
class SliceBench(wiring.Component):
    """Elements are numbered as they come in: those that leave must have the next number."""

    def __init__(self) -> None:
        super().__init__({"valid": In(1), "ready": In(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = register_slice.RegisterSlice(4)
        came, left = Signal(4), Signal(4)
        inside = Signal(4)
        m.d.comb += [
            unit.i.valid.eq(self.valid),
            unit.i.payload.eq(came),
            unit.o.ready.eq(self.ready),
            inside.eq(came - left),
        ]
        with m.If(unit.i.valid & unit.i.ready):
            m.d.sync += came.eq(came + 1)
        with m.If(unit.o.valid & unit.o.ready):
            m.d.sync += left.eq(left + 1)
        # What is inside, by number: that is enough for nothing to be lost, repeated or changed while it waits.
        m.d.comb += [
            Assert(inside == unit.o.valid + unit.spare_valid),
            Assert(~unit.spare_valid | unit.o.valid),
            Assert(~unit.o.valid | (unit.o.payload == left)),
            Assert(~unit.spare_valid | (unit.spare == (left + 1)[:4])),
            # It takes an element unless two wait, and offers one as soon as it has one.
            Assert(unit.i.ready | (inside == 2)),
            Assert(unit.o.valid | (inside == 0)),
            Cover(inside == 2),
        ]
        return m


@proves(
    "two streams join in order",
    says="Of a stream register with two sources nothing is lost, repeated or mixed, wherever elements come from.",
    fault=Fault(joining_slice, "with m.If(self.joining & ~self.spare_valid):", "with m.If(self.spare_valid):"),
    depth=DEPTH,
    cover=sequence_tracker.STEPS + 4,
)
class JoiningBench(wiring.Component):
    """Elements are numbered as they come in, from either side; the side changes only while nothing is inside."""

    def __init__(self) -> None:
        super().__init__({name: In(1) for name in ("valid", "sends", "joins", "ready")})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = joining_slice.JoiningSlice(4)
        came, left, inside = Signal(4), Signal(4), Signal(4)
        joined, empty = Signal(), Signal(init=1)
        first, second = unit.i.valid & unit.i.ready, unit.j.valid & unit.j.ready
        m.d.comb += [
            unit.joins.eq(self.joins),
            unit.i.valid.eq(self.valid),
            unit.j.valid.eq(self.sends),
            unit.i.payload.eq(came),
            unit.j.payload.eq(came),
            unit.o.ready.eq(self.ready),
            inside.eq(came - left),
            Assume(~self.sends | self.joins),
            Assume((self.joins == joined) | empty),
        ]
        m.d.sync += [joined.eq(self.joins), empty.eq((inside == 0) & ~second)]
        with m.If(first | second):
            m.d.sync += came.eq(came + 1)
        with m.If(unit.o.valid & unit.o.ready):
            m.d.sync += left.eq(left + 1)
        m.d.comb += [
            Assert(~(first & second)),
            Assert(unit.joining == joined),
            Assert(~unit.joining | ~unit.i.ready),
            # What is inside, by number, and nothing where nothing is.
            Assert(inside == unit.o.valid + unit.spare_valid + unit.joined_valid),
            Assert(~unit.spare_valid | (unit.o.valid & ~unit.i.ready)),
            Assert(~unit.joined_valid | (unit.joining & ~unit.o.valid & (unit.spare == 0))),
            Assert(~unit.o.valid | (unit.o.payload == left)),
            Assert(~unit.spare_valid | (unit.spare == (left + 1)[:4])),
            Assert(unit.joined == Mux(unit.joined_valid, left, 0)),
            # An element is taken unless two wait, and offered as soon as it is there.
            Assert(unit.i.ready | unit.spare_valid | unit.joining),
            Assert(unit.j.ready | ~unit.joining | (inside != 0)),
            Assert(unit.o.valid | unit.joined_valid | (inside == 0)),
            Cover(unit.joined_valid & (left == 3)),
        ]
        return m


@proves(
    "step ends as it began",
    says="A step leaves the wrapper with its own end, without a result if it was skipped; none waits without a reason.",
    fault=Fault(sequence_tracker, "opened.eq(following != self.left)", "opened.eq(1)"),
    depth=DEPTH,
    cover=sequence_tracker.STEPS + 4,
)
class TrackerBench(wiring.Component):
    """An engine that takes steps of any length, tells outcomes after them and gives results for what it computes."""

    def __init__(self) -> None:
        super().__init__(
            {
                **{name: In(1) for name in ("valid", "last", "x_ready", "x_last", "tells", "skips", "gives", "closes")},
                "ready": In(1),
                "pick": In(range(2 * sequence_tracker.STEPS)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = EngineConfig(lanes=1, precisions=(8,), units=2, inputs=2)
        m.submodules.unit = unit = sequence_tracker.SequenceTracker(config)
        steps = sequence_tracker.STEPS
        entered, told, left = Signal(range(2 * steps)), Signal(range(2 * steps)), Signal(range(2 * steps))
        m.d.comb += [
            unit.i.valid.eq(self.valid),
            unit.i.payload.last.eq(self.last),
            unit.x.ready.eq(self.x_ready),
            unit.x_last.eq(self.x_last),
            unit.outcome_valid.eq(self.tells),
            unit.outcome_skipped.eq(self.skips),
            unit.h.valid.eq(self.gives),
            unit.h.payload.last.eq(self.closes),
            unit.o.ready.eq(self.ready),
            # An outcome is of a step that is in.
            Assume(~self.tells | (told != entered)),
        ]
        enters = unit.x.valid & unit.x.ready & unit.x_last
        leaves = unit.o.valid & unit.o.ready & unit.o.payload.last
        with m.If(enters):
            m.d.sync += entered.eq(entered + 1)
        with m.If(self.tells):
            m.d.sync += told.eq(told + 1)
        with m.If(leaves):
            m.d.sync += left.eq(left + 1)
        width = len(entered)
        inside, unknown = (entered - left)[:width], (entered - told)[:width]
        # One step, any: whether it ends a sequence and is skipped must come out with it.
        number, ends, skipped = Signal(width), Signal(), Signal()
        kept, chosen = Signal(width), Signal()
        m.d.sync += [kept.eq(number), chosen.eq(1)]
        m.d.comb += [number.eq(Mux(chosen, kept, self.pick)), Assert(chosen | ((entered == 0) & (left == 0)))]
        with m.If(enters & (entered == number)):
            m.d.sync += ends.eq(self.last)
        with m.If(self.tells & (told == number)):
            m.d.sync += skipped.eq(self.skips)
        here = (number - left)[:width] < inside
        known = here & ((number - left)[:width] < (told - left)[:width])
        ended, passed = self._stored(m, unit, number)
        m.d.comb += [
            Assert(inside < steps),
            Assert(unknown <= inside),
            Assert(unit.entered == entered[:-1]),
            Assert(unit.told == told[:-1]),
            Assert(unit.left == left[:-1]),
            Assert(~here | (ended == ends)),
            Assert(~known | (passed == skipped)),
            # It closes with its own end, a skipped one without a result of the engine.
            Assert(~(leaves & (left == number) & here) | (unit.o.payload.end == ends)),
            Assert(~(unit.o.valid & (left == number)) | (unit.o.payload.skipped == skipped)),
            Assert(~(unit.h.valid & unit.h.ready) | (unit.o.valid & unit.o.ready & ~unit.o.payload.skipped)),
            # Nothing leaves before it is in, and nothing waits where there is room, or a result, or a skipped step.
            Assert(~unit.o.valid | (inside != 0)),
            Assert(unit.x.valid | ~self.valid | (inside == steps - 1)),
            Assert(unit.o.valid | (told == left) | ~self.gives),
            Cover(inside == steps - 1),
        ]
        return m

    def _stored(self, m: Module, unit: sequence_tracker.SequenceTracker, number: Signal) -> tuple[Signal, Signal]:
        """What the memories hold of a step."""
        ends, outcomes = Signal(), Signal()
        end, outcome = unit.ends.read_port(domain="comb"), unit.outcomes.read_port(domain="comb")
        m.d.comb += [
            end.addr.eq(number),
            outcome.addr.eq(number),
            ends.eq(end.data[0]),
            outcomes.eq(outcome.data),
        ]
        return ends, outcomes


@proves(
    "AXI access is answered once",
    says="Each AXI access is answered once, answers hold still until taken, and something always goes on.",
    fault=Fault(
        axi_lite,
        "answered.eq((self.bvalid & self.bready) | (self.rvalid & self.rready))",
        "answered.eq(self.bvalid | self.rvalid)",
    ),
    depth=DEPTH,
    cover=sequence_tracker.STEPS + 4,
)
class AxiLiteBench(wiring.Component):
    """Masters that hold what they offer, and registers that take as long as they like."""

    def __init__(self) -> None:
        super().__init__({name: In(1) for name in ("aw", "w", "b", "ar", "r", "done")})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = axi_lite.AxiLite()
        access = unit.access
        pairs = {"aw": (self.aw, unit.awready), "w": (self.w, unit.wready), "ar": (self.ar, unit.arready)}
        m.d.comb += [
            *(getattr(unit, f"{name}valid").eq(valid) for name, (valid, _) in pairs.items()),
            unit.bready.eq(self.b),
            unit.rready.eq(self.r),
            access.done.eq(self.done),
        ]
        for name, (valid, ready) in pairs.items():
            held = Signal(name=f"{name}_held")
            m.d.sync += held.eq(valid & ~ready)
            m.d.comb += Assume(~held | valid)
        # Begun and not over; and what was taken and is not answered.
        open_, asked = Signal(), {name: Signal(name=f"{name}_asked") for name in ("aw", "w", "ar")}
        m.d.comb += Assume(~self.done | open_)
        with m.If(access.valid):
            m.d.sync += open_.eq(1)
        with m.Elif(self.done):
            m.d.sync += open_.eq(0)
        answered = {"aw": unit.bvalid & self.b, "w": unit.bvalid & self.b, "ar": unit.rvalid & self.r}
        for name, (valid, ready) in pairs.items():
            with m.If(valid & ready):
                m.d.sync += asked[name].eq(1)
                m.d.comb += Assert(~asked[name])
            with m.Elif(answered[name]):
                m.d.sync += asked[name].eq(0)
                m.d.comb += Assert(asked[name])
        waits = {"b": unit.bvalid & ~self.b, "r": unit.rvalid & ~self.r}
        for name, waiting in waits.items():
            held, resp = Signal(name=f"{name}_held"), Signal(2, name=f"{name}_resp")
            valid, given = getattr(unit, f"{name}valid"), getattr(unit, f"{name}resp").as_value()
            m.d.sync += [held.eq(waiting), resp.eq(given)]
            m.d.comb += Assert(~held | (valid & (given == resp)))
        takes, answers = unit.awready | unit.arready, unit.bvalid | unit.rvalid
        m.d.comb += [
            Assert(~(unit.bvalid & unit.rvalid)),
            Assert(unit.awready == unit.wready),
            Assert(~(unit.awready & unit.arready)),
            Assert(~takes | (unit.active & ~unit.begun)),
            Assert(~unit.awready | (self.aw & self.w & access.write)),
            Assert(~unit.arready | (self.ar & ~access.write)),
            Assert(unit.begun == (open_ | answers)),
            Assert(~(open_ & answers)),
            Assert(~unit.begun | unit.active),
            Assert(~unit.bvalid | access.write),
            Assert(~unit.rvalid | ~access.write),
            Assert(asked["aw"] == asked["w"]),
            Assert((asked["aw"] | asked["ar"]) == (unit.active & ~takes)),
            Assert(~asked["aw"] | access.write),
            Assert(~asked["ar"] | ~access.write),
            # Something goes on: an access is taken, begun, with the registers, or answered.
            Assert(~unit.active | takes | access.valid | open_ | answers),
            Cover(unit.bvalid & self.ar),
        ]
        waited = Signal()
        m.d.sync += waited.eq(~unit.active & ((self.aw & self.w) | self.ar))
        m.d.comb += Assert(~waited | unit.active)
        return m


@proves(
    "Wishbone access is answered once",
    says="Each Wishbone access is answered once, and none without having been asked for.",
    fault=Fault(wishbone, "asks & ~self.active & self.stall", "asks & ~self.active"),
    depth=DEPTH,
    cover=sequence_tracker.STEPS + 4,
)
class WishboneBench(wiring.Component):
    """A master that holds its access until the answer, and registers that take as long as they like."""

    def __init__(self) -> None:
        super().__init__({name: In(1) for name in ("asks", "done", "fine")})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.unit = unit = wishbone.Wishbone()
        access, open_, held = unit.access, Signal(), Signal()
        answers = unit.ack | unit.err
        m.d.comb += [
            unit.cyc.eq(self.asks),
            unit.stb.eq(self.asks),
            access.done.eq(self.done),
            access.answer.eq(~self.fine.replicate(2)),
            Assume(~self.done | open_),
            Assume(~held | self.asks),
        ]
        m.d.sync += held.eq(self.asks & ~answers)
        with m.If(access.valid):
            m.d.sync += open_.eq(1)
        with m.Elif(self.done):
            m.d.sync += open_.eq(0)
        waited = Signal()
        m.d.sync += waited.eq(self.asks & ~unit.active & ~answers)
        m.d.comb += [
            Assert(~(unit.ack & unit.err)),
            Assert(unit.stall == ~answers),
            # Every access has one answer, and none is given without one.
            Assert(unit.active == (access.valid | open_)),
            Assert(~(access.valid & open_)),
            Assert(unit.awaited | ~unit.active),
            Assert(~unit.active | held),
            Assert(~answers | ~unit.active),
            Assert(~answers | self.asks),
            Assert(~waited | unit.active),
            Cover(unit.err),
        ]
        return m
