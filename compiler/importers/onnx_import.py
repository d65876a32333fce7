"""Recurrent networks of an ONNX model: nodes joined to stacks, duplicates merged, those for the core chosen."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from onnx import ModelProto, NodeProto

from lstmith.compiler.importers.checks import check_stack
from lstmith.compiler.importers.onnx_graph import STANDARD_DOMAINS, Array, Scope, cut, fold, label, run_piece
from lstmith.compiler.importers.onnx_layer import read_layers
from lstmith.compiler.importers.onnx_quantised import dequantised
from lstmith.compiler.importers.onnx_site import SEQUENCE_LENS, Y_H, R, Site, W, X, Y, find_sites, full_length, sizes
from lstmith.golden.network import FloatNetwork
from lstmith.spec.errors import UserError


@dataclass(frozen=True, eq=False)
class OnnxNetwork:
    """A recurrent node of a graph, or several stacked ones of one direction.

    Parameters
    ----------
    sites : tuple of Site
        The nodes, from input to output.
    networks : tuple of FloatNetwork
        Their canonical form for each direction; empty if refused.
    refusal : UserError or None
        Why.
    twins : tuple of OnnxNetwork
        The same network in the other branches of the same If nodes.
    """

    sites: tuple[Site, ...]
    networks: tuple[FloatNetwork, ...]
    refusal: UserError | None = None
    twins: tuple[OnnxNetwork, ...] = ()

    @property
    def name(self) -> str:
        """The first node's name."""
        return self.sites[0].name

    def describe(self) -> str:
        """Name and widths, and what is not supported, for a list."""
        inputs, _ = sizes(self.sites[0])
        units = "+".join("?" if size is None else str(size) for size in (sizes(site)[1] for site in self.sites))
        note = f", not supported: {self.refusal.problem}" if self.refusal else ""
        return f"{self.name!r} (I={'?' if inputs is None else inputs}, H={units}{note})"


def only_network(model: ModelProto, source: str, layer: str | None = None) -> FloatNetwork:
    """The recurrent network of a model, which runs forward or in reverse.

    Parameters
    ----------
    model : ModelProto
    source : str
        The file, for messages.
    layer : str, optional
        Name of any node of the wanted network, or of one of its outputs; needed if there are several.

    Raises
    ------
    UserError
        If the model holds more than a single chain of layers.
    """
    chosen = choose_networks(dequantised(model, source), source, layer)
    found = [network for item in chosen for network in item.networks]
    if len(found) > 1:
        told = f"it holds {len(found)} chains of layers: {_list(chosen)}"
        raise UserError(source, told, "name one of them with --layer, or read all of them with read_model")
    return found[0]


def choose_networks(model: ModelProto, source: str, layer: str | None) -> list[OnnxNetwork]:
    """The network that ``layer`` names, or all there are, in graph order.

    If ``layer`` names a twin, that twin is returned.

    Raises
    ------
    UserError
        If there is none, one of them is not supported, or different ones stand in branches that never both run.
    """
    networks = find_networks(model, source)
    if layer is not None:
        everything = [network for main in networks for network in (main, *main.twins)]
        chosen = [network for network in everything if layer in {site.name for site in network.sites}]
        chosen = chosen or [n for n in everything if any(layer in site.node.output for site in n.sites)]
        if not chosen:
            raise UserError(
                f"{source}: --layer", f"there is no recurrent layer named {layer!r}", f"choose one of {_list(networks)}"
            )
        return [_supported(chosen[0])]
    if any(_exclusive(a.sites[0], b.sites[0]) for a, b in combinations(networks, 2)):
        raise UserError(
            source, f"it holds {len(networks)} networks in branches: {_list(networks)}", "name one of them with --layer"
        )
    return [_supported(network) for network in networks]


def find_networks(model: ModelProto, source: str) -> list[OnnxNetwork]:
    """All recurrent networks of the graph, in graph order, twins merged.

    Raises
    ------
    UserError
        If there is none.
    """
    sites = find_sites(model, source)
    if not sites:
        raise _none(model, source)
    merged: list[OnnxNetwork] = []
    for network in map(_read, _stacks(sites)):
        for index, other in enumerate(merged):
            if _exclusive(network.sites[0], other.sites[0]) and _same_weights(network.networks, other.networks):
                merged[index] = OnnxNetwork(other.sites, other.networks, twins=(*other.twins, network))
                break
        else:
            merged.append(network)
    return merged


def _list(networks: list[OnnxNetwork]) -> str:
    return ", ".join(network.describe() for network in networks)


def _supported(network: OnnxNetwork) -> OnnxNetwork:
    if network.refusal is not None:
        raise network.refusal
    return network


def _none(model: ModelProto, source: str) -> UserError:
    for scope in Scope(model.graph).inwards():
        for node in scope.nodes:
            if node.domain not in STANDARD_DOMAINS and any(word in node.op_type for word in ("LSTM", "GRU")):
                return UserError(
                    source,
                    f"its node {label(node)!r} is a {node.domain}.{node.op_type}, which is not supported",
                    "export the model before it is optimised for a runtime",
                )
    return UserError(
        source,
        "its graph has no LSTM, GRU or RNN node",
        "export the model so that its recurrent layer stays one node (a torch.nn.LSTM, not single gates)",
    )


