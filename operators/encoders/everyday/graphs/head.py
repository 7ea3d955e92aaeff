"""The image side of the head as a graph. Its weights are inputs, so that a head that was just trained can be run."""

import numpy as np
import onnx

from operators.encoders.everyday.backbone import LEVELS, TOP
from operators.encoders.everyday.graphs.drawing import Drawing, array
from operators.encoders.everyday.head import CONSE_CLASSES, DEVIATION_EPSILON, IMAGE_WEIGHTS


def draw_head() -> onnx.ModelProto:
    """features: float32 (N, 1800). regions, frames: float32 (N, D), L2-normalised. The weights are those of `Head`.

    A product of ONNX Runtime adds up a row in one order, whatever other rows there are and on any number of threads.
    """
    drawing = Drawing({})
    node, constant = drawing.node, drawing.constant
    channels = [level.channels for level in LEVELS]
    epsilon, last = constant("epsilon", np.float32(DEVIATION_EPSILON)), constant("last", np.array([1], np.int64))
    parts = [f"part.{level.name}" for level in LEVELS]
    drawing.split("features", constant("channels", np.array(channels, np.int64)), outs=parts, axis=1)
    normed = []
    for part in parts:
        mean = node("ReduceMean", part, last, out=f"{part}.mean")
        centred = node("Sub", part, mean, out=f"{part}.centred")
        squares = node("Mul", centred, centred, out=f"{part}.squares")
        variance = node("ReduceMean", squares, last, out=f"{part}.variance")
        deviation = node("Add", node("Sqrt", variance, out=f"{part}.root"), epsilon, out=f"{part}.deviation")
        normed.append(node("Div", centred, deviation, out=f"{part}.normed"))
    x = node("Concat", *normed, out="normed", axis=1)

    def product(x: str, weight: str, bias: str | None, out: str) -> str:
        y = node("MatMul", x, weight, out=f"{out}.product" if bias else out)
        return node("Add", y, bias, out=out) if bias else y

    def unit(x: str, out: str) -> str:
        return node("LpNormalization", x, out=out, axis=1, p=2)

    logits = product(f"part.{TOP.name}", "classifier_weight", "classifier_bias", "logits")
    drawing.split(
        logits, constant("count", np.array([CONSE_CLASSES], np.int64)), outs=["likeliest", "classes"], op="TopK", axis=1
    )
    shares = node("Softmax", "likeliest", out="shares", axis=1)
    nothing = node("Sub", logits, logits, out="nothing")
    mixture = node("ScatterElements", nothing, "classes", shares, out="mixture", axis=1)
    conse = node(
        "Mul", unit(product(mixture, "conse_names", None, "named"), "conse"), "conse_scale", out="conse.scaled"
    )
    linear = product(x, "linear_weight", "linear_bias", "linear")
    hidden = node("Gelu", product(x, "hidden_weight", "hidden_bias", "hidden"), out="gelu")
    refined = node("Add", linear, product(hidden, "output_weight", None, "refinement"), out="refined")
    for name, trained in (("frames", linear), ("regions", refined)):
        scaled = node("Mul", unit(trained, f"{name}.trained"), "trained_scale", out=f"{name}.scaled")
        joined = node("Concat", scaled, conse, out=f"{name}.joined", axis=1)
        unit(product(joined, "projection", None, f"{name}.projected"), name)
    return drawing.model(
        "everyday-head",
        inputs=[array("features", ["n", sum(channels)]), *(array(*each) for each in IMAGE_WEIGHTS.items())],
        outputs=[array(name, ["n", "dimension"]) for name in ("regions", "frames")],
        opset=20,
    )
