"""all-MiniLM-L6-v2 as a graph: BERT (Devlin et al., 2019) with six layers, and the mean of the last layer's output."""

import numpy as np
import onnx
from onnx import TensorProto
from safetensors.numpy import load_file

from operators.encoders.everyday.graphs.drawing import Drawing, array
from operators.encoders.everyday.sentences import DIMENSION, MINILM

_LAYERS = 6
_HEADS = 12
_NORM_EPSILON = 1e-12


def draw_sentences() -> onnx.ModelProto:
    """tokens: int64 (N,), at most 512. sentence: float32 (384,), not normalised."""
    drawing = Drawing(load_file(MINILM.path), MINILM.path)
    width = DIMENSION // _HEADS
    drawing.constant("by_head", np.array([-1, _HEADS, width], np.int64))
    drawing.constant("joined", np.array([-1, DIMENSION], np.int64))
    drawing.constant("likeness_scale", np.float32(width**-0.5))
    drawing.constant("zero", np.array([0], np.int64))
    drawing.constant("one", np.array([1], np.int64))

    def linear(x: str, name: str) -> str:
        return drawing.node(
            "Gemm", x, drawing.weight(f"{name}.weight"), drawing.weight(f"{name}.bias"), out=f"{name}.out", transB=1
        )

    def normed(x: str, name: str) -> str:
        weight, bias = drawing.weight(f"{name}.weight"), drawing.weight(f"{name}.bias")
        return drawing.node("LayerNormalization", x, weight, bias, out=f"{name}.out", axis=-1, epsilon=_NORM_EPSILON)

    def attention(x: str, layer: str) -> str:
        q, k, v = (
            drawing.node("Reshape", linear(x, f"{layer}.attention.self.{part}"), "by_head", out=f"{layer}.{part}s")
            for part in ("query", "key", "value")
        )
        q = drawing.node("Transpose", q, out=f"{layer}.q", perm=[1, 0, 2])
        k = drawing.node("Transpose", k, out=f"{layer}.k", perm=[1, 2, 0])
        v = drawing.node("Transpose", v, out=f"{layer}.v", perm=[1, 0, 2])
        similarity = drawing.node("MatMul", q, k, out=f"{layer}.likeness")
        similarity = drawing.node("Mul", similarity, "likeness_scale", out=f"{layer}.scaled")
        shares = drawing.node("Softmax", similarity, out=f"{layer}.shares", axis=-1)
        mixed = drawing.node("MatMul", shares, v, out=f"{layer}.mixed")
        mixed = drawing.node("Transpose", mixed, out=f"{layer}.mixed_by_token", perm=[1, 0, 2])
        return drawing.node("Reshape", mixed, "joined", out=f"{layer}.context")

    words = drawing.node("Gather", drawing.weight("embeddings.word_embeddings.weight"), "tokens", out="words")
    count = drawing.node("Shape", "tokens", out="count")
    places = drawing.weight("embeddings.position_embeddings.weight")
    place = drawing.node("Slice", places, "zero", count, out="places")
    kinds = drawing.weight("embeddings.token_type_embeddings.weight")
    kind = drawing.node("Slice", kinds, "zero", "one", out="kind")  # the type of a first sentence; there is no second
    x = drawing.node("Add", drawing.node("Add", words, place, out="words_at"), kind, out="embedded")
    x = normed(x, "embeddings.LayerNorm")
    for layer in (f"encoder.layer.{number}" for number in range(_LAYERS)):
        y = linear(attention(x, layer), f"{layer}.attention.output.dense")
        x = normed(drawing.node("Add", y, x, out=f"{layer}.attended"), f"{layer}.attention.output.LayerNorm")
        y = drawing.node("Gelu", linear(x, f"{layer}.intermediate.dense"), out=f"{layer}.gelu")
        y = linear(y, f"{layer}.output.dense")
        x = normed(drawing.node("Add", y, x, out=f"{layer}.sum"), f"{layer}.output.LayerNorm")
    drawing.node("ReduceMean", x, "zero", out="sentence", keepdims=0)
    return drawing.model(
        "all-MiniLM-L6-v2",
        inputs=[array("tokens", ["count"], of=TensorProto.INT64)],
        outputs=[array("sentence", [DIMENSION])],
        opset=20,
    )