def _read(sites: tuple[Site, ...]) -> OnnxNetwork:
    try:
        by_site = [read_layers(site) for site in sites]
        networks = tuple(FloatNetwork(layers) for layers in zip(*by_site, strict=True))
        for network in networks:
            check_stack(sites[0].source, network.layers)
    except UserError as refusal:
        return OnnxNetwork(sites, (), refusal)
    return OnnxNetwork(sites, networks)


def _stacks(sites: list[Site]) -> list[tuple[Site, ...]]:
    """Join nodes of which one reads nothing but the other's output sequence."""
    below = {id(site): _read_by(site, sites) for site in sites}
    above: dict[int, list[Site]] = {id(site): [] for site in sites}
    for site in sites:
        if (source := below[id(site)]) is not None:
            above[id(source)].append(site)
    stacks = []
    for site in sites:
        source = below[id(site)]
        # Two readers of one sequence are two networks on top of a third.
        if source is not None and len(above[id(source)]) == 1:
            continue
        stack = [site]
        while len(above[id(stack[-1])]) == 1:
            stack += above[id(stack[-1])]
        stacks.append(tuple(stack))
    return stacks


def _read_by(site: Site, sites: list[Site]) -> Site | None:
    """The node of the same one direction and lengths whose output sequence, unchanged, is this one's X.

    Reshapes and transposes in between are not interpreted: they are run on numbers, and the numbers must arrive
    in place.
    """
    by_node = {id(other.node): other for other in sites}
    piece = cut(site.scope, [site.input(X)], lambda node, name: id(node) in by_node)
    if len(piece.inputs) != 1:
        return None
    [(name, home)] = piece.inputs.items()
    _, producer = home.find(name)
    if not isinstance(producer, NodeProto) or (source := by_node.get(id(producer))) is None:
        return None
    if len(site.directions) > 1 or site.directions != source.directions or _lengths(site) != _lengths(source):
        return None
    recurrent = fold(source.model, source.scope, source.input(R))
    weights = fold(source.model, source.scope, source.input(W))
    if recurrent is None or weights is None or recurrent.ndim != 3:
        return None
    directions, units = recurrent.shape[0], recurrent.shape[2]
    steps, sequences = _probe_sizes(source, last=name == source.output(Y_H))
    if name == source.output(Y):
        shape = (steps, directions, sequences, units)
    elif name == source.output(Y_H) and source.one_step():
        shape = (1, directions, sequences, units)
    else:
        return None
    sent = np.random.default_rng(0).standard_normal(shape).astype(weights.dtype)
    arrived = run_piece(site.model, piece, [site.input(X)], {name: _as_output(sent, source, name)})
    wanted = sent.transpose(0, 2, 1, 3).reshape(shape[0], sequences, directions * units)
    wanted = wanted.swapaxes(0, 1) if site.batch_first else wanted
    return source if arrived is not None and np.array_equal(arrived[0], wanted) else None


def _lengths(site: Site) -> str:
    """What ends its sequences early; empty if nothing does."""
    return "" if full_length(site) else site.input(SEQUENCE_LENS)


def _probe_sizes(source: Site, last: bool) -> tuple[int, int]:
    """Steps and sequences to try: the graph's own where it fixes them."""
    shape = source.scope.shape_of(source.output(Y) or source.input(X))
    if last or shape is None or len(shape) < 3:
        return 3, 2
    steps, sequences = (shape[1], shape[0]) if source.batch_first else (shape[0], shape[-2])
    return steps or 3, sequences or 2


def _as_output(sent: Array, source: Site, name: str) -> Array:
    """[T, D, N, H] as the node would write it: Y or Y_h, in its layout."""
    if name == source.output(Y):
        return sent.transpose(2, 0, 1, 3) if source.batch_first else sent
    return sent[0].swapaxes(0, 1) if source.batch_first else sent[0]


def _exclusive(one: Site, other: Site) -> bool:
    """Whether the two stand in different branches of one If, so that never both run."""
    chosen = {id(scope.owner): scope for scope in one.branches() if scope.owner and scope.owner.op_type == "If"}
    return any(
        scope.owner is not None and chosen.get(id(scope.owner), scope) is not scope for scope in other.branches()
    )


def _same_weights(one: tuple[FloatNetwork, ...], other: tuple[FloatNetwork, ...]) -> bool:
    return bool(one) and len(one) == len(other) and all(same_network(a, b) for a, b in zip(one, other, strict=True))


def same_network(one: FloatNetwork, other: FloatNetwork) -> bool:
    """Whether two networks compute the same, whatever their layers are called."""
    if len(one.layers) != len(other.layers):
        return False
    scalars = ("kind", "squash", "symbols", "rectified", "verdict", "threshold")
    fields = ("w_ih", "w_hh", "bias", "peep", "h0", "c0")
    return all(
        all(getattr(x, name) == getattr(y, name) for name in scalars)
        and all(_same_array(getattr(x, field), getattr(y, field)) for field in fields)
        for x, y in zip(one.layers, other.layers, strict=True)
    )


def _same_array(one: Array | None, other: Array | None) -> bool:
    return one is other or (one is not None and other is not None and np.array_equal(one, other))
