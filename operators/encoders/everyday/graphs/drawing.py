"""Builds an ONNX graph from nodes, small constants, and weights that stay in their package."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = Mapping[str, NDArray[np.float32]]


class Drawing:
    """weights: the weights of the network by name, whose little-endian bytes are found in `file`, if it has any."""

    def __init__(self, weights: Weights, file: Path | None = None) -> None:
        self._weights = weights
        self._file = "" if file is None else file.name
        self._bytes = b"" if file is None else file.read_bytes()
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: dict[str, TensorProto] = {}

    def node(self, op: str, *inputs: str, out: str, **attributes: Any) -> str:
        """Adds a node. Returns the name of its output."""
        self._nodes.append(helper.make_node(op, inputs, [out], name=out, **attributes))
        return out

    def split(self, *inputs: str, outs: Sequence[str], op: str = "Split", **attributes: Any) -> None:
        """Adds a node with several outputs."""
        self._nodes.append(helper.make_node(op, inputs, outs, name=outs[0], **attributes))

    def constant(self, name: str, value: ArrayLike) -> str:
        """Adds a constant. Returns its name."""
        self._tensors[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def weight(self, name: str) -> str:
        """Adds a weight. Returns the name of its value. Raises ValueError if the file does not contain it."""
        values = self._weights[name]
        # in the order of its bytes: some weights were transposed from another framework's axes and saved as views
        axes = np.argsort(-np.array(values.strides), kind="stable")
        stored = values.transpose(axes)
        tensor = TensorProto(
            name=name, data_type=TensorProto.FLOAT, dims=stored.shape, data_location=TensorProto.EXTERNAL
        )
        place = {"location": self._file, "offset": self._bytes.index(stored.tobytes()), "length": stored.nbytes}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self._tensors[name] = tensor
        back = np.argsort(axes).tolist()
        return name if back == sorted(back) else self.node("Transpose", name, out=f"{name}.turned", perm=back)

    def model(
        self,
        name: str,
        *,
        inputs: Sequence[onnx.ValueInfoProto] = (),
        outputs: Sequence[onnx.ValueInfoProto],
        opset: int,
    ) -> onnx.ModelProto:
        graph = helper.make_graph(self._nodes, name, inputs, outputs, list(self._tensors.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def array(name: str, shape: Sequence[int | str], *, of: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    """An input or output of a graph. shape: a name for each side that differs from call to call."""
    return helper.make_tensor_value_info(name, of, shape)
