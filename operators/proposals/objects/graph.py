"""Draws the head of objects as an ONNX graph that holds its weights."""

from collections.abc import Mapping

import numpy as np
import onnx

from operators.encoders.everyday.graphs.drawing import Drawing, array
from operators.proposals.objects.head import CONVOLUTIONS, GROUPS, NORM_EPSILON, SCORES, SIDES, STRIDES, USED
from schemas.vectors import VectorArray

_BRANCHES = ("fine", "coarse", "coarse")  # of the levels


def draw_objects(weights: Mapping[str, VectorArray]) -> onnx.ModelProto:
    """Three levels of one pass, float32 (1, H / stride, W / stride, C), in; for every cell, level by level and row by
    row, the expected IoU of its box, float32 (cells,), and the distances of its centre to the box's left, top, right
    and bottom side in pixels of the pass, (cells, 4), out.

    Each level is brought to 64 channels (32 at stride 8) and has the coarser one added to it. Then come three
    convolutions of 3 × 3 with group normalisation, shared by strides 16 and 32, and one to the outputs.

    weights: float32, by the names that `ObjectNetwork.arrays` gives them; they are rounded to float16.
    """
    drawing = Drawing({})
    node, constant = drawing.node, drawing.constant

    def weight(name: str, *, turned: bool = False) -> str:
        value = weights[name].T if turned else weights[name]
        half = constant(f"{name}.half", np.ascontiguousarray(value).astype(np.float16))
        return node("Cast", half, out=name, to=onnx.TensorProto.FLOAT)

    channels_first = {"perm": [0, 3, 1, 2]}
    laterals = []
    for place, level in enumerate(USED):
        product = node("MatMul", level.name, weight(f"lateral.{place}.weight", turned=True), out=f"lateral.{place}.raw")
        added = node("Add", product, weight(f"lateral.{place}.bias"), out=f"lateral.{place}.added")
        laterals.append(node("Transpose", added, out=f"lateral.{place}", **channels_first))
    twice, no_region = constant("twice", np.array([1, 1, 2, 2], np.float32)), ""
    resizing = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}

    def doubled(x: str, out: str) -> str:
        return node("Resize", x, no_region, twice, out=out, **resizing)

    middle = node("Add", laterals[1], doubled(laterals[2], "coarse.doubled"), out="middle")
    narrow = node("Conv", middle, weight("narrow.weight"), weight("narrow.bias"), out="narrow")
    fine = node("Add", laterals[0], doubled(narrow, "narrow.doubled"), out="fine")

    groups = constant("groups", np.array([1, GROUPS, -1], np.int64))
    ones, zeros = constant("ones", np.ones(GROUPS, np.float32)), constant("zeros", np.zeros(GROUPS, np.float32))
    flat = constant("flat", np.array([-1, 5], np.int64))
    outputs = constant("outputs", np.array([1, 4], np.int64))
    one = constant("one", np.float32(1))
    shared: dict[str, str] = {}

    def once(name: str) -> str:
        if name not in shared:
            shared[name] = weight(name)
        return shared[name]

    def channelwise(name: str) -> str:
        if f"{name}.column" not in shared:
            axes = constant(f"{name}.axes", np.array([1, 2], np.int64))
            shared[f"{name}.column"] = node("Unsqueeze", once(name), axes, out=f"{name}.column")
        return shared[f"{name}.column"]

    scores, sides = [], []
    for place, (x, branch, stride) in enumerate(zip((fine, middle, laterals[2]), _BRANCHES, STRIDES, strict=True)):
        for layer in range(CONVOLUTIONS):
            name, here = f"towers.{branch}.{3 * layer}", f"{place}.{layer}"
            x = node("Conv", x, once(f"{name}.weight"), once(f"{name}.bias"), out=f"{here}.conv", pads=[1, 1, 1, 1])
            norm = f"towers.{branch}.{3 * layer + 1}"
            grouped = node("Reshape", x, groups, out=f"{here}.grouped")
            normed = node("InstanceNormalization", grouped, ones, zeros, out=f"{here}.normed", epsilon=NORM_EPSILON)
            restored = node("Reshape", normed, node("Shape", x, out=f"{here}.shape"), out=f"{here}.restored")
            scaled = node("Mul", restored, channelwise(f"{norm}.weight"), out=f"{here}.scaled")
            shifted = node("Add", scaled, channelwise(f"{norm}.bias"), out=f"{here}.shifted")
            x = node("Relu", shifted, out=f"{here}.relu")
        name = f"outputs.{branch}"
        y = node("Conv", x, once(f"{name}.weight"), once(f"{name}.bias"), out=f"{place}.output", pads=[1, 1, 1, 1])
        last = node("Transpose", y, out=f"{place}.last", perm=[0, 2, 3, 1])
        cells = node("Reshape", last, flat, out=f"{place}.cells")
        drawing.split(cells, outputs, outs=[f"{place}.logit", f"{place}.raw"], axis=1)
        scores.append(node("Sigmoid", f"{place}.logit", out=f"{place}.score"))
        scale = constant(f"{place}.scale", np.float32(weights["scales"][place]))
        shift = node("Add", node("Mul", f"{place}.raw", scale, out=f"{place}.scaled"), one, out=f"{place}.shift")
        softplus = node("Softplus", shift, out=f"{place}.softplus")
        sides.append(node("Mul", softplus, constant(f"{place}.stride", np.float32(stride)), out=f"{place}.px"))
    column = node("Concat", *scores, out="scores.column", axis=0)
    node("Squeeze", column, constant("last", np.array([1], np.int64)), out=SCORES)
    node("Concat", *sides, out=SIDES, axis=0)
    return drawing.model(
        "objects",
        inputs=[array(each.name, [1, f"h{each.stride_px}", f"w{each.stride_px}", each.channels]) for each in USED],
        outputs=[array(SCORES, ["cells"]), array(SIDES, ["cells", 4])],
        opset=18,
    )
