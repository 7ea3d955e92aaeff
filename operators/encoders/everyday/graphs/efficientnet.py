"""EfficientNet-lite2 as a graph (Tan and Le, "EfficientNet", ICML 2019; lite: ReLU6, no squeeze-and-excitation)."""

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto

from operators.encoders.everyday.backbone import EFFICIENTNET, LEVELS, Level
from operators.encoders.everyday.graphs.drawing import Drawing, array

if TYPE_CHECKING:
    import torch

_NORM_EPSILON = 1e-3
_STEM = "_conv_stem"
# Padding before and after, for each layer with a stride of two: TensorFlow's SAME at the 260 px of training. The last
# layer is padded as SAME does at an even size, one less before than after. Otherwise, at sizes of whole cells, the
# receptive field of a cell of 32 px would be centred 12.5 px left of and above its middle; now it is centred 3.5 px
# right and below. (Each stride with equal padding moves the centre by minus half its step, each with less padding
# before by plus half: 0.5, 1, 2, 4, 8 px.)
_STRIDES = {_STEM: (0, 1), "_blocks.1": (0, 1), "_blocks.4": (2, 2), "_blocks.7": (1, 1), "_blocks.15": (1, 2)}


def draw_backbone() -> onnx.ModelProto:
    """pictures: uint8 (N, H, W, 3). One output per depth of LEVELS: float32 (N, rows, cols, channels)."""
    state = _state()
    drawing = Drawing({name: values.numpy() for name, values in state.items()}, EFFICIENTNET.path)
    for name, value in (("zero", 0.0), ("six", 6.0), ("middle", 127.0), ("range", 128.0)):
        drawing.constant(name, np.float32(value))

    def convolved(x: str, conv: str, norm: str, *, clip: bool = True) -> str:
        """A convolution with its batch normalisation folded into it, and ReLU6."""
        import torch

        gamma, beta, mean, variance = (
            state[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / torch.sqrt(variance + _NORM_EPSILON)
        drawing.constant(f"{conv}.scale", scale.reshape(-1, 1, 1, 1).numpy())
        drawing.constant(f"{conv}.bias", (beta - mean * scale).numpy())
        folded = drawing.node("Mul", drawing.weight(f"{conv}.weight"), f"{conv}.scale", out=f"{conv}.folded")
        _, within, side, _ = state[f"{conv}.weight"].shape
        layer = conv.removesuffix("._depthwise_conv")
        before, after = _STRIDES.get(layer, (side // 2, side // 2))
        x = drawing.node(
            "Conv",
            x,
            folded,
            f"{conv}.bias",
            out=conv,
            kernel_shape=[side, side],
            strides=[2, 2] if layer in _STRIDES else [1, 1],
            pads=[before, before, after, after],
            group=len(scale) if within == 1 else 1,
        )
        return drawing.node("Clip", x, "zero", "six", out=f"{conv}.clipped") if clip else x

    x = drawing.node("Transpose", "pictures", out="channels_first", perm=[0, 3, 1, 2])
    x = drawing.node("Cast", x, out="floats", to=TensorProto.FLOAT)
    x = drawing.node("Sub", x, "middle", out="centred")
    x = drawing.node("Div", x, "range", out="scaled")
    x = convolved(x, _STEM, "_bn0")
    outputs = []

    def output(x: str, level: Level) -> None:
        drawing.node("Transpose", x, out=level.name, perm=[0, 2, 3, 1])
        sides = [f"{level.name}.rows", f"{level.name}.cols"]
        outputs.append(array(level.name, ["n", *sides, level.channels]))

    by_block = {level.block: level for level in LEVELS}
    blocks = sorted({int(name.split(".")[1]) for name in state if name.startswith("_blocks.")})
    for block in (f"_blocks.{number}" for number in blocks):
        y = x
        if f"{block}._expand_conv.weight" in state:
            y = convolved(y, f"{block}._expand_conv", f"{block}._bn0")
        y = convolved(y, f"{block}._depthwise_conv", f"{block}._bn1")
        y = convolved(y, f"{block}._project_conv", f"{block}._bn2", clip=False)
        entering = state.get(f"{block}._expand_conv.weight")
        leaving = state[f"{block}._project_conv.weight"]
        if block not in _STRIDES and entering is not None and entering.shape[1] == len(leaving):
            y = drawing.node("Add", y, x, out=f"{block}.sum")
        x = y
        if level := by_block.get(int(block.split(".")[1])):
            output(x, level)
    output(convolved(x, "_conv_head", "_bn1"), by_block[None])
    return drawing.model(
        "efficientnet-lite2",
        inputs=[array("pictures", ["n", "height", "width", 3], of=TensorProto.UINT8)],
        outputs=outputs,
        opset=17,
    )


def draw_classifier() -> onnx.ModelProto:
    """A graph without inputs, whose outputs are weight, float32 (1000, TOP.channels), and bias, (1000,)."""
    state = {name: values.numpy() for name, values in _state().items()}
    drawing = Drawing(state, EFFICIENTNET.path)
    for part in ("weight", "bias"):
        drawing.node("Identity", drawing.weight(f"_fc.{part}"), out=part)
    outputs = [array(part, state[f"_fc.{part}"].shape) for part in ("weight", "bias")]
    return drawing.model("efficientnet-lite2-classifier", outputs=outputs, opset=17)


def _state() -> "dict[str, torch.Tensor]":
    import torch

    state: dict[str, torch.Tensor] = torch.load(EFFICIENTNET.path, map_location="cpu", weights_only=True)
    return state
