"""An engine's memories, read back as a network and policies: the inverse of ``compiler.program_image``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lstmith.spec import layer_descriptor
from lstmith.spec.codes import Precision, Verdict
from lstmith.spec.config import BIAS_BITS, MANTISSA_BITS, PEEP_BITS, EngineConfig, bits_for
from lstmith.spec.policy import Mode, Monitor, Policy, Rule, Scope, Skip
from lstmith.spec.quantised import PREDICTOR_BITS, Grid, IntArray, QuantLayer, QuantNetwork
from lstmith.spec.registers import REGION_SHIFT, WEIGHTS, Region, Register


class Memories:
    """An engine's memories behind its bus.

    Parameters
    ----------
    config : EngineConfig

    Attributes
    ----------
    registers : dict of int to int
        Control registers that were written.
    hidden, cell : int64 [units]
        h and c of all layers' units.
    """

    def __init__(self, config: EngineConfig):
        self._config = config
        rows = config.active_counts << config.unit_bits
        self.registers: dict[int, int] = {}
        self.hidden = np.zeros(1 << config.unit_bits, dtype=np.int64)
        self.cell = np.zeros(1 << config.unit_bits, dtype=np.int64)
        self._weights = np.zeros((config.lanes, 1 << config.address_bits), dtype=np.uint16)
        descriptors = config.active_counts << config.layer_bits
        self._program = np.zeros((descriptors, layer_descriptor.DESCRIPTOR_STRIDE), dtype=np.int64)
        self._rows = np.zeros((rows, 4, 2), dtype=np.int64)  # scale, bias
        self._peep = np.zeros((1 << config.unit_bits, 4), dtype=np.int64)
        self._predictor = np.zeros(1 << (1 + bits_for(config.x_columns) + config.unit_bits), dtype=np.int64)
        self._scale = 0

    def write(self, address: int, value: int) -> None:
        """One bus write; what does not exist is not written."""
        if address & WEIGHTS:
            lane, word = divmod(address ^ WEIGHTS, 1 << self._config.address_bits)
            if lane < self._config.lanes:
                self._weights[lane, word] = value & 0xFFFF
            return
        region, index = divmod(address, 1 << REGION_SHIFT)
        if region == Region.CONTROL:
            self.registers[index] = value
        elif region == Region.PROGRAM:
            _put(self._program, index, value)
        elif region == Region.ROWS and not index & 1:
            self._scale = value
        elif region == Region.ROWS:
            _put(self._rows, index - 1, self._scale)
            _put(self._rows, index, _signed(value, BIAS_BITS))
        elif region == Region.PEEPHOLES:
            _put(self._peep, index, _signed(value, PEEP_BITS))
        elif region == Region.PREDICTOR:
            _put(self._predictor, index, _signed(value, PREDICTOR_BITS))
        elif region == Region.HIDDEN:
            _put(self.hidden, index, _signed(value, 16))
        elif region == Region.CELL:
            _put(self.cell, index, _signed(value, self._config.c_width))

    def network(self) -> QuantNetwork:
        """The network whose image was written.

        The real value of an input's LSB and what a dropped unit's h counts as are not stored; they are 1 and 0.

        Raises
        ------
        ValueError
            If the memories hold no network.
        """
        program: list[dict[str, int]] = []
        while not program or not program[-1]["last_layer"]:
            if len(program) == self._config.layers:
                raise ValueError("The program has no last layer")
            program.append(self._fields(0, len(program)))
            if not program[-1]["inputs"]:
                raise ValueError("The program is empty")
        # Behind the counts of the program there may be an earlier one's, of some layers.
        active_counts = min(len(self._counts(index)) for index in range(len(program)))
        layers = [
            self._layer(fields, program[index - 1] if index else None, self._counts(index)[1:active_counts])
            for index, fields in enumerate(program)
        ]
        predictor = None
        if self._config.skip:
            first = layers[0]
            places = np.r_[: first.inputs, (1 << bits_for(self._config.x_columns)) + np.arange(first.units)]
            predictor = self._predictor[places]
        return QuantNetwork(tuple(layers), predictor)

    def policies(self, layers: int) -> list[Policy]:
        """The policies in force; whether marks are followed is not stored, so they are."""
        rule = self.registers.get(Register.SKIP_RULE, 0)
        skip = Skip(
            change=self.registers.get(Register.SKIP_CHANGE, 0),
            hints=True,
            predictor=bool(rule >> 4 & 1),
            threshold=_signed(self.registers.get(Register.SKIP_THRESHOLD, 0), 24),
            limit=max(1, rule & 15),
        )
        theta_x, low_theta_x = (self.registers.get(name, 0) for name in (Register.X_THETA, Register.X_LOW_THETA))
        policies = []
        for index in range(layers):
            fields = self._fields(0, index)
            monitor = Monitor(
                rule=Rule(fields["rule"]),
                scope=Scope(fields["scope"]),
                low=fields["monitor_low"],
                hysteresis=fields["low_leave"] - fields["monitor_low"],
                theta=fields["monitor_theta"],
                warmup=fields["warmup"],
            )
            two = bool(fields["planes"])
            policies.append(
                Policy(
                    mode=Mode(fields["mode"]),
                    theta_x=theta_x,
                    theta_h=fields["theta_h"],
                    low_theta_x=low_theta_x if two else None,
                    low_theta_h=fields["low_theta_h"] if two else None,
                    monitor=monitor,
                    skip=skip,
                )
            )
            theta_x, low_theta_x = fields["theta_x_next"], fields["low_theta_x_next"]
        return policies

    def _fields(self, active_index: int, layer: int) -> dict[str, int]:
        return layer_descriptor.unpack(self._program[active_index << self._config.layer_bits | layer].tolist())

    def _layer(self, fields: dict[str, int], before: dict[str, int] | None, counts: tuple[int, ...]) -> QuantLayer:
        config, base = self._config, fields["unit_base"]
        units, inputs = fields["units"] + 1, fields["inputs"]
        bits, planes = Precision(fields["word"]).bits, 1 + fields["planes"]
        skims = bool(fields["skims"] and counts)
        counts = counts[:1] if skims else counts
        digits = [
            self._digits_of(begin, bits, units, inputs + units)
            for begin in (fields["base_top"], fields["base_low"])[:planes]
        ]
        rows = self._rows.reshape(config.active_counts, -1, 4, 2)[: 1 + len(counts), base : base + units]
        scale, bias = rows[0, ..., 0], rows[..., 1].transpose(0, 2, 1).reshape(len(rows), -1)
        grid = self.registers.get(Register.X_GRID, 0)
        if before is not None:
            grid = before["x_shift_next"] | before["x_exponent_next"] << 4 | before["x_unsigned_next"] << 7
        return QuantLayer(
            precision=bits * planes,
            weights=digits[0] if planes == 1 else (digits[0] << bits) + digits[1],
            mantissa=(scale & ((1 << MANTISSA_BITS) - 1)).T.ravel(),
            shift=(scale >> MANTISSA_BITS).T.ravel(),
            bias=bias[0],
            x_grid=_grid(grid & 15, bool(grid >> 7 & 1), grid >> 4 & 7),
            h_grid=_grid(fields["h_shift"], False, 0),
            c_frac=fields["c_frac"],
            x_lsb=1.0,
            peep=self._peep[base : base + units, :3].T if config.peepholes else None,
            peep_shift=fields["peep_shift"],
            planes=planes,
            counts=counts,
            skims=skims,
            reduced_bias=bias[1:] if counts and not skims else None,
            idle_h=np.zeros(units, dtype=np.int64) if counts and not skims else None,
            symbols=bool(grid >> 11 & 1),
            verdict=Verdict(fields["verdict"]),
            threshold=_signed(fields["threshold"], 16),
        )

    def _counts(self, layer: int) -> tuple[int, ...]:
        """Active counts, all units first, as far as they descend."""
        found: list[int] = []
        for active_index in range(self._config.active_counts):
            fields = self._fields(active_index, layer)
            active = fields["units"] + 1
            if not fields["inputs"] or (found and active >= found[-1]):
                break
            found.append(active)
        return tuple(found)

    def _digits_of(self, base: int, bits: int, units: int, columns: int) -> IntArray:
        """Digits of a plane, int64 [4H, columns]; see :func:`~lstmith.compiler.program_image.lay_out_weights`."""
        config = self._config
        folds, entry = config.folds(units), bits // 4
        words = self._weights[:, base : base + folds * columns * entry].astype(np.int64)
        split = words.reshape(config.lanes, folds, columns, entry).transpose(3, 1, 0, 2)
        shifts = bits * np.arange(4 // entry).reshape(1, -1, 1, 1, 1)
        rows = split[:, None] >> shifts & ((1 << bits) - 1)
        rows = rows - ((rows >> (bits - 1)) << bits)
        return rows.reshape(4, folds * config.lanes, columns)[:, :units].reshape(4 * units, columns)


def _grid(shift: int, unsigned: bool, exponent: int) -> Grid:
    high = (1 << (15 - shift)) - 1
    return Grid(shift, 0 if unsigned else -high - 1, high, exponent)


def _put(memory: npt.NDArray[np.int64], index: int, value: int) -> None:
    """Write a word of a memory, if there is one."""
    flat = memory.reshape(-1)
    if index < len(flat):
        flat[index] = value


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (value >> (bits - 1) << bits)
