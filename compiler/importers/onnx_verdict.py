"""What a graph makes of a head's last layer: the largest of its values, or those above a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, NodeProto

from lstmith.compiler.importers.onnx_graph import Array, Scope, attribute, cut, fold, run_piece
from lstmith.spec.codes import VERDICT_BITS, Verdict

#: Comparisons of values with a constant: what they are as a verdict, and whether an equal value counts as above it.
_COMPARISONS = {
    "Greater": (Verdict.THRESHOLD, False),
    "GreaterOrEqual": (Verdict.THRESHOLD, True),
    "Less": (Verdict.AT_MOST, True),
    "LessOrEqual": (Verdict.AT_MOST, False),
}
#: The same with the constant in front.
_MIRRORED = {
    "Greater": "Less", "GreaterOrEqual": "LessOrEqual", "Less": "Greater", "LessOrEqual": "GreaterOrEqual"
}  # fmt: skip
#: What does not change which value of a row is the largest.
_ORDERED = ("Softmax", "LogSoftmax")


@dataclass(frozen=True)
class HeadVerdict:
    """A node that becomes the verdict of a head.

    Parameters
    ----------
    verdict : Verdict
    threshold : float
        Of a comparison: what is above it is told apart from what is not.
    reads : str
        Value with rows of the head's last layer, moved but not changed.
    axis : int
        Where a row lies in it.
    writes : str
        What the node writes.
    keeps : bool
        Whether an ARGMAX leaves an axis of one element in the place of the row.
    """

    verdict: Verdict
    threshold: float
    reads: str
    axis: int
    writes: str
    keeps: bool


def find_verdict(
    model: ModelProto, scope: Scope, value: str, axis: int, units: int, leads: Sequence[tuple[int, ...]]
) -> tuple[HeadVerdict | None, dict[str, str]]:
    """The only node that can be a verdict, and why others cannot, by what they write.

    Parameters
    ----------
    model : ModelProto
        The flat graph.
    scope : Scope
    value : str
        What the head's last layer writes.
    axis : int
        Where its rows lie.
    units : int
        Values of a row.
    leads : sequence of tuple of int
        Shapes to try of all other axes.
    """
    found: list[HeadVerdict] = []
    refused: dict[str, str] = {}
    for node in scope.nodes:
        if node.op_type != "ArgMax" and node.op_type not in _COMPARISONS:
            continue
        if not any(_behind(scope, name, value) for name in node.input):
            continue
        judged = _Node(model, scope, node, value, axis, units, leads).verdict()
        if isinstance(judged, HeadVerdict):
            found.append(judged)
        else:
            refused[node.output[0]] = judged
    if len(found) > 1:
        refused |= {each.writes: "it is not the only one of its kind, and a program has one verdict" for each in found}
    return (found[0] if len(found) == 1 else None), refused


def _behind(scope: Scope, name: str, value: str) -> bool:
    return value in cut(scope, [name], lambda _, found: found == value).inputs


class _Node:
    """One node, and the values that it judges."""

    def __init__(
        self,
        model: ModelProto,
        scope: Scope,
        node: NodeProto,
        value: str,
        axis: int,
        units: int,
        leads: Sequence[tuple[int, ...]],
    ) -> None:
        self._model, self._scope, self._node, self._value = model, scope, node, value
        self._axis, self._units, self._leads = axis, units, leads

    def verdict(self) -> HeadVerdict | str:
        """What it becomes, or why it stays on the host."""
        if self._node.op_type in _COMPARISONS:
            return self._threshold()
        if attribute(self._node, "select_last_index", 0):
            return "it takes the last of equal values, the core the first"
        reads, axes = self._node.input[0], [attribute(self._node, "axis", 0)]
        _, before = self._scope.find(reads)
        if isinstance(before, NodeProto) and before.op_type in _ORDERED and reads != self._value:
            reads, axes = before.input[0], [*axes, attribute(before, "axis", -1)]
        if not all(self._whole(reads, axis) for axis in axes):
            return "what it reads is not whole rows of the last layer along its axis"
        keeps = bool(attribute(self._node, "keepdims", 1))
        return HeadVerdict(Verdict.ARGMAX, 0.0, reads, axes[0], self._node.output[0], keeps)

    def _threshold(self) -> HeadVerdict | str:
        reads, other = self._node.input
        op, limit = self._node.op_type, fold(self._model, self._scope, other)
        if limit is None:
            op, reads, limit = _MIRRORED[op], other, fold(self._model, self._scope, reads)
        if limit is None or limit.size != 1:
            return "its threshold is not a single constant"
        if self._units > VERDICT_BITS:
            return f"the last layer has {self._units} values, a verdict has {VERDICT_BITS} bits"
        if not self._whole(reads, self._axis):
            return "what it reads is not whole rows of the last layer"
        verdict, closed = _COMPARISONS[op]
        threshold = float(limit.ravel()[0])
        # At least t is above everything that is less than t.
        threshold = float(np.nextafter(threshold, -np.inf)) if closed else threshold
        return HeadVerdict(verdict, threshold, reads, self._axis, self._node.output[0], keeps=True)

    def _whole(self, name: str, axis: int) -> bool:
        """Whether a value is whole rows along ``axis``; what moves them is run on numbers, not interpreted."""
        piece = cut(self._scope, [name], lambda _, found: found == self._value)
        if set(piece.inputs) != {self._value}:
            return False
        tried = []
        for lead in self._leads:
            count = int(np.prod(lead, dtype=np.int64))
            rows = np.random.default_rng(0).standard_normal((count, self._units)).astype(np.float32)
            places = np.repeat(np.arange(count, dtype=np.float32)[:, None], self._units, axis=1)
            given = [np.moveaxis(each.reshape(*lead, self._units), -1, self._axis) for each in (rows, places)]
            arrived = [run_piece(self._model, piece, [name], {self._value: each}) for each in given]
            if arrived[0] is not None and arrived[1] is not None:
                tried.append(whole_rows(arrived[0][0], arrived[1][0], rows, axis))
        return bool(tried) and all(tried)


def whole_rows(values: Array, order: Array, rows: Array, axis: int) -> bool:
    """Whether values are rows [K, H] that lie along an axis, in any order.

    Parameters
    ----------
    values : array
    order : array
        As ``values``, with the place of its row in place of each.
    rows : array [K, H]
    axis : int
    """
    if not -values.ndim <= axis < values.ndim or values.shape[axis] != rows.shape[1]:
        return False
    place = np.moveaxis(order, axis, -1)[..., 0].astype(np.int64)
    inside = bool(((place >= 0) & (place < len(rows))).all())
    return inside and bool(np.array_equal(np.moveaxis(values, axis, -1), rows[place]))
