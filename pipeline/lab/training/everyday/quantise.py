"""Makes the integer form of the backbone that is shipped: `regionlake lab train backbone --data FOLDER`.

Activations are unsigned 8-bit with one scale a tensor, weights signed 7-bit with one scale a channel: on processors
without VNNI, the sum of two products of full 8 bits overflows 16 bits and is cut (ONNX Runtime, "Quantization",
U8S8 on AVX2). The first convolution and the first block stay in float32: they cost the same there, and without them
the cells of the last map keep a cosine of .95 to the floats instead of .91.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.encoders.everyday.backbone import EFFICIENTNET
from operators.encoders.everyday.package_weights import GRAPHS
from operators.encoders.everyday.resize import resize
from operators.readers.picture import read_picture
from pipeline.lab.datasets.dataset import LabelledFrame
from schemas.errors import InvalidValueError

_KEPT_FLOAT = ("_conv_stem", "_blocks.0.")


@dataclass(frozen=True, slots=True)
class QuantiseConfig:
    """pictures: number of pictures, spread evenly, whose activations decide the scales. side_px: of the input."""

    pictures: int = 48
    side_px: int = 448


def quantise_backbone(pictures: Sequence[LabelledFrame], *, config: QuantiseConfig, out: Path) -> int:
    """Writes the graph with its weights (5.4 MB). The same pictures and versions give the same file.

    Returns the number of pictures used. Raises InvalidValueError without pictures.
    """
    if not pictures:
        raise InvalidValueError("no picture to measure activations on; give --data FOLDER")
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    chosen = [pictures[i] for i in np.unique(np.linspace(0, len(pictures) - 1, config.pictures).astype(int))]

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
        def __init__(self) -> None:
            self._inputs = _inputs(chosen, side_px=config.side_px)

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            return next(self._inputs, None)

    with tempfile.TemporaryDirectory(prefix="regionlake-") as folder:
        folded = Path(folder) / "folded.onnx"
        _fold(folded)
        nodes = [node.name for node in onnx.load(folded).graph.node]
        quantize_static(
            folded,
            Path(folder) / "int8.onnx",
            Reader(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_exclude=[name for name in nodes if name.startswith(_KEPT_FLOAT)],
        )
        model = onnx.load(Path(folder) / "int8.onnx")
    out.write_bytes(model.SerializeToString(deterministic=True))
    return len(chosen)


def _fold(out: Path) -> None:
    """The float graph with its batch normalisations multiplied into the weights, which the file then holds."""
    import onnxruntime

    options: Any = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(out)
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(EFFICIENTNET.path.parent)
    )
    graph = (GRAPHS / "backbone.onnx").read_bytes()
    onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _inputs(pictures: Sequence[LabelledFrame], *, side_px: int) -> Iterator[dict[str, NDArray[np.uint8]]]:
    for picture in pictures:
        image = read_picture(str(picture.path))
        yield {"pictures": resize(image, width_px=side_px, height_px=side_px)[None]}
