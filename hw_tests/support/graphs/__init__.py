"""ONNX graphs in the shapes that exporters write and users report, made with random weights."""
