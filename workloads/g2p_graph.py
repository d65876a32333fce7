"""The grapheme-to-phoneme network as one ONNX graph: letters and the phonemes before in, the next phonemes out."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from lstmith.workloads.g2p import SIDES, G2p
from lstmith.workloads.g2p_data import BOUNDARY, Entry
from lstmith.workloads.graphs import INT32, INT64, Constants, lstm_node, whole_graph

LETTERS, LETTER_COUNTS, BEFORE, BEFORE_COUNTS = "letters", "letter_counts", "before", "before_counts"
PHONEMES = "phonemes"


def g2p_graph(workload: G2p) -> onnx.ModelProto:
    """Encoder, and decoder in its last states, with all units: embeddings, and the head with the likeliest phoneme.

    Inputs are ``letters``, int64 [T, N], from a word's last to its first, and ``before``, int64 [S, N], each with its
    counts, int32 [N]; the output is ``phonemes``, int64 [S, N].
    """
    encoder, decoder = (workload.networks[side].layers for side in SIDES)
    listen, arrays = lstm_node("encoder", "heard", encoder, ["", "state_h", "state_c"], lengths=LETTER_COUNTS)
    speak, more = lstm_node("decoder", "said", decoder, ["y"], lengths=BEFORE_COUNTS, states="state")
    nodes = [
        helper.make_node("Gather", ["letter_table", LETTERS], ["heard"], "embed_letters"),
        listen,
        helper.make_node("Gather", ["phoneme_table", BEFORE], ["said"], "embed_phonemes"),
        speak,
        helper.make_node("Squeeze", ["y", "direction"], ["h"], "squeeze"),
        helper.make_node("MatMul", ["h", "head_weight"], ["product"], "head"),
        helper.make_node("Add", ["product", "head_bias"], ["scores"], "head_bias"),
        helper.make_node("ArgMax", ["scores"], [PHONEMES], "argmax", axis=2, keepdims=0),
    ]
    constants: Constants = {
        **arrays,
        **more,
        "letter_table": workload.embeddings["encoder"],
        "phoneme_table": workload.embeddings["decoder"],
        "direction": np.array([1]),
        "head_weight": workload.head_weight.T,
        "head_bias": workload.head_bias[workload.counts[0]],
    }
    inputs = [
        helper.make_tensor_value_info(LETTERS, INT64, ["T", "N"]),
        helper.make_tensor_value_info(LETTER_COUNTS, INT32, ["N"]),
        helper.make_tensor_value_info(BEFORE, INT64, ["S", "N"]),
        helper.make_tensor_value_info(BEFORE_COUNTS, INT32, ["N"]),
    ]
    outputs = [helper.make_tensor_value_info(PHONEMES, INT64, ["S", "N"])]
    return whole_graph("g2p", nodes, inputs, outputs, constants)


def g2p_inputs(words: list[Entry]) -> dict[str, np.ndarray]:
    """Words side by side as the graph's inputs, each with its first pronunciation to go on from."""
    letters = [list(reversed(word.graphemes)) for word in words]
    before = [[BOUNDARY, *word.pronunciations[0]] for word in words]
    return {
        LETTERS: _columns(letters),
        LETTER_COUNTS: np.array([len(each) for each in letters], dtype=np.int32),
        BEFORE: _columns(before),
        BEFORE_COUNTS: np.array([len(each) for each in before], dtype=np.int32),
    }


def _columns(rows: list[list[int]]) -> np.ndarray:
    """Sequences as columns, int64 [T, N], zeros behind their ends."""
    found = np.zeros((max(map(len, rows)), len(rows)), dtype=np.int64)
    for column, row in enumerate(rows):
        found[: len(row), column] = row
    return found
