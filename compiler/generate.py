"""The Verilog of a design: what ``lstmith generate`` writes is what simulators are given."""

from __future__ import annotations

from importlib.metadata import version

from lstmith.compiler.design import Design
from lstmith.compiler.program_image import build_memory_image
from lstmith.rtl.top import NAME, core_verilog
from lstmith.rtl.verilog import VerilogText
from lstmith.spec.policy_check import default_policies


def design_verilog(design: Design, *, image: bool = True, name: str = NAME) -> VerilogText:
    """The core of a design as Verilog, for the family of its target.

    Parameters
    ----------
    design : Design
    image : bool
        Whether the memories hold weights, program and registers from the start, for the default policies; a core
        without them takes any network that fits, through the bus.
    name : str
        Of the module, and the beginning of all its parts' names.

    Returns
    -------
    VerilogText
        The same design gives the same bytes.
    """
    engine, network = design.engine, design.network
    contents = build_memory_image(network, engine, default_policies(network, engine)) if image else None
    header = (
        f"lstmith {version('lstmith')}: {engine.lanes} lanes for {design.target}. This text is yours, under any terms.",
        f"Simulate {name} with iverilog or verilator, beside the file of vendor cells where there is one.",
    )
    return core_verilog(engine, contents, name, header)
