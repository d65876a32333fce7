"""Placement and routing of a netlist that is there, with one seed after the other or by whoever else does it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from lstmith.flow.cache import Step
from lstmith.flow.toolchain import ToolError, first_error, run_tool
from lstmith.flow.toolset import tool_versions

#: nextpnr's log and its figures, in a folder of results.
LOG, REPORT = "nextpnr.log", "report.json"
#: Seconds of a processor after which nextpnr is taken not to end: on a device that is nearly full a placer may search
#: for ever. 64 lanes with their link, 22,000 lookup tables, take nine minutes.
LONGEST = 3600
#: What nextpnr says of a cell that fits nowhere.
NO_PLACE = "Unable to find legal placement"


@dataclass(frozen=True)
class Routing:
    """A run of nextpnr, which may be tens of minutes.

    Attributes
    ----------
    folder : Path
        Holds what it reads; what it gives goes there.
    router : str
        The tool, as ``nextpnr-ecp5``.
    arguments : tuple of str
    placers : tuple of tuple of str
        Further arguments, one choice after the other until one finds a placement.
    inputs, outputs : tuple of str
        Files in the folder.
    packages : tuple of str
        Of the tools, see :func:`.toolset.tool_versions`.
    """

    folder: Path
    router: str
    arguments: tuple[str, ...]
    placers: tuple[tuple[str, ...], ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    packages: tuple[str, ...]

    @property
    def step(self) -> Step:
        """By which its results are kept."""
        basis = [self.router, list(self.arguments), list(map(list, self.placers)), tool_versions(self.packages)]
        return Step(self.folder, self.inputs, basis, self.outputs)

    def run(self) -> None:
        """Run it here, whatever is kept; a clock that is missed is a result too, since others may be tried.

        Raises
        ------
        ToolError
            If nextpnr fails, with the last of the placers if none finds a placement, or does not end within
            ``LONGEST``.
        """
        log = self.folder / f"{self.router}.out"
        for placer in self.placers:
            try:
                self._run_with(placer, log)
            except ToolError:
                if placer == self.placers[-1] or NO_PLACE not in log.read_text(errors="replace"):
                    raise
            else:
                break
        log.replace(self.folder / LOG)

    def _run_with(self, placer: tuple[str, ...], log: Path) -> None:
        arguments = (*self.arguments, *placer)
        code = run_tool(self.router, arguments, self.folder, allowed=(0, 1), seconds=LONGEST)
        if code or not (self.folder / REPORT).exists():
            raise ToolError(f"{self.router} failed ({first_error(log)}), see {log}")


#: Has the outputs of each routing in its folder, in order; tells of each whether an earlier run's were used. Routings
#: are taken when there is time for them, and none after it is closed.
Router = Callable[[Iterable[Routing]], Generator[bool, None, None]]


def one_by_one(routings: Iterable[Routing]) -> Generator[bool, None, None]:
    """A :data:`Router`: in this process, each when the one before is done."""
    for routing in routings:
        yield routing.step.done(routing.run)
