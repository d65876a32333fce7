"""Shapes of weights: the message has the rows of the kind of layer."""

from __future__ import annotations

import numpy as np
import pytest

from lstmith.compiler.importers.checks import checked_gru, checked_layer, checked_rnn
from lstmith.spec.errors import UserError


@pytest.mark.parametrize(("build", "rows"), [(checked_layer, "4H"), (checked_gru, "3H"), (checked_rnn, "H")])
def test_the_rows_that_a_kind_needs_are_told(build: object, rows: str) -> None:
    assert callable(build)
    with pytest.raises(UserError) as refused:
        build("model", "layer", np.zeros((7, 2)), np.zeros((7, 5)))
    assert f"W_hh has shape [7, 5], not [{rows}, H]" in str(refused.value)
    assert f"needs input weights [{rows}, I], recurrent weights [{rows}, H] and biases [{rows}]" in str(refused.value)
