"""From a design to a bitstream on a board: synthesis, placement, routing, programming."""

from typing import TYPE_CHECKING

from lstmith.spec.exports import exports

if TYPE_CHECKING:
    from lstmith.flow.bitstream import build, synthesise
    from lstmith.flow.toolchain import TimingError
else:
    __getattr__ = exports(__name__, {"TimingError": "toolchain", "build": "bitstream", "synthesise": "bitstream"})

__all__ = ["TimingError", "build", "synthesise"]
