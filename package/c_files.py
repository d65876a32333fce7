"""The generated C of a package: where fields of layer descriptors are, and the design for the driver."""

from __future__ import annotations

from collections.abc import Iterable

from lstmith.compiler.design import Design
from lstmith.package.vectors import Vectors
from lstmith.spec.layer_descriptor import DESCRIPTOR_STRIDE, LAYOUT

#: Bytes or numbers in a line.
_PER_LINE = 16


def descriptor_header(mark: str) -> str:
    """Constants of the layer descriptor, which the driver changes policies in."""
    lines = [f"/* {mark} */", "#ifndef LSTMITH_DESCRIPTOR_H", "#define LSTMITH_DESCRIPTOR_H"]
    lines.append(f"#define LSTMITH_DESCRIPTOR_STRIDE {DESCRIPTOR_STRIDE}u")
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
    """Defines the design: layers, image, and the sequence of the self-test.

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
    engine, layers = design.engine, design.network.layers
    lines = [f"/* {mark} */", f'#include "{name}_design.h"', ""]
    entries = []
    for index, layer in enumerate(layers):
        order = "0"
        if layer.order is not None:
            order = f"order_{index}"
            lines += _array("uint16_t", order, layer.order.tolist())
        entries.append(f"    {{{layer.inputs}, {layer.units}, {layer.c_frac}, {order}}},")
    lines += ["static const lstmith_layer layers[] = {", *entries, "};"]
    lines += _array("uint8_t", "image", image)
    lines += _array("int16_t", "test_x", vectors.x.ravel().tolist())
    answers = vectors.answers(layers[-1])
    lines += _array("int16_t", "test_h", answers.ravel().tolist())
    sizes = f"{len(layers)}, {engine.layer_bits}, {engine.planes}, {int(engine.delta)}"
    lines += ["", f"const lstmith_design {name}_design = {{"]
    lines += [
        f"    layers, {sizes}, image, sizeof image, test_x, test_h, {len(vectors.x)}, {answers.shape[1]}",
        "};",
        "",
    ]
    return "\n".join(lines)


def _array(kind: str, name: str, values: Iterable[int]) -> list[str]:
    numbers = [str(int(value)) for value in values]
    rows = [numbers[first : first + _PER_LINE] for first in range(0, len(numbers), _PER_LINE)]
    return [f"static const {kind} {name}[] = {{", *(f"    {', '.join(row)}," for row in rows), "};"]
