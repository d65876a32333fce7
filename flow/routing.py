"""Placement and routing of a netlist that is there, with one seed after the other or by whoever else does it.

What nextpnr's router makes of a placement is in part chance: nets are taken in an order that is drawn, and those that
give way go around. So where it pays, one placement is routed in several orders, and the fastest is kept
(docs/decisions/0079).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path

from lstmith.flow.cache import Step
from lstmith.flow.toolchain import ToolError, first_error, reached_mhz, read_report, run_tool
from lstmith.flow.toolset import tool_versions

#: nextpnr's log and its figures, in a folder of results; and a placement between its runs.
LOG, REPORT, PLACEMENT = "nextpnr.log", "report.json", "placed.json"
#: Seconds of a processor after which nextpnr is taken not to end: on a device that is nearly full a placer may search
#: for ever. 64 lanes with their link, 22,000 lookup tables, take nine minutes.
LONGEST = 3600
#: What nextpnr says of a cell that fits nowhere.
NO_PLACE = "Unable to find legal placement"


@dataclass(frozen=True)
class Routing:
    """Runs of nextpnr with one seed, which may be tens of minutes.

    Attributes
    ----------
    folder : Path
        Holds what it reads; what it gives goes there.
    router : str
        The tool, as ``nextpnr-ecp5``.
    arguments : tuple of str
        Which device, where pins are read, and where the result goes.
    seed : int
        Of the placement.
    asked_mhz : float
        What nextpnr is asked for; no further order of routing is tried once it is met.
    orders : int
        Orders in which the placement is routed, at most. With one, nextpnr places and routes in one run.
    placers : tuple of tuple of str
        Further arguments, one choice after the other until one finds a placement.
    inputs, outputs : tuple of str
        Files in the folder: ``top.json`` and what the arguments name; ``LOG``, ``REPORT`` and what they name.
    packages : tuple of str
        Of the tools, see :func:`.toolset.tool_versions`.
    """

    folder: Path
    router: str
    arguments: tuple[str, ...]
    seed: int
    asked_mhz: float
    orders: int
    placers: tuple[tuple[str, ...], ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    packages: tuple[str, ...]

    @property
    def step(self) -> Step:
        """By which its results are kept."""
        asked = [self.seed, self.asked_mhz, self.orders]
        basis = [self.router, list(self.arguments), *asked, list(map(list, self.placers))]
        return Step(self.folder, self.inputs, [*basis, tool_versions(self.packages)], self.outputs)

    def run(self) -> None:
        """Run it here, whatever is kept; a clock that is missed is a result too, since others may be tried.

        Raises
        ------
        ToolError
            If nextpnr fails, with the last of the placers if none finds a placement, or does not end within
            ``LONGEST``.
        """
        if self.orders == 1:
            self._place(REPORT, "--report", REPORT)
            self._log.replace(self.folder / LOG)
            return
        self._place(PLACEMENT, "--no-route", "--write", PLACEMENT)
        placement = self._log.read_text(errors="replace")
        kept, best = self.folder / "kept", -1.0
        kept.mkdir(exist_ok=True)
        for order in range(1, self.orders + 1):
            again = ("--json", PLACEMENT, "--no-pack", "--no-place", "--seed", str(order), "--report", REPORT)
            self._run(REPORT, again)
            self._log.replace(self.folder / LOG)
            reached = reached_mhz(read_report(self.folder / REPORT))
            if reached > best:
                best = reached
                for name in self.outputs:
                    (self.folder / name).replace(kept / name)
            if best >= self.asked_mhz:
                break
        for name in self.outputs:
            (kept / name).replace(self.folder / name)
        routing = (self.folder / LOG).read_text(errors="replace")
        (self.folder / LOG).write_text(placement + routing)
        (self.folder / PLACEMENT).unlink()

    @property
    def _log(self) -> Path:
        return self.folder / f"{self.router}.out"

    def _place(self, result: str, *arguments: str) -> None:
        """Place with the first of the placers that finds a placement."""
        for placer in self.placers:
            try:
                self._run(result, ("--json", "top.json", "--seed", str(self.seed), *placer, *arguments))
            except ToolError:
                if placer == self.placers[-1] or NO_PLACE not in self._log.read_text(errors="replace"):
                    raise
            else:
                break

    def _run(self, result: str, arguments: tuple[str, ...]) -> None:
        # A clock that is missed is a result too: others may be tried.
        common = (*self.arguments, "--freq", str(self.asked_mhz), "--timing-allow-fail")
        (self.folder / result).unlink(missing_ok=True)
        code = run_tool(self.router, (*common, *arguments), self.folder, allowed=(0, 1), seconds=LONGEST)
        if code or not (self.folder / result).exists():
            raise ToolError(f"{self.router} failed ({first_error(self._log)}), see {self._log}")


#: Has the outputs of each routing in its folder, in order; tells of each whether an earlier run's were used. Routings
#: are taken when there is time for them, and none after it is closed.
Router = Callable[[Iterable[Routing]], Generator[bool, None, None]]


def one_by_one(routings: Iterable[Routing]) -> Generator[bool, None, None]:
    """A :data:`Router`: in this process, each when the one before is done."""
    for routing in routings:
        yield routing.step.done(routing.run)
