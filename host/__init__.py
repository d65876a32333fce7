"""Designs in execution: :class:`Accelerator`, a network on an engine; :class:`VirtualBoard`, a board in a simulator."""

from typing import TYPE_CHECKING

from lstmith.spec.exports import exports

if TYPE_CHECKING:
    from lstmith.host.accelerator import Accelerator
    from lstmith.host.board_sim import VirtualBoard
    from lstmith.host.runner import run_design
else:
    __getattr__ = exports(__name__, {"Accelerator": "accelerator", "VirtualBoard": "board_sim", "run_design": "runner"})

__all__ = ["Accelerator", "VirtualBoard", "run_design"]
