"""The nn.Linear behind a recurrent module of a PyTorch state dict, where there is no doubt that it stands there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lstmith.compiler.importers.checks import float_array
from lstmith.compiler.importers.torch_import import TorchModel
from lstmith.golden.network import FloatLayer
from lstmith.spec.codes import Kind, Squash
from lstmith.spec.errors import UserError

_OPTION = "option --head"
_FIX = "leave it out, or export the model to ONNX"
_WEIGHT = ".weight"


def with_head(module: TorchModel, source: str) -> TorchModel:
    """The module with the only nn.Linear that reads its h as a dense layer of every step.

    A state dict tells weights alone. So nothing else may be there whose place would be a guess, but an embedding.

    Parameters
    ----------
    module : TorchModel
    source : str
        The file, for messages.

    Raises
    ------
    UserError
        If there is no such Linear, more than one, or anything beside it.
    """
    last = module.stacks[-1]
    width = sum(layer.units for layer in last)
    beside = {name: tensor for name, tensor in module.others.items() if name != module.embedding}
    found = [name for name, tensor in beside.items() if name.endswith(_WEIGHT) and tensor.shape[1:] == (width,)]
    if not found:
        raise UserError(_OPTION, f"finds no Linear in {source} that reads the {width} values of {module.name!r}", _FIX)
    if len(found) > 1:
        told = " and ".join(repr(name) for name in found[:2])
        raise UserError(_OPTION, f"finds {told} in {source}, of which a state dict does not tell the order", _FIX)
    [weight] = found
    name = weight.removesuffix(_WEIGHT)
    bias = f"{name}.bias"
    if strange := [each for each in beside if each not in (weight, bias)]:
        raise UserError(_OPTION, f"finds {strange[0]!r} in {source}, and a state dict does not tell its place", _FIX)
    rows = float_array(source, repr(weight), beside[weight])
    added = float_array(source, repr(bias), beside[bias]) if bias in beside else np.zeros(len(rows))
    if added.shape != (len(rows),):
        raise UserError(source, f"{bias!r} has shape {list(added.shape)}, not [{len(rows)}]", "save it again")
    layer = FloatLayer(name, rows, np.zeros((len(rows), 0)), added, kind=Kind.DENSE, squash=Squash.LINEAR)
    return replace(module, dense=layer)
