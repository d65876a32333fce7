"""Where a core holds bits, and what flips of some of them do."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstmith.rtl.cores import core_verilog
from lstmith.rtl.verilog import VerilogText
from lstmith.scripts.flips.__main__ import VERDICTS, page, run, table
from lstmith.scripts.flips.places import places, plainly_named
from lstmith.scripts.flips.protection import costs, parity, sum_luts
from lstmith.spec.config import EngineConfig

TEXT = """module core(clk);
  reg [7:0] count = 8'h00;
  reg [3:0] chosen;
  always @(posedge clk)
    count <= chosen;
  always @*
    chosen = count[3:0];
  memory memory (
    .clk(clk)
  );
endmodule

module core_memory(clk);
  reg [15:0] memory [63:0];
  reg \\busy$3  = 1'h0;
  always @(posedge clk) begin
    if (w_en)
      memory[w_addr] <= w_data;
  end
  always @(posedge clk)
    if (rst) \\busy$3  <= 1'h0;
    else \\busy$3  <= w_en;
endmodule
"""


def test_registers_and_memories_are_found() -> None:
    core = plainly_named(VerilogText(TEXT, {"": "core", "memory": "core_memory"}))
    assert "memory memory (" in core.text
    assert places(core) == [
        {"path": "count", "width": 8, "depth": 0},
        {"path": "memory/words", "width": 16, "depth": 64},
        {"path": "memory/busy$3", "width": 1, "depth": 0},
    ]


def test_a_core_has_many_of_both() -> None:
    found = places(core_verilog(EngineConfig(lanes=2, precisions=(8,), acc_width=24, operand_width=10, units=4)))
    assert sum(place["width"] for place in found if not place["depth"]) > 500
    assert sum(place["depth"] > 0 for place in found) > 5


def test_after_every_flip_the_core_can_be_made_right(tmp_path: Path) -> None:
    _, found = run(12, 3, tmp_path)
    assert len(found) == 12
    assert {flip["verdict"] for flip in found} <= set(VERDICTS)
    assert all(flip["right after"] in ("a reset", "a reload") for flip in found)
    assert all(flip["right after"] == "a reset" for flip in found if not flip["memory"] and flip["verdict"] == "masked")


def test_the_page_counts_registers_and_memories() -> None:
    flips = [
        {"path": "a", "memory": False, "verdict": "masked", "right after": "a reset"},
        {"path": "b", "memory": True, "verdict": "wrong value", "right after": "a reload"},
    ]
    counts = {group: dict(each) for group, each in table(flips).items()}
    held = [{"width": 7, "depth": 0}, {"width": 36, "depth": 512}, {"width": 4, "depth": 16}]
    text = page(
        {
            "measured": "today",
            "command": "make flips",
            "engine": "one",
            "counts": counts,
            "parts": {"a": [1, 0]},
            "protection": {"one": {**parity(held, "ecp5"), "writes": 3000}},
        }
    )
    assert "| registers | 1 | 1 | 0 | 0 | 0 | 1 | 0 | 0 |" in text
    assert "| memories | 1 | 0 | 0 | 1 | 0 | 0 | 1 | 0 |" in text
    # A block is 36 bits wide; sums of 36 and 37 bits take 12 tables each, those of 4 and 5 bits 1 and 2.
    assert "| `one` | 7 | 18,496 | 528 | 1 | 2 | 27 | 3,000 | 40 |" in text


@pytest.mark.parametrize(("bits", "luts"), [(1, 0), (2, 1), (4, 1), (5, 2), (7, 2), (8, 3)])
def test_sums_of_bits(bits: int, luts: int) -> None:
    assert sum_luts(bits) == luts


def test_what_a_scrub_writes_is_what_was_loaded() -> None:
    tiny = costs()["tiny"]
    assert tiny["registers"] > 500
    # Weights of 21 columns and 80 rows of 8 bits are two to a word, and each row has a scale.
    assert tiny["writes"] > 21 * 80 / 2
    assert tiny["parity"] < tiny["memories"]
