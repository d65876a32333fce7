"""``python -m lstmith.scripts.coverage`` (``make coverage``): measures, and writes docs/verification/coverage.md."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from typing import Any

import numpy as np

from lstmith.cli.console import progress, remark, say
from lstmith.flow.processes import processor_seconds
from lstmith.scripts.bench.stamps import stamp
from lstmith.scripts.coverage.plan import Plan
from lstmith.scripts.coverage.points import Point, store_points, stored_points
from lstmith.scripts.coverage.python_code import TESTS, TestsFailedError, measure
from lstmith.scripts.coverage.report import Waivers, bin_figures, page, point_figures, totals
from lstmith.scripts.measuring import DOCUMENTS, ROOT, ended, find_tests, options, publish

BUILD = ROOT / "build" / "coverage"
#: What may be measured alone; lines and toggles are those of engines and units together, each as last measured.
PARTS = ("engines", "units", "python")


def _options() -> argparse.Namespace:
    parser = options("coverage", __doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="What to measure; the rest is kept.")
    parser.add_argument("--seed", type=int, default=1, help="Of all random tests.")
    parser.add_argument("--verilator", type=int, default=6, help="Engines whose lines and toggles are counted.")
    parser.add_argument("--icarus", type=int, default=32, help="Further engines, at most, while bins are empty.")
    parser.add_argument("--large", type=int, default=2, help="Large engines; their lines and toggles are counted too.")
    parser.add_argument("--groups", nargs="+", help="Of units; default: all.")
    parser.add_argument("--workers", type=int, default=1, help="Processes of the Python tests.")
    return parser.parse_args()


def _processor() -> float:
    """Seconds of this process and of all that it waited for."""
    return time.process_time() + processor_seconds()


class WrongError(Exception):
    """The hardware's answer differs from golden's; the message says where."""


def _engines(given: argparse.Namespace, waivers: Waivers) -> dict[str, Any]:
    """Functional bins, and points of whole engines."""
    from lstmith.scripts.coverage.engines import QUEUE, draw_large, simulate, steered

    plan, points = Plan(), Counter[Point]()
    rng = np.random.default_rng(given.seed)
    # Icarus begins sooner, but does not see the queue: what it leaves empty Verilator is steered to.
    engines = ["icarus"] * given.icarus + ["verilator"] * given.verilator + ["large"] * given.large
    done = Counter[str]()
    with progress("engines", len(engines)) as report:
        for index, kind in enumerate(engines):
            if kind == "icarus" and not plan.empty(without=QUEUE):
                continue
            drawn = draw_large(rng) if kind == "large" else steered(rng, plan, queue=kind == "verilator")
            simulator = "verilator" if kind == "large" else kind
            # One folder for all: what the compiler's cache knows of one engine it knows of the next.
            result = simulate(drawn, plan, simulator, BUILD / simulator, ROOT)
            if result.wrong:
                raise WrongError("\n".join([f"seed {given.seed}, engine {index}:", *result.wrong[:20]]))
            points.update(result.points)
            done[kind] += 1
            report(index + 1)
            remark(f"engine {index}, {kind}: {len(plan.empty())} of {len(plan.hits())} bins are empty")
    store_points(BUILD / "engines.json.gz", points)
    counted = f"{done['verilator']} random engines and {done['large']} large ones on Verilator"
    ran = f"{counted}, {done['icarus']} on Icarus, seed {given.seed}"
    return {"ran": ran, "bins": bin_figures(plan.hits(), waivers)}


def _units(given: argparse.Namespace) -> dict[str, Any]:
    """Points of units alone."""
    from hw_tests.cocotb.test_units import GROUPS
    from lstmith.scripts.coverage.units import covered

    points, rng = Counter[Point](), np.random.default_rng(given.seed)
    groups = given.groups or list(GROUPS)
    with progress("units", len(groups)) as report:
        for index, group in enumerate(groups):
            points.update(covered(group, rng, BUILD / "units", ROOT))
            report(index + 1)
            remark(f"units: {group}")
    store_points(BUILD / "units.json.gz", points)
    return {"ran": f"checks of the groups {', '.join(groups)} on Verilator, seed {given.seed}"}


def _python(given: argparse.Namespace) -> dict[str, Any]:
    """Lines and branches."""
    os.environ["LSTMITH_SEED"] = str(given.seed)
    blocks = measure(TESTS, given.workers, BUILD, ROOT)
    return {"ran": f"{', '.join(f'`{test}`' for test in TESTS)}; seed {given.seed}", "python": {"blocks": blocks}}


def main() -> None:
    """Measures the parts of the command line and writes the page."""
    given = _options()
    find_tests()
    store = given.documents / "coverage.json"
    figures: dict[str, Any] = {}
    waivers, when = Waivers.load(DOCUMENTS / "coverage_waivers.csv"), stamp()
    for part in given.parts:
        before, begin = _processor(), time.monotonic()
        measured = {"engines": lambda: _engines(given, waivers), "units": lambda: _units(given)}
        found = measured.get(part, lambda: _python(given))()
        if part != "python":
            found["rtl"] = point_figures(stored_points(BUILD), waivers)
        # Read anew: another part may have been measured meanwhile.
        figures = {"measured": {}, "ran": {}, "seconds": {}}
        if store.exists():
            figures |= json.loads(store.read_text(encoding="utf-8"))
        figures["measured"][part], figures["ran"][part] = when, found.pop("ran")
        figures["seconds"][part] = round(_processor() - before)
        figures |= found
        remark(f"{part}: {time.monotonic() - begin:.0f} s, {figures['seconds'][part]} s of the processor")
        publish(given.documents, "coverage", figures, page(figures))
    if {"engines", "units"} <= set(given.parts):
        for name in waivers.unused():
            remark(f"nothing needs the waiver of {name}")
    for what, figure in totals(figures).items():
        say(f"{what}: {figure}")


if __name__ == "__main__":
    ended(main, WrongError, TestsFailedError)
