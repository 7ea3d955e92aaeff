"""ONNX graphs of the embedded model, and what makes them; see README.md."""
