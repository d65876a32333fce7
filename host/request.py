"""What every engine is given: a design, policies, integer inputs and initial states."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lstmith.compiler.data import Sequences
from lstmith.compiler.design import Design
from lstmith.compiler.quantise.encode import quantised_state
from lstmith.golden.layer_run import first_whole
from lstmith.golden.network import initial_state
from lstmith.spec.errors import UserError
from lstmith.spec.policy import Policy
from lstmith.spec.policy_check import check_skims
from lstmith.spec.quantised import IntArray, QuantNetwork


@dataclass(frozen=True)
class RunRequest:
    """One run.

    Attributes
    ----------
    design : Design
    policies : list of Policy
        One per layer.
    sequences : Sequences
        As the user gave them.
    x : int16 [N, T, I]
        Input streams, padded with zeros.
    state : list of (h, c) or None
        Per layer, int64 [N, H] each; None starts from zero.
    given_masks : int64 [N, T] or None
        Index of the active count that the sequences ask for per step.
    after : RunRequest or None
        A run of another program of the design, of as many sequences. Each sequence begins in the state in which that
        run's sequence ends: the engine keeps it, the host does not see it.
    """

    design: Design
    policies: list[Policy]
    sequences: Sequences
    x: npt.NDArray[np.int16]
    state: list[tuple[IntArray, IntArray]] | None
    given_masks: IntArray | None = None
    after: RunRequest | None = None

    def __post_init__(self) -> None:
        if self.design.engine.fixed and self.state is not None:
            problem = "gives initial states, and nothing can load them into a fixed engine"
            raise UserError(self.sequences.source, problem, "leave h0 and c0 out, or compile without --fixed")
        if self.after is not None:
            check_hand_over(self, self.after)
        self._check_skims()

    def _check_skims(self) -> None:
        if not self.design.network.skims or not (self.active_indices * self.valid).any():
            return
        try:
            check_skims(self.policies)
        except ValueError as error:
            raise UserError(f"{self.sequences.source} field active", str(error), "leave it out") from None

    @property
    def lengths(self) -> IntArray:
        """Steps of each sequence, int64 [N]."""
        return self.sequences.lengths

    @property
    def valid(self) -> npt.NDArray[np.bool_]:
        """Steps that exist, bool [N, T]."""
        return self.sequences.valid

    @property
    def hints(self) -> npt.NDArray[np.bool_]:
        """Steps that the input says may be skipped, bool [N, T]."""
        return np.zeros(self.x.shape[:2], dtype=bool) if self.sequences.hint is None else self.sequences.hint

    @property
    def active_indices(self) -> IntArray:
        """Index of the active count of every step, int64 [N, T]: the sequences', else the policy's.

        The first step of a sequence computes all units of a network that skims.
        """
        found = self.given_masks
        if found is None:
            found = np.full(self.x.shape[:2], chosen_index(self.design.network, self.policies))
        return first_whole(found) if self.design.network.skims else found

    def with_policies(self, policies: list[Policy]) -> RunRequest:
        """The same run under other policies."""
        return replace(self, policies=policies)


def make_request(
    design: Design, sequences: Sequences, policies: list[Policy], after: RunRequest | None = None
) -> RunRequest:
    """Quantise inputs and initial states; a network's own constant states count as given.

    Raises
    ------
    UserError
        If the sequences ask for active counts that the network was not compiled with, or cannot take up the states of
        the run before.
    """
    float_state = sequences.state
    constant = any(layer.h0 is not None or layer.c0 is not None for layer in design.source.layers)
    if float_state is None and constant and after is None:
        float_state = [initial_state(layer, len(sequences.x)) for layer in design.source.layers]
    state = None if float_state is None else quantised_state(design.network, design.engine.c_width, float_state)
    x, active_indices = design.network.quantise_input(sequences.x), _masks(design.network, sequences)
    return RunRequest(design, policies, sequences, x, state, active_indices, after)


def integer_request(
    design: Design,
    policies: list[Policy],
    x: npt.NDArray[np.int16],
    *,
    lengths: IntArray | None = None,
    state: list[tuple[IntArray, IntArray]] | None = None,
    hint: npt.NDArray[np.bool_] | None = None,
    after: RunRequest | None = None,
) -> RunRequest:
    """A run whose inputs are integers already.

    Parameters
    ----------
    design : Design
    policies : list of Policy
    x : int16 [N, T, I]
    lengths : int64 [N] or None
        Steps of each sequence; all of them if None.
    state : list of (h, c) or None
        Per layer, int64 [H] each, the same for all sequences; None starts from zero.
    hint : bool [N, T] or None
        Steps that are marked as skipped.
    after : RunRequest or None
        See :class:`RunRequest`.
    """
    count = len(x)
    steps = np.full(count, x.shape[1]) if lengths is None else lengths
    states = None if state is None else [(np.tile(h, (count, 1)), np.tile(c, (count, 1))) for h, c in state]
    real = (x * design.network.x_lsb).astype(np.float32)
    return RunRequest(design, policies, Sequences(real, steps, False, None, "steps", hint), x, states, after=after)


def check_hand_over(request: RunRequest, after: RunRequest) -> None:
    """Refuse a run that cannot begin in the states that another one leaves.

    Raises
    ------
    UserError
        Naming both programs and what differs.
    """
    taker, giver = (run.design.programs[run.design.program] for run in (request, after))
    where = f"program {taker.name or request.design.program}"
    if request.design.engine.programs == 1:
        raise UserError(where, "is the only one of its engine, which hands no states over", "compile several programs")
    if request.state is not None:
        raise UserError(where, "is given initial states, and takes them over too", "leave one of them out")
    if taker.place != giver.place or taker.state_format != giver.state_format:
        raise UserError(
            where,
            f"has states {taker.state_format} at {taker.place}, {giver.name or after.design.program} has"
            f" {giver.state_format} at {giver.place}",
            "compile it with keeps",
        )
    if len(request.x) != len(after.x) or after.lengths.min(initial=1) < 1:
        raise UserError(
            where,
            f"runs {len(request.x)} sequences after {len(after.x)} of {after.lengths.min(initial=1)} steps or more",
            "give as many sequences, none of them empty",
        )


def chosen_index(network: QuantNetwork, policies: list[Policy]) -> int:
    """Index of the active count that policies ask for."""
    first = network.layers[0]
    return (first.units, *first.counts).index(policies[0].active or first.units)


def _masks(network: QuantNetwork, sequences: Sequences) -> IntArray | None:
    if sequences.active is None:
        return None
    first = network.layers[0]
    counts = np.array([first.units, *first.counts])
    found = sequences.active[..., None] == counts
    if bad := np.argwhere(~found.any(axis=2) & sequences.valid).tolist():
        where = tuple(bad[0])
        raise UserError(
            f"{sequences.source} field active",
            f"is {sequences.active[where]} at {where}",
            f"use one of the compiled counts {', '.join(map(str, counts))}",
        )
    active_indices: IntArray = found.argmax(axis=2)
    return active_indices
