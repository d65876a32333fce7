"""Programs that stand for yosys, nextpnr and ecppack on PATH: they take moments, and tell of every run in a file."""

from __future__ import annotations

import sys
from pathlib import Path

_PROGRAM = """#!{python}
import json, sys, time, zlib
from pathlib import Path

name, arguments = Path(sys.argv[0]).name, sys.argv[1:]
if arguments == ["--version"]:
    print("Yosys 0.60 (stands in)" if name == "yosys" else "(Version nextpnr-0.9)")
    raise SystemExit
def log(text):
    with Path({log!r}).open("a") as file:
        file.write(f"{{name}} {{text}}\\n")
def value(option):
    return arguments[arguments.index(option) + 1]
if name == "yosys":
    source = next(part.split()[1] for part in arguments[-1].split(";") if part.startswith("read_rtlil"))
    job = f"{{source}} {{zlib.crc32(Path(source).read_bytes())}}"
    log(f"begins {{job}}")
    time.sleep({seconds})
    Path("top.json").write_text(json.dumps({{"modules": {{"top": {{"cells": {{}}}}}}, "of": job}}))
    cells = {{"LUT4": 5000, "TRELLIS_FF": 4000, "DP16KD": 20, "MULT18X18D": 10}}
    Path("stat.json").write_text(json.dumps({{"design": {{"num_cells_by_type": cells}}}}))
    log(f"ends {{job}}")
elif name == "ecppack":
    Path(arguments[-1]).write_bytes(Path(arguments[0]).read_bytes())
else:
    seed = int(value("--seed"))
    job = f"{{value('--freq')}} {{seed}} {{json.loads(Path(value('--json')).read_text())['of']}}"
    log(f"begins {{job}}")
    time.sleep({seconds})
    used = {{"TRELLIS_COMB": 8000, "TRELLIS_FF": 4000, "DP16KD": 24, "MULT18X18D": 10}}
    report = {{
        "utilization": {{kind: {{"used": count}} for kind, count in used.items()}},
        "fmax": {{"clk": {{"achieved": {reached}[seed % len({reached})]}}}},
        "critical_paths": [],
    }}
    Path(value("--report")).write_text(json.dumps(report))
    Path(value("--textcfg")).write_text(f"placed with {{seed}}")
    log(f"ends {{job}}")
"""


def stand_ins(folder: Path, log: Path, *, reached: tuple[float, ...], seconds: float = 0.0) -> Path:
    """A folder with ``yosys``, ``nextpnr-ecp5`` and ``ecppack`` for PATH, with LSTMITH_TOOLS=native.

    Parameters
    ----------
    folder : Path
        Made.
    log : Path
        A line when yosys or nextpnr begins, and when it ends, with what it works on: of nextpnr clock and seed first.
    reached : tuple of float
        MHz by seed, round and round.
    seconds : float
        That yosys and nextpnr take.
    """
    folder.mkdir()
    text = _PROGRAM.format(python=sys.executable, log=str(log), reached=reached, seconds=seconds)
    for name in ("yosys", "nextpnr-ecp5", "ecppack"):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder
