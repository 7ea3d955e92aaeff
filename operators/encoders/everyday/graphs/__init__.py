"""ONNX graphs of the embedded model, and the code that makes them; see README.md."""
