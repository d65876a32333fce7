"""Tables of `lstmith bench seq2seq`."""

from __future__ import annotations

from typing import Any

from lstmith.scripts.bench.blocks import Table, markdown
from lstmith.scripts.bench.seq2seq.bench import FEW, FORMAT, LANES, UNITS

COLUMNS = ["words are said by", "again by all", "cycles per word", "A", "WER", "more, 95 %", "PER", "more, 95 %"]


def seq2seq_rows(result: dict[str, Any]) -> Table:
    """A row for everything that was judged."""
    return COLUMNS, [
        [
            row["name"],
            f"{row['again']:.1%}" if row["again"] else "-",
            f"{row['cycles']:,.0f}",
            f"{row['speedup']:.2f}x",
            *(text for metric in ("words", "phonemes") for text in _errors(row, metric)),
        ]
        for row in result["rows"]
    ]


def _errors(row: dict[str, Any], metric: str) -> list[str]:
    """An error rate, and how much more it is than the base's, relative."""
    more, low, high = row[f"{metric}_more"]
    return [f"{row[metric]:.2%}", f"{more:+.1%} ({low:+.1%} to {high:+.1%})"]


def seq2seq_text(result: dict[str, Any], measured: str) -> str:
    """The block of the page."""
    sizes = ", ".join(f"{name} {weights / 1e6:.2f}" for name, weights in result["weights"].items())
    tuning, judged = (f"{result['words'][split]:,}" for split in ("tune", "heldout"))
    return (
        f"{measured} {judged} held-out words on engines of {LANES} lanes, {FORMAT.name}, every step dense. *base* has "
        f"{UNITS} units; *nested* was trained to work with its first {FEW} too. Millions of weights: {sizes}; a "
        "cascade of two networks holds the weights of both. What the first of a cascade is unsure of is said again "
        f"by the second. Cascades and margins are chosen on {tuning} tuning words, such that the upper end of the "
        "95 % interval is within the limit. All networks were trained as long. A is over the base; changes are "
        "relative to it, with 95 % intervals of the same words drawn for both.\n\n"
        f"{markdown(*seq2seq_rows(result))}"
    )
