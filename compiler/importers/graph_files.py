"""Names of a saved plan's files, for those who check files without reading them."""

from __future__ import annotations

MODEL = "model.onnx"
PLAN = "plan.json"
GRAPH_FILES = (MODEL, PLAN)
