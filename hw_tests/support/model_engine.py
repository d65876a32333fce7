"""A golden engine behind a bus, step by step: what its memories hold decides what it computes.

Cycles are not modelled: everything of step t happens in cycle ``STEP_CYCLES * t``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np

from lstmith.golden.activity import LayerState, LayerTrace
from lstmith.golden.model import GoldenModel
from lstmith.host.results import LayerResult
from lstmith.spec.codes import Verdict
from lstmith.spec.config import EngineConfig
from lstmith.spec.core_map import core_map
from lstmith.spec.link_map import RECORDS, Kind, Mode, StreamFlag
from lstmith.spec.memory_image import MemoryImage
from lstmith.spec.quantised import QuantLayer
from lstmith.spec.registers import IDENTITY, REGION_SHIFT, Region, Register
from lstmith.test_support.stored import Memories

STEP_CYCLES = 1000
_BEGINS = StreamFlag.START | StreamFlag.RESTART


class ModelEngine:
    """An engine.

    Parameters
    ----------
    config : EngineConfig
    image : MemoryImage or None
        Initial contents.

    Attributes
    ----------
    mode : Mode
        What results look like.
    results : deque of int
        16-bit words that the ring has not taken yet.
    """

    def __init__(self, config: EngineConfig, image: MemoryImage | None = None):
        self._config, self._memories = config, Memories(config)
        self._has = {entry.register for entry in core_map(config).entries}
        for address, value in image.bus_writes(config) if image else ():
            self._memories.write(address, value)
        self._initial = dict(self._memories.registers)
        self.reset()

    def reset(self) -> None:
        """All but the memories."""
        self._memories.registers = dict(self._initial)
        self.mode = Mode.COMPACT
        self.results: deque[int] = deque()
        self._inputs: list[int] = []
        self._quiets: list[bool] = []  # as each input said
        self._quiet = False
        self._flags, self._mask, self._steps, self._loaded_mask = StreamFlag(0), 0, 0, 0
        self._model: GoldenModel | None = None
        self._states: list[LayerState] = []
        self._counts = dict.fromkeys((Register.SKIPPED, Register.RESTARTS), 0)

    def write(self, address: int, value: int) -> None:
        """A bus write."""
        if address == Register.LOAD and value:
            self._loaded_mask = value >> 8
        self._memories.write(address, value)

    def read(self, address: int) -> int:
        """A bus read."""
        region, index = divmod(address, 1 << REGION_SHIFT)
        if region == Region.CONTROL:
            register = Register(index)
            if register is Register.IDENTITY:
                return IDENTITY
            return self._counts.get(register, 0) if register in self._has else 0
        if region not in (Region.CELL, Region.HIDDEN):
            return 0
        values = [value for state in self._states for value in (state.c if region == Region.CELL else state.h)[0]]
        return int(values[index]) % (1 << 32) if index < len(values) else 0

    def take(self, flags: StreamFlag, active_index: int, values: tuple[int, ...]) -> bool:
        """Input values; False if the engine cannot take them, because its results wait.

        While they do, it takes no more than the next step's input.
        """
        if self.results and self._model and len(self._inputs) + len(values) > self._model.network.inputs:
            return False
        if not self._inputs:
            self._flags, self._mask = flags, active_index
            if flags & _BEGINS:
                self._begin()
        assert self._model is not None
        quiet = bool(flags & StreamFlag.QUIET)
        if flags & StreamFlag.MARK:
            self._quiet = quiet
            self._step(None)
        else:
            self._inputs += values
            self._quiets += [quiet] * len(values)
        self.go_on()
        return True

    def go_on(self) -> None:
        """Compute the steps whose input is there, one after the other as results are taken."""
        while self._model and not self.results and len(self._inputs) >= self._model.network.inputs:
            count = self._model.network.inputs
            step, self._inputs = self._inputs[:count], self._inputs[count:]
            self._quiet, self._quiets = self._quiets[0], self._quiets[count:]
            self._step(step)

    @property
    def _now(self) -> int:
        return STEP_CYCLES * self._steps

    def _begin(self) -> None:
        network = self._memories.network()
        self._model = model = GoldenModel(network, self._config)
        self._policies = self._memories.policies(len(network.layers))
        if self._flags & StreamFlag.START:
            self._states = model.zero_state(1)
            return
        values, base = [], 0
        for layer in network.layers:
            units = slice(base, base + layer.units)
            values.append((self._memories.hidden[None, units], self._memories.cell[None, units]))
            base += layer.units
        policies = [
            replace(policy, active=layer.active(self._loaded_mask))
            for policy, layer in zip(self._policies, network.layers, strict=True)
        ]
        self._states = model.loaded_state(policies, values)

    def _step(self, values: list[int] | None) -> None:
        """Compute a step, or skip a marked one, and write down its results."""
        assert self._model is not None
        x = np.array([0] * self._model.network.inputs if values is None else values, dtype=np.int16)
        traces = self._model.run(
            x[None, None],
            self._policies,
            self._states,
            restart=bool(self._flags & _BEGINS),
            hints=np.full((1, 1), values is None),
            active_indices=np.full((1, 1), self._mask),
        )
        self._flags = StreamFlag(0)
        self._steps += 1
        skipped = bool(traces[0].skipped[0, 0])
        self._counts[Register.SKIPPED] += skipped
        if self.mode is Mode.FULL:
            self._put(Kind.INPUT, self._now, False)
            self._put(Kind.OUTCOME, self._now, skipped)
        else:
            self.results.append(1 if skipped else 2 * self._quiet)
        if not skipped:
            for index, (layer, trace) in enumerate(zip(self._model.network.layers, traces, strict=True)):
                self._results(index, layer, trace)

    def _results(self, index: int, layer: QuantLayer, trace: LayerTrace) -> None:
        run = LayerResult.of_trace(layer, trace, np.ones((1, 1), dtype=bool))
        active_index, units = int(trace.active_index[0, 0]), int(run.active[0, 0])
        self._counts[Register.RESTARTS] += int(run.restart[0, 0])
        shown = self._memories.registers.get(Register.OUTPUT_ALL, 0) & 1
        judges = layer.verdict is not Verdict.NONE
        if shown or index + 1 == len(self._states):
            for unit in range(units):
                h, c = int(run.h[0, 0, unit]), int(run.c[0, 0, unit])
                if judges and not shown:
                    continue
                self._result(index, h, c, last=unit + 1 == units and not judges)
            if judges:
                self._result(index, int(run.verdict[0, 0]), 0, last=True)
        if self.mode is Mode.FULL:
            columns, digits, low = (int(values[0, 0]) for values in (run.columns, run.digits, run.low))
            self._put(Kind.EVENT, self._now, index, columns, digits, low, int(run.restart[0, 0]), active_index)

    def _result(self, index: int, h: int, c: int, *, last: bool) -> None:
        """A word of the engine's output stream."""
        if self.mode is Mode.FULL:
            self._put(Kind.RESULT, h, c, index, last)
        elif not self._quiet:
            self.results.append(h & 0xFFFF)

    def _put(self, kind: Kind, *values: int) -> None:
        record = RECORDS[kind]
        whole = int(kind)
        for field, value in zip(record.fields, values, strict=True):
            whole |= (value & ((1 << field.width) - 1)) << (16 * field.word + field.bit)
        self.results.extend(whole >> 16 * place & 0xFFFF for place in range(record.words))
