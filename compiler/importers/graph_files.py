"""Names of a saved graph's files, for those who check files without reading them."""

from __future__ import annotations

MODELS = ("before", "after")
SPLIT = "split.json"
GRAPH_FILES = (*(f"{name}.onnx" for name in MODELS), SPLIT)
