"""Placement and routing of a netlist that is there, with one seed after the other or by whoever else does it."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lstmith.flow.cache import Step
from lstmith.flow.toolchain import HopelessError, ToolError, first_error, run_tool
from lstmith.flow.toolset import tool_versions

#: nextpnr's log and its figures, in a folder of results.
LOG, REPORT = "nextpnr.log", "report.json"
#: Seconds of a processor after which nextpnr is taken not to end: on a device that is nearly full a placer may search
#: for ever. 64 lanes with their link, 22,000 lookup tables, take nine minutes.
LONGEST = 3600
#: Rounds of the router after which it is taken to go in circles. 32 and 64 lanes that meet what is asked for take 26 to
#: 46; one that did not stood at the same twelve late ends from round 150 on.
ROUNDS = 100
#: What nextpnr's router says of a round.
_ROUND = re.compile(r"^Info: +iter=(\d+) .*tmgfail=", re.MULTILINE)
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
    ripup : tuple of str
        Arguments with which its router goes on until the clock is met, or in circles; it runs again without them then.
    inputs, outputs : tuple of str
        Files in the folder.
    packages : tuple of str
        Of the tools, see :func:`.toolset.tool_versions`.
    """

    folder: Path
    router: str
    arguments: tuple[str, ...]
    placers: tuple[tuple[str, ...], ...]
    ripup: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    packages: tuple[str, ...]

    @property
    def step(self) -> Step:
        """By which its results are kept."""
        choices = [list(self.arguments), list(map(list, self.placers)), list(self.ripup), ROUNDS]
        basis = [self.router, choices, tool_versions(self.packages)]
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
        run = partial(run_tool, self.router, folder=self.folder, allowed=(0, 1), seconds=LONGEST)
        plain = (*self.arguments, *placer)
        if self.ripup:
            try:
                code = run((*plain, *self.ripup), hopeless=_circles)
            except HopelessError:
                # It places again: a placement that is read back is another design (docs/decisions/0071).
                code = run(plain)
        else:
            code = run(plain)
        if code or not (self.folder / REPORT).exists():
            raise ToolError(f"{self.router} failed ({first_error(log)}), see {log}")


def _circles(log: str) -> bool:
    """Whether nextpnr's router has begun more rounds than ``ROUNDS``."""
    return any(int(number) > ROUNDS for number in _ROUND.findall(log))


#: Has the outputs of each routing in its folder, in order; tells of each whether an earlier run's were used. Routings
#: are taken when there is time for them, and none after it is closed.
Router = Callable[[Iterable[Routing]], Generator[bool, None, None]]


def one_by_one(routings: Iterable[Routing]) -> Generator[bool, None, None]:
    """A :data:`Router`: in this process, each when the one before is done."""
    for routing in routings:
        yield routing.step.done(routing.run)
