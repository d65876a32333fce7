"""The generated C of a package: where fields of layer descriptors are, and the design for the driver."""

from __future__ import annotations

from collections.abc import Iterable

from lstmith.compiler.design import Design
from lstmith.package.vectors import Vectors, state_classes
from lstmith.spec.codes import Verdict
from lstmith.spec.layer_descriptor import DESCRIPTOR_STRIDE, LAYOUT
from lstmith.spec.quantised import QuantNetwork
from lstmith.spec.registers import PROGRAM_REGISTERS

#: Bytes or numbers in a line.
_PER_LINE = 16


def descriptor_header(mark: str) -> str:
    """Constants of the layer descriptor, which the driver changes policies in."""
    lines = [f"/* {mark} */", "#ifndef LSTMITH_DESCRIPTOR_H", "#define LSTMITH_DESCRIPTOR_H"]
    lines.append(f"#define LSTMITH_DESCRIPTOR_STRIDE {DESCRIPTOR_STRIDE}u")
    lines.append(f"#define LSTMITH_PROGRAM_REGISTERS {PROGRAM_REGISTERS}u")
    for name, (word, bit, width) in LAYOUT.items():
        own = f"LSTMITH_DESCRIPTOR_{name.upper()}"
        lines += [f"#define {own}_WORD {word}u", f"#define {own}_SHIFT {bit}u", f"#define {own}_WIDTH {width}u"]
    return "\n".join([*lines, "#endif", ""])


def design_header(name: str, mark: str) -> str:
    """Declares the design."""
    guard = f"{name.upper()}_DESIGN_H"
    return (
        f'/* {mark} */\n#ifndef {guard}\n#define {guard}\n#include "lstmith.h"\n\n'
        f'#ifdef __cplusplus\nextern "C" {{\n#endif\nextern const lstmith_design {name}_design;\n'
        "#ifdef __cplusplus\n}\n#endif\n#endif\n"
    )


def design_source(design: Design, name: str, mark: str, image: bytes, vectors: Vectors) -> str:
    """Defines the design: programs, image, and the sequences of the self-test.

    Parameters
    ----------
    design : Design
    name : str
        Of the core's module: the design is ``<name>_design``.
    mark : str
        First line.
    image : bytes
        As :func:`lstmith.package.image_files.binary` gives it.
    vectors : Vectors
    """
    engine = design.engine
    lines = [f"/* {mark} */", f'#include "{name}_design.h"', ""]
    programs, tests = [], []
    for number, (program, states) in enumerate(zip(design.programs, state_classes(design), strict=True)):
        lines += _layers(program.network, number)
        last = program.network.layers[-1]
        answers = last.units if last.verdict is Verdict.NONE else 1
        counts = f"{len(program.network.layers)}, {program.place}, {answers}, {states}"
        programs.append(f"    {{layers_{number}, {counts}}},")
    lines += ["static const lstmith_program programs[] = {", *programs, "};"]
    lines += _array("uint8_t", "image", image)
    for number, test in enumerate(vectors.runs):
        lines += _array("int16_t", f"test_x_{number}", test.x.ravel().tolist())
        lines += _array("int16_t", f"test_h_{number}", test.answers.ravel().tolist())
        tests.append(f"    {{test_x_{number}, test_h_{number}, {len(test.x)}, {test.program}, {int(test.handed)}}},")
    lines += ["static const lstmith_test tests[] = {", *tests, "};"]
    shift = design.image().program_shift
    sizes = f"{len(programs)}, {len(tests)}, {engine.layer_bits}, {shift}, {engine.planes}, {int(engine.delta)}"
    lines += ["", f"const lstmith_design {name}_design = {{"]
    lines += [f"    programs, tests, {sizes}, image, sizeof image,", "};", ""]
    return "\n".join(lines)


def _layers(network: QuantNetwork, number: int) -> list[str]:
    """The layers of a program, ``layers_<number>``."""
    lines: list[str] = []
    entries = []
    for index, layer in enumerate(network.layers):
        order = "0"
        if layer.order is not None:
            order = f"order_{number}_{index}"
            lines += _array("uint16_t", order, layer.order.tolist())
        entries.append(f"    {{{layer.inputs}, {layer.units}, {layer.c_frac}, {order}}},")
    return [*lines, f"static const lstmith_layer layers_{number}[] = {{", *entries, "};"]


def _array(kind: str, name: str, values: Iterable[int]) -> list[str]:
    numbers = [str(int(value)) for value in values]
    rows = [numbers[first : first + _PER_LINE] for first in range(0, len(numbers), _PER_LINE)]
    return [f"static const {kind} {name}[] = {{", *(f"    {', '.join(row)}," for row in rows), "};"]
