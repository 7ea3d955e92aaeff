"""The head maps backbone features and sentence vectors into one space, by a trained part and an untrained one.

The trained part is linear for whole pictures; for regions a network with one hidden layer is added to it: it knows
things better, and sentences, which are about whole pictures, less well. The untrained part is ConSE (Norouzi et al.,
"Zero-Shot Learning by Convex Combination of Semantic Embeddings", ICLR 2014): the sentence vectors of the classifier's
ten likeliest class names, averaged by their probability. It covers nouns that the trained part never saw. Both are
projected to fewer dimensions, in the order of their variance over regions, so the first ones are a shorter vector.
"""

from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from operators.encoders.everyday.head_file import read_head, save_head
from operators.encoders.everyday.package_weights import GRAPHS, session_of
from operators.encoders.everyday.prompts import Doubles, unit
from schemas import require
from schemas.vectors import VectorArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CONSE_CLASSES = 10
DEVIATION_EPSILON = 1e-3
# inputs of the graph, and the names of their sides
IMAGE_WEIGHTS: dict[str, list[int | str]] = {
    "linear_weight": ["features", "trained"],
    "linear_bias": ["trained"],
    "hidden_weight": ["features", "hidden"],
    "hidden_bias": ["hidden"],
    "output_weight": ["hidden", "trained"],
    "classifier_weight": ["top", "classes"],
    "classifier_bias": ["classes"],
    "conse_names": ["classes", "sentence"],
    "projection": ["joined", "dimension"],
    "trained_scale": [],
    "conse_scale": [],
}


@dataclass(frozen=True, slots=True, eq=False)
class HeadWeights:
    """All float32. C features, T trained dimensions, H hidden ones, S of a sentence vector, K classes, D of a vector.

    linear_weight (C, T), linear_bias (T,); hidden_weight (C, H), hidden_bias (H,), output_weight (H, T): the part for
    regions alone. text_weight: (S, T), applied to sentence vectors. conse_names: (K, S), sentence vectors of the
    classifier's class names, kept here so that encoding pictures needs no text encoder. projection: (T + S, D).
    conse_share: a in [0, 1], the share of ConSE in a dot product before the projection.
    """

    linear_weight: VectorArray
    linear_bias: VectorArray
    hidden_weight: VectorArray
    hidden_bias: VectorArray
    output_weight: VectorArray
    text_weight: VectorArray
    conse_names: VectorArray
    projection: VectorArray
    conse_share: float

    def __post_init__(self) -> None:
        require.within("[0, 1]", conse_share=self.conse_share)

    def save(self, path: Path) -> None:
        """Writes the weights rounded to float16."""
        save_head(path, {name: getattr(self, name) for name in _ARRAYS}, conse_share=self.conse_share)

    @classmethod
    def load(cls, path: Path) -> "HeadWeights":
        """Reads saved weights. Raises ModelError if the file is absent or holds something else."""
        return read_head(path, cls)


_ARRAYS = tuple(each.name for each in fields(HeadWeights) if each.name != "conse_share")


@dataclass(frozen=True, eq=False)
class Head:
    """Any number of threads may use it at once; one call runs on one thread.

    classifier: weight, float32 (K, 1280), and bias, (K,), of the ImageNet classifier.
    """

    weights: HeadWeights
    classifier: tuple[VectorArray, VectorArray]
    _inputs: dict[str, VectorArray] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        weight, bias = self.classifier
        share = self.weights.conse_share
        own = {name: getattr(self.weights, name) for name in IMAGE_WEIGHTS if hasattr(self.weights, name)}
        inputs = own | {
            "classifier_weight": np.ascontiguousarray(weight.T),
            "classifier_bias": bias,
            "trained_scale": np.array((1 - share) ** 0.5, np.float32),
            "conse_scale": np.array(share**0.5, np.float32),
        }
        object.__setattr__(self, "_inputs", inputs)

    def regions(self, features: VectorArray) -> VectorArray:
        """features: float32 (N, C), pooled from the levels of the backbone. Returns (N, D), L2-normalised."""
        return self._run("regions", features)

    def frames(self, features: VectorArray) -> VectorArray:
        """The same for means over whole pictures."""
        return self._run("frames", features)

    def _run(self, output: str, features: VectorArray) -> VectorArray:
        # two rows at least, and one thread: a single row is multiplied by another kernel, whose last bits are others
        rows = np.repeat(features, 2, axis=0) if len(features) == 1 else features
        vectors: VectorArray = self._session.run([output], {"features": rows, **self._inputs})[0]
        return vectors[: len(features)]

    @cached_property
    def _session(self) -> "InferenceSession":
        return session_of((GRAPHS / "head.onnx").read_bytes(), None, threads=1)


def text_part(weights: HeadWeights, sentences: VectorArray) -> Doubles:
    """sentences: float32 (N, S). Returns the trained part of their vectors, (N, T), L2-normalised."""
    return unit(sentences.astype(np.float64) @ weights.text_weight.astype(np.float64))


def text_vectors(weights: HeadWeights, trained: Doubles, plain: Doubles) -> VectorArray:
    """The vectors of texts, float32 (N, D), L2-normalised.

    trained: float64 (N, T), of `text_part`. plain: their sentence vectors, (N, S). Both are L2-normalised.
    """
    share = weights.conse_share
    joined = np.concatenate([np.sqrt(1 - share) * trained, np.sqrt(share) * plain], axis=1)
    return unit(joined @ weights.projection.astype(np.float64)).astype(np.float32)
