"""Everything the engine's memories hold, ready as initial contents or bus writes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lstmith.spec import layer_descriptor
from lstmith.spec.config import BIAS_BITS, MANTISSA_BITS, PEEP_BITS, EngineConfig, bits_for
from lstmith.spec.quantised import PREDICTOR_BITS
from lstmith.spec.registers import PROGRAM_REGISTERS, WEIGHTS, Region, address


@dataclass(frozen=True)
class MemoryImage:
    """Memory contents.

    Attributes
    ----------
    weights : uint16 [lanes, depth]
        Words per lane; unused words are zero.
    mantissa, shift : int64 [programs, units, 4]
        Row scales by unit and gate.
    bias : int64 [programs, counts, units, 4]
        Row biases at each active count.
    peep : int64 [programs, units, 3]
    predictor : int64 [I + H] or None
    inputs : int
        Of the first layer: where the predictor's recurrent weights begin.
    descriptors : dict of int to list of int
        Packed layer descriptors by place in the program memory: program, index of the active count, then layer.
    registers : dict of int to int
        Control registers to set, by address.
    program_shift : int
        Bits of a descriptor's place below its program's number.
    """

    weights: npt.NDArray[np.uint16]
    mantissa: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]
    bias: npt.NDArray[np.int64]
    peep: npt.NDArray[np.int64]
    predictor: npt.NDArray[np.int64] | None
    inputs: int
    descriptors: dict[int, list[int]]
    registers: dict[int, int]
    program_shift: int = 0

    def bus_writes(self, config: EngineConfig, *, weights: bool = True) -> Iterator[tuple[int, int]]:
        """(address, data) of every write that loads the image through the bus."""
        yield from self.policy_writes()
        for program, active_index in np.ndindex(self.bias.shape[:2]):
            begin = (program << config.active_bits | active_index) << (config.unit_bits + 2)
            scales = (self.mantissa[program].flat, self.shift[program].flat, self.bias[program, active_index].flat)
            for row, (mantissa, shift, bias) in enumerate(zip(*scales, strict=True), begin):
                yield address(Region.ROWS, 2 * row), int(mantissa) | int(shift) << MANTISSA_BITS
                yield address(Region.ROWS, 2 * row + 1), int(bias) % (1 << BIAS_BITS)
        if config.skip and self.predictor is not None:
            for column, weight in enumerate(self.predictor):
                h_place = (1 << bits_for(config.x_columns)) + column - self.inputs
                place = column if column < self.inputs else h_place
                yield address(Region.PREDICTOR, place), int(weight) % (1 << PREDICTOR_BITS)
        if config.peepholes:
            for program, unit, index in np.ndindex(self.peep.shape):
                row = program << config.unit_bits | unit
                yield (
                    address(Region.PEEPHOLES, 4 * row + index),
                    int(self.peep[program, unit, index]) % (1 << PEEP_BITS),
                )
        if weights:
            yield from self.weight_writes(config)

    def weight_writes(self, config: EngineConfig) -> Iterator[tuple[int, int]]:
        """Writes of the weights alone."""
        for lane, words in enumerate(self.weights):
            for index, word in enumerate(words):
                yield WEIGHTS | lane << config.address_bits | index, int(word)

    def policy_writes(self, program: int | None = None) -> Iterator[tuple[int, int]]:
        """Writes of descriptors and registers alone, of one program or of all: enough to change the policy."""
        for place, words in self.descriptors.items():
            if program in (None, place >> self.program_shift):
                for index, word in enumerate(words):
                    yield address(Region.PROGRAM, place * layer_descriptor.DESCRIPTOR_STRIDE + index), word
        for register, value in self.registers.items():
            if program in (None, register // PROGRAM_REGISTERS):
                yield address(Region.CONTROL, register), value


def image_tag(image: MemoryImage, config: EngineConfig) -> int:
    """CRC-32 over everything of an image that the host would send once.

    That is all but its policy: weights, rows, peepholes, predictor. Of a fixed engine it is the policy as well.

    Parameters
    ----------
    image : MemoryImage
    config : EngineConfig

    Returns
    -------
    int
        Never 0, which stands for no weights.
    """
    policy = 0 if config.fixed else len(list(image.policy_writes()))
    writes = np.array(list(image.bus_writes(config))[policy:], dtype="<u4")
    return zlib.crc32(writes.tobytes()) or 1
