"""``lstmith bench``: the figures of the documentation, measured."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from lstmith.compiler.files import whole_file

from .console import out, say, table
from .inputs import check_writable, save_json


class Name(enum.StrEnum):
    """Benches."""

    SILERO = "silero"


def command(
    name: Annotated[Name, typer.Argument(help="Which bench.")] = Name.SILERO,
    json: Annotated[Path, typer.Option(help="All figures.")] = Path("build/bench.json"),
    markdown: Annotated[Path, typer.Option(help="The tables for the documentation.")] = Path("docs/results.md"),
) -> None:
    """Measure accuracy, exactness and cycles on speech that nothing was calibrated on."""
    from .silero_bench import accuracy_rows, mode_rows, run_silero

    for path in (json, markdown):
        if not path.parent.exists() and path.parent.parent.is_dir():
            path.parent.mkdir()
    check_writable(json, markdown)
    result = run_silero()
    accuracy, modes = accuracy_rows(result), mode_rows(result)
    save_json(json, result)
    with whole_file(markdown) as draft:
        draft.write_text(_page(result, accuracy, modes))
    out.print(table("Silero VAD against float", *accuracy))
    out.print(table(f"RTL on {result['lanes']} lanes, {result['frames']} frames", *modes))
    say(f"h is {'the same' if result['same_h'] else 'NOT the same'} in all modes; figures in {json}, {markdown}")


def _page(result: dict[str, Any], *tables: tuple[list[str], list[list[object]]]) -> str:
    accuracy, modes = (_markdown(*each) for each in tables)
    return (
        "# Results\n\n"
        "Written by `lstmith bench silero`. Silero VAD v6.2, 16 kHz; calls, sentences and names that nothing was "
        "calibrated on, clean and with noise.\n\n"
        f"## Decisions against float\n\n{accuracy}\n"
        f"## Cycles\n\nW8A8, {result['lanes']} lanes, Verilator on {result['frames']} frames; "
        "every h, c and list compared with the golden model, every step's cycles with the predicted ones. "
        f"h is {'the same' if result['same_h'] else 'not the same'} in all three modes.\n\n{modes}"
    )


def _markdown(columns: list[str], rows: list[list[object]]) -> str:
    lines: list[Sequence[object]] = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join(f"| {' | '.join(str(cell) for cell in line)} |\n" for line in lines)
