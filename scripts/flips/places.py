"""Where the Verilog of a core holds bits: registers that a clock edge sets, and memories."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from lstmith.rtl.verilog import VerilogText

_MODULE = re.compile(r"^module (\w+)\s*\(", re.MULTILINE)
_REGISTER = re.compile(
    r"^  reg (?:\[(\d+):0\] )?(\\\S+ |\w+)(?:\s*\[(\d+):0\])?(?: = [^;]+)?;$",
    re.MULTILINE,
)
_SET = re.compile(r"^\s+(?:if \([^\n]*\) )?(\\\S+ |\w+)(?:\s*\[[^\]]*\])* <= ", re.MULTILINE)


def plainly_named(core: VerilogText) -> VerilogText:
    """The core with memories that are not called as the instances they are in: Icarus takes these for those."""
    return replace(core, text=re.sub(r"\bmemory( ?\[)", r"words\1", core.text))


def places(core: VerilogText) -> list[dict[str, Any]]:
    """Each place's path of instances, width in bits, and depth; a register has depth 0."""
    found: list[dict[str, Any]] = []
    starts = [(match[1], match.start()) for match in _MODULE.finditer(core.text)]
    ends = [start for _, start in starts[1:]] + [len(core.text)]
    bodies = {name: core.text[start:end] for (name, start), end in zip(starts, ends, strict=True)}
    for path, module in core.modules.items():
        body = bodies[module]
        clocked = {name.strip() for name in _SET.findall(body)}
        for high, name, last in _REGISTER.findall(body):
            plain = name.strip()
            if plain not in clocked:
                continue
            depth = int(last or -1) + 1
            told = "/".join(filter(None, (path, plain.lstrip("\\"))))
            found.append({"path": told, "width": int(high or 0) + 1, "depth": depth})
    return found
