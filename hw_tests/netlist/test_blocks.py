"""The models of multipliers and block memories against plain Verilog, through the cells that yosys maps."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Const, Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from lstmith.boards.board import FAMILIES
from lstmith.flow.netlist import cell_models, map_netlist
from lstmith.rtl.array.mac.dsp import BESIDE
from lstmith.rtl.prim.ecp5 import REGISTERS, chosen_sum, gated_sum, multiplier

pytestmark = pytest.mark.netlist

_RAM_BENCH = """
module bench;
    parameter W = 1, AB = 1, D = 2;
    reg clk = 0, rst = 0, w_en = 0;
    reg [AB-1:0] r_addr = 0, w_addr = 0;
    reg [W-1:0] w_data = 0, expected = 0;
    wire [W-1:0] r_data;
    reg [W-1:0] memory [0:D-1];
    integer step, seed = 7, bad = 0;
    block dut (.clk(clk), .rst(rst), .r_addr(r_addr), .r_data(r_data), .w_addr(w_addr), .w_data(w_data), .w_en(w_en));
    initial begin
        $readmemh("init.hex", memory);
        for (step = 0; step < 3 * D + 2000; step = step + 1) begin
            // First all of the initial contents, then anything.
            r_addr = step < D ? step : $random(seed);
            w_addr = $random(seed);
            w_data = {$random(seed), $random(seed)};
            w_en = step >= D && $random(seed) & (w_addr != r_addr);
            expected = memory[r_addr];
            if (w_en) memory[w_addr] = w_data;
            #1 clk = 1;
            #1 if (r_data !== expected) bad = bad + 1;
            clk = 0;
            #1;
        end
        $display("bad %0d of %0d", bad, step);
        $finish;
    end
endmodule
"""

_MULTIPLIER_BENCH = """
module bench;
    parameter WA = 18, WB = 18, SIGNED = 1;
    reg [WA-1:0] a;
    reg [WB-1:0] b;
    wire [WA+WB-1:0] p;
    reg signed [63:0] long_a, long_b;
    reg [63:0] long_p;
    integer step, seed = 5, bad = 0;
    block dut (.a(a), .b(b), .p(p));
    function [17:0] corner(input integer index);
        case (index % 5)
            0: corner = 0;
            1: corner = 1;
            2: corner = 18'h3ffff;
            3: corner = 18'h3ffff ^ ((18'h1 << (index / 5 % 18)) - 1);
            default: corner = 18'h1 << (index / 5 % 18);
        endcase
    endfunction
    initial begin
        for (step = 0; step < 20000; step = step + 1) begin
            a = step < 8100 ? corner(step / 90) : $random(seed);
            b = step < 8100 ? corner(step % 90) : $random(seed);
            long_a = SIGNED ? {{64 - WA{a[WA-1]}}, a} : a;
            long_b = SIGNED ? {{64 - WB{b[WB-1]}}, b} : b;
            long_p = long_a * long_b;
            #1 if (p !== long_p[WA+WB-1:0]) bad = bad + 1;
        end
        $display("bad %0d of %0d", bad, step);
        $finish;
    end
endmodule
"""


_REGISTERED_BENCH = """
module bench;
    parameter WA = 18, WB = 18, LATENCY = 3;
    reg clk = 0;
    reg signed [WA-1:0] a = 0;
    reg signed [WB-1:0] b = 0;
    wire signed [35:0] p;
    reg signed [35:0] expected [0:3];
    integer step, seed = 3, bad = 0;
    block dut (.clk(clk), .rst(1'b0), .a(a), .b(b), .p(p));
    initial begin
        // New factors in every cycle; often a power of two or a limit.
        for (step = 0; step < 60000; step = step + 1) begin
            a = step % 5 ? $random(seed) : 1 << (step % WA);
            b = step % 7 ? $random(seed) : 1 << (step % WB);
            expected[3] = expected[2];
            expected[2] = expected[1];
            expected[1] = expected[0];
            expected[0] = a * b;
            if (step > 3 && p !== expected[LATENCY]) bad = bad + 1;
            #1 clk = 1;
            #1 clk = 0;
            #1;
        end
        $display("bad %0d of %0d", bad, step);
        $finish;
    end
endmodule
"""

_SUM_BENCH = """
module bench;
    parameter W = 24, C = 1, CARRY = 0, ALWAYS = 0;
    reg [W-1:0] total = 0, plain = 0, other = 0, chosen, wanted;
    reg [C-1:0] choice = 0;
    reg carry = 0;
    wire [W-1:0] s;
    integer step, seed = 11, bad = 0;
    block dut (.total(total), .plain(plain), .other(other), .choice(choice), .carry(carry), .s(s));
    initial begin
        for (step = 0; step < 60000; step = step + 1) begin
            total = step % 3 ? {$random(seed), $random(seed)} : {W{1'b1}};
            plain = step % 5 ? {$random(seed), $random(seed)} : 1;
            other = step % 7 ? {$random(seed), $random(seed)} : {W{1'b1}};
            choice = $random(seed);
            carry = $random(seed);
            // The last choice is that of all bits above.
            chosen = {{W - C{choice[C-1]}}, choice};
            wanted = total + (chosen & other | ~chosen & plain) + (CARRY & (ALWAYS | choice[0]) ? carry : 0);
            #1 if (s !== wanted) bad = bad + 1;
        end
        $display("bad %0d of %0d", bad, step);
        $finish;
    end
endmodule
"""

_GATED_BENCH = """
module bench;
    parameter W = 24;
    reg [W-1:0] a = 0, b = 0, wanted;
    reg a_on = 0, b_on = 0;
    wire [W-1:0] s;
    integer step, seed = 13, bad = 0;
    block dut (.a(a), .a_on(a_on), .b(b), .b_on(b_on), .s(s));
    initial begin
        for (step = 0; step < 60000; step = step + 1) begin
            a = step % 3 ? {$random(seed), $random(seed)} : {W{1'b1}};
            b = step % 5 ? {$random(seed), $random(seed)} : 1;
            a_on = $random(seed);
            b_on = $random(seed);
            wanted = (a_on ? a : 0) + (b_on ? b : 0);
            #1 if (s !== wanted) bad = bad + 1;
        end
        $display("bad %0d of %0d", bad, step);
        $finish;
    end
endmodule
"""


class _Block(wiring.Component):
    """A memory with one write and one read port."""

    def __init__(self, width: int, depth: int, init: list[int]):
        self._width, self._depth, self._init = width, depth, init
        address = (depth - 1).bit_length()
        super().__init__(
            {
                "r_addr": In(address),
                "r_data": Out(width),
                "w_addr": In(address),
                "w_data": In(width),
                "w_en": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self._width, depth=self._depth, init=self._init)
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            read.addr.eq(self.r_addr),
            read.en.eq(1),
            self.r_data.eq(read.data),
            write.addr.eq(self.w_addr),
            write.data.eq(self.w_data),
            write.en.eq(self.w_en),
        ]
        return m


class _Product(wiring.Component):
    """A product of two numbers."""

    def __init__(self, width_a: int, width_b: int, *, is_signed: bool):
        self._signed = is_signed
        super().__init__({"a": In(width_a), "b": In(width_b), "p": Out(width_a + width_b)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        factors = (self.a.as_signed(), self.b.as_signed()) if self._signed else (self.a, self.b)
        m.d.comb += self.p.eq(factors[0] * factors[1])
        return m


class _Registered(wiring.Component):
    """A multiplier with registers of its own."""

    def __init__(self, width_a: int, width_b: int, registers: tuple[str, ...]):
        self._registers = registers
        super().__init__({"a": In(signed(width_a)), "b": In(signed(width_b)), "p": Out(signed(36))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.p.eq(multiplier(m, "multiplier", self.a, self.b, registers=self._registers))
        return m


class _Sum(wiring.Component):
    """A row's adder."""

    def __init__(self, width: int, choices: int, *, has_carry: bool, always: bool):
        self._has_carry, self._always = has_carry, always
        members = dict.fromkeys(("total", "plain", "other"), In(signed(width)))
        super().__init__({**members, "choice": In(choices), "carry": In(1), "s": Out(signed(width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        carry = self.carry if self._has_carry else Const(0, 0)
        carries = Const(1) if self._always else self.choice[0]
        added = chosen_sum(m, "sum", self.total, self.plain, self.other, self.choice, carry, carries)
        m.d.comb += self.s.eq(added)
        return m


class _GatedSum(wiring.Component):
    """A chain of a brick."""

    def __init__(self, width: int):
        self._width = width
        number = signed(width)
        super().__init__({"a": In(number), "a_on": In(1), "b": In(number), "b_on": In(1), "s": Out(width)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += self.s.eq(gated_sum(m, "sum", self.a, self.a_on, self.b, self.b_on, self._width))
        return m


def _run(bench: str, parameters: dict[str, int], netlist: Path, folder: Path, family: str = "ecp5") -> str:
    """Compile a bench with its parameters, run it, and return what it prints."""
    source = folder / "bench.v"
    source.write_text(bench)
    sources = [str(path) for path in (source, netlist, *cell_models(family, folder))]
    options = [f"-Pbench.{name}={value}" for name, value in parameters.items()]
    compiler = ["iverilog", "-g2005", "-s", "bench", *options, "-o", "bench.vvp"]
    subprocess.run([*compiler, *sources], cwd=folder, check=True)
    return subprocess.run(["vvp", "bench.vvp"], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.drawn(4)
@pytest.mark.parametrize("family", ["ecp5", "gowin"])
@pytest.mark.parametrize("width", [1, 2, 4, 9, 18, 36])
def test_memory(family: str, width: int, tmp_path: Path, rng: np.random.Generator) -> None:
    depth = 16384 // width if width <= 4 else 18432 // width
    depth = 1 << (depth.bit_length() - 1)
    init = [int(value) for value in rng.integers(0, 1 << width, depth)]
    (tmp_path / "init.hex").write_text("\n".join(f"{value:x}" for value in init))
    netlist, cells = map_netlist(_Block(width, depth, init), family, "block", tmp_path)
    name, parameter = ("DP16KD", "DATA_WIDTH_B") if family == "ecp5" else ("SDPX9B", "BIT_WIDTH_1")
    assert cells[name if width >= 9 else name.replace("X9", "")] == 1
    assert f"{parameter}(32'd{width})" in netlist.read_text()
    parameters = {"W": width, "AB": depth.bit_length() - 1, "D": depth}
    assert _run(_RAM_BENCH, parameters, netlist, tmp_path, family) == f"bad 0 of {3 * depth + 2000}\n"


@pytest.mark.parametrize("family", ["ecp5", "gowin"])
@pytest.mark.parametrize(
    ("width_a", "width_b", "is_signed"), [(18, 18, True), (18, 18, False), (16, 13, True), (9, 9, True)]
)
def test_multiplier(family: str, width_a: int, width_b: int, is_signed: bool, tmp_path: Path) -> None:
    netlist, cells = map_netlist(_Product(width_a, width_b, is_signed=is_signed), family, "block", tmp_path)
    name = "MULT18X18D" if family == "ecp5" else "MULT18X18" if width_a > 9 else "MULT9X9"
    assert cells[name] == 1
    parameters = {"WA": width_a, "WB": width_b, "SIGNED": int(is_signed)}
    assert _run(_MULTIPLIER_BENCH, parameters, netlist, tmp_path, family) == "bad 0 of 20000\n"


@pytest.mark.parametrize(("registers", "latency"), [(REGISTERS, 3), (BESIDE, 2), (("OUTPUT",), 1)])
@pytest.mark.parametrize(("width_a", "width_b"), [(18, 13), (18, 18), (8, 13)])
def test_registered_multiplier(
    width_a: int, width_b: int, registers: tuple[str, ...], latency: int, tmp_path: Path
) -> None:
    netlist, cells = map_netlist(_Registered(width_a, width_b, registers), "ecp5", "block", tmp_path)
    assert (cells["MULT18X18D"], cells.get("TRELLIS_FF", 0)) == (1, 0)
    parameters = {"WA": width_a, "WB": width_b, "LATENCY": latency}
    assert _run(_REGISTERED_BENCH, parameters, netlist, tmp_path) == "bad 0 of 60000\n"


@pytest.mark.drawn(4)
@pytest.mark.parametrize(("has_carry", "always"), [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize(("width", "choices"), [(16, 1), (23, 1), (40, 1), (40, 19)])
def test_chosen_sum(width: int, choices: int, has_carry: bool, always: bool, tmp_path: Path) -> None:
    netlist, cells = map_netlist(_Sum(width, choices, has_carry=has_carry, always=always), "ecp5", "block", tmp_path)
    assert cells == {"CCU2C": (width + has_carry + 1) // 2}
    parameters = {"W": width, "C": choices, "CARRY": int(has_carry), "ALWAYS": int(always)}
    assert _run(_SUM_BENCH, parameters, netlist, tmp_path) == "bad 0 of 60000\n"


@pytest.mark.parametrize("width", [5, 14])
def test_gated_sum(width: int, tmp_path: Path) -> None:
    netlist, cells = map_netlist(_GatedSum(width), "ecp5", "block", tmp_path)
    assert cells == {"CCU2C": (width + 1) // 2}
    assert _run(_GATED_BENCH, {"W": width}, netlist, tmp_path) == "bad 0 of 60000\n"


class _Fields(wiring.Component):
    """A register of two elements, whose fields have names of their own."""

    def __init__(self) -> None:
        layout = data.ArrayLayout(data.StructLayout({"count": 1, "low": 1}), 2)
        super().__init__({"which": In(1), "i": In(2), "kept": Out(layout)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        kept = Signal(self.kept.shape())
        m.d.sync += kept[self.which].eq(self.i)
        m.d.comb += self.kept.eq(kept)
        return m


@pytest.mark.parametrize("family", FAMILIES)
def test_no_net_is_named_as_a_bit_of_another(family: str, tmp_path: Path) -> None:
    netlist, _ = map_netlist(_Fields(), family, "block", tmp_path)
    nets = json.loads(netlist.with_suffix(".json").read_text())["modules"]["block"]["netnames"]
    assert "kept" in nets
    # Bits that the netlist splits end so as well; an element has fields.
    assert [name for name in nets if re.search(r"\[\d+\]\.", name)] == []
