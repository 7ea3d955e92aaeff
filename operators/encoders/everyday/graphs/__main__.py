"""Makes the graphs again: `python -m operators.encoders.everyday.graphs`."""

from collections.abc import Callable

import onnx

from operators.encoders.everyday.graphs.efficientnet import draw_backbone, draw_classifier
from operators.encoders.everyday.graphs.head import draw_head
from operators.encoders.everyday.graphs.minilm import draw_sentences
from operators.encoders.everyday.package_weights import GRAPHS

DRAWN: dict[str, Callable[[], onnx.ModelProto]] = {
    "backbone": draw_backbone,
    "classifier": draw_classifier,
    "head": draw_head,
    "sentences": draw_sentences,
}


def main() -> None:
    for name, draw in DRAWN.items():
        path = GRAPHS / f"{name}.onnx"
        path.write_bytes(draw().SerializeToString(deterministic=True))
        print(f"{path} {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
