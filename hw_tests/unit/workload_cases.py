"""Shared by the tests of workloads: a loaded workload, and an engine that computes nothing."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from lstmith.spec.errors import UserError
from lstmith.workloads import catalogue
from lstmith.workloads.workload import Bools, Float32, Session, State, Workload


@functools.cache
def loaded(name: str) -> Workload:
    """A workload; the test is skipped if its data is neither there nor to be fetched."""
    try:
        return catalogue.load(name)
    except UserError as error:
        pytest.skip(f"data not downloaded: {error}")


class ZeroRunner:
    """A `Runner` whose h is always zero: what a metric must notice."""

    def __init__(self, workload: Workload):
        self.networks = workload.networks

    def sequences(
        self, network: str, xs: list[Float32], hints: list[Bools] | None = None, *, every_layer: bool = False
    ) -> list[Float32]:
        layers = self.networks[network].layers if every_layer else self.networks[network].layers[-1:]
        return [np.zeros((len(x), sum(layer.units for layer in layers)), np.float32) for x in xs]

    def session(self, network: str, sequences: int, state: State | None = None) -> Session:
        raise NotImplementedError
