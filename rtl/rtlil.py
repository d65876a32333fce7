"""A component as RTLIL, the language that yosys reads fastest."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable


def to_rtlil(component: Elaboratable, name: str, platform: object = None) -> str:
    """Elaborate a component and all of its parts.

    Parameters
    ----------
    component : Component or Elaboratable
        With its ports in its signature.
    name : str
        Of its module, and the beginning of all other modules' names.
    platform : object
        What the component is elaborated for: None, or :class:`lstmith.rtl.prim.expressed.Expressed`.

    Returns
    -------
    str
        The same input gives the same bytes.
    """
    with without_collector():
        return str(rtlil.convert(component, name=name, platform=platform, emit_src=False))


@contextmanager
def without_collector() -> Iterator[None]:
    """Elaborate in here: nearly all that is made stays until the end, and looking for the rest takes a third of it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
