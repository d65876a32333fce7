"""From a design to a bitstream on a board: synthesis, placement, routing, programming."""

from typing import TYPE_CHECKING

from lstmith.spec.exports import exports

if TYPE_CHECKING:
    from lstmith.flow.bitstream import TimingError, build, synthesise
else:
    __getattr__ = exports(__name__, dict.fromkeys(("TimingError", "build", "synthesise"), "bitstream"))

__all__ = ["TimingError", "build", "synthesise"]
