"""What was found for a workload, and what it comes to: which row counts, whether it lost anything, how fast it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from lstmith.scripts.bench.adaptive.rows import Row

CONTROL = "control"  #: how the names of rows begin that no choice may fall on


@dataclass(frozen=True)
class Count:
    """The best row of a workload on engines of fewer lanes.

    Parameters
    ----------
    lanes : dict of int
        Per network.
    row : str
        What was counted.
    cycles : float
        Per step, mean.
    base_cycles, static_cycles : float
        Ideal dense cycles per step of the base and of the best static format with as many lanes.
    same_quality : bool
        Whether quality is what it was with most lanes. A monitor per fold sees other folds with other lanes, and may
        change it.
    """

    lanes: dict[str, int]
    row: str
    cycles: float
    base_cycles: float
    static_cycles: float
    same_quality: bool

    def plain(self) -> dict[str, Any]:
        """JSON values with what they come to."""
        speedups = {"speedup_vs_base": self.base_cycles / self.cycles}
        return asdict(self) | speedups | {"speedup_vs_static": self.static_cycles / self.cycles}


@dataclass(frozen=True)
class Network:
    """Everything found for one workload.

    Parameters
    ----------
    name : str
    metric, unit : str
    higher_is_better : bool
    of_float : float
        Quality in float, held out.
    allowed, limit : float
        Loss against float that counts as none, on held-out data and on data to tune on.
    static : str
        The cheapest static format without loss on the data to tune on.
    base : str
        Eight bits, or sixteen where eight lose something on the data to tune on: what the mechanisms run on.
    lanes : dict of int
    static_cycles, base_cycles : float
        Ideal dense cycles per step of the best static format and of the base.
    static_row : Row
        Dense steps of the best static format.
    rows : list of Row
    policies : dict of dict
        Policies, as in policy files, per row and network.
    kept : list of str
        Rows that lost nothing on the data to tune on, so that they may be chosen.
    fewer : list of Count
        The best row with fewer lanes.
    """

    name: str
    metric: str
    unit: str
    higher_is_better: bool
    of_float: float
    allowed: float
    limit: float
    static: str
    base: str
    lanes: dict[str, int]
    static_cycles: float
    base_cycles: float
    static_row: Row
    rows: list[Row]
    policies: dict[str, Any]
    kept: list[str]
    fewer: list[Count] = field(default_factory=list)

    @classmethod
    def read(cls, values: dict[str, Any]) -> Network:
        """From JSON values."""
        rows = [Row(**row) for row in values["rows"]]
        fewer = [Count(**count) for count in values["fewer"]]
        return cls(**{**values, "static_row": Row(**values["static_row"]), "rows": rows, "fewer": fewer})

    def loss(self, row: Row) -> float:
        """How much worse than float, in the metric's unit."""
        return self.of_float - row.quality if self.higher_is_better else row.quality - self.of_float

    def without_loss(self, row: Row) -> bool:
        """No worse than float by more than is allowed."""
        return self.loss(row) <= self.allowed

    def over_base(self, row: Row) -> float:
        """Speed-up over the ideal dense cycles of the base: A."""
        return self.base_cycles / row.cycles

    def over_static(self, row: Row) -> float:
        """Speed-up over the ideal dense cycles of the best static format: B."""
        return self.static_cycles / row.cycles

    @property
    def best(self) -> Row:
        """What tuning would have one use: the fastest row without loss where it was tuned.

        The choice looks at the data tuned on alone; whether the row holds what it promised is then read off the
        held-out data.
        """
        able = [row for row in self.rows if row.name in self.kept]
        return min(able or [self.static_row], key=lambda row: row.cycles)

    @property
    def best_control(self) -> Row | None:
        """The fastest control without loss on held-out data."""
        able = [row for row in self.rows if row.name.startswith(CONTROL) and self.without_loss(row)]
        return min(able, key=lambda row: row.cycles, default=None)

    @property
    def sure(self) -> Row:
        """The fastest row, no control, without loss on held-out data."""
        able = [row for row in self.rows if not row.name.startswith(CONTROL) and self.without_loss(row)]
        return min(able or [self.static_row], key=lambda row: row.cycles)

    def plain(self) -> dict[str, Any]:
        """JSON values with what the rows come to."""
        values = asdict(self)
        for row, found in zip(values["rows"], self.rows, strict=True):
            row["cycles_per_step"] = found.cycles
            row["speedup_vs_base"] = self.over_base(found)
            row["speedup_vs_static"] = self.over_static(found)
            row["without_loss"] = self.without_loss(found)
        values["fewer"] = [count.plain() for count in self.fewer]
        return values


def summary(networks: list[Network]) -> dict[str, Any]:
    """The best row of each network, its best control, and the geometric means."""
    controls = {network.name: network.best_control for network in networks}
    return {
        "best": {network.name: network.best.name for network in networks},
        "best_control": {name: row and row.name for name, row in controls.items()},
        "fastest_without_loss": {network.name: network.sure.name for network in networks},
        "without_loss": sum(network.without_loss(network.best) for network in networks),
        "geometric_mean_vs_base": _mean(networks, lambda each: each.over_base(each.best)),
        "geometric_mean_vs_static": _mean(networks, lambda each: each.over_static(each.best)),
        "geometric_mean_vs_base_without_loss": _mean(networks, lambda each: each.over_base(each.sure)),
        "geometric_mean_vs_static_without_loss": _mean(networks, lambda each: each.over_static(each.sure)),
    }


def _mean(networks: list[Network], speedup: Callable[[Network], float]) -> float:
    return float(np.exp(np.mean([np.log(speedup(network)) for network in networks])))
