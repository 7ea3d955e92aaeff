"""The head maps backbone features and sentence vectors into one space, by a trained part and an untrained one.

The trained part is one linear map for each side. The untrained part is ConSE (Norouzi et al., "Zero-Shot
Learning by Convex Combination of Semantic Embeddings", ICLR 2014): the sentence vectors of the classifier's
ten likeliest class names, averaged by their probability. It covers nouns that the trained part never saw.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from operators.encoders.everyday.head_file import read_head, save_head
from operators.encoders.everyday.prompts import Doubles, unit
from schemas import require
from schemas.vectors import VectorArray

CONSE_CLASSES = 10
_NORM_EPSILON = 1e-5
_SAVED = ("image_weight", "image_bias", "text_weight", "text_bias", "conse_names")


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """Weights of the trained part, all float32, and what ConSE needs.

    image_weight: (D, C), applied to layer-normalised features. image_bias: (D,). text_weight: (D, S), applied to
    sentence vectors.
    text_bias: (D,). conse_names: (K, S), sentence vectors of the classifier's class names, kept here so that
    encoding pictures needs no text encoder. conse_share: a in [0, 1], the share of ConSE in a dot product.
    """

    image_weight: VectorArray
    image_bias: VectorArray
    text_weight: VectorArray
    text_bias: VectorArray
    conse_names: VectorArray
    conse_share: float
    _image_weight: Doubles = field(init=False, repr=False)  # transposed

    def __post_init__(self) -> None:
        object.__setattr__(self, "_image_weight", self.image_weight.T.astype(np.float64))
        require.same_length(
            image_weight=self.image_weight,
            image_bias=self.image_bias,
            text_weight=self.text_weight,
            text_bias=self.text_bias,
        )
        require.within("[0, 1]", conse_share=self.conse_share)

    def save(self, path: Path) -> None:
        """Writes the weights rounded to float16."""
        save_head(path, {name: getattr(self, name) for name in _SAVED}, conse_share=self.conse_share)

    @classmethod
    def load(cls, path: Path) -> "Head":
        """Reads saved weights. Raises ModelError if the file is absent or holds something else."""
        return read_head(path, cls)

    def images(self, features: VectorArray) -> Doubles:
        """features: float32 (N, C), as pooled from the backbone. Returns (N, D), L2-normalised."""
        return unit(layer_norm(features) @ self._image_weight + self.image_bias)

    def texts(self, sentences: VectorArray) -> Doubles:
        """sentences: float32 (N, S). Returns (N, D), L2-normalised."""
        return unit(sentences.astype(np.float64) @ self.text_weight.T.astype(np.float64) + self.text_bias)


@dataclass(frozen=True, slots=True, eq=False)
class ConSE:
    """The untrained part of the head.

    weight, bias: the classifier's, float32 (K, C) and (K,). names: sentence vectors of its K classes, (K, S).
    """

    weight: VectorArray
    bias: VectorArray
    names: VectorArray
    # kept as float64: casting the weights takes longer than multiplying a hundred vectors by them
    _weight: Doubles = field(init=False, repr=False)  # transposed
    _names: Doubles = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_weight", self.weight.T.astype(np.float64))
        object.__setattr__(self, "_names", self.names.astype(np.float64))

    def images(self, features: VectorArray) -> Doubles:
        """features: float32 (N, C), as pooled from the backbone. Returns (N, S), L2-normalised."""
        logits = features.astype(np.float64) @ self._weight + self.bias
        likeliest = np.argpartition(-logits, CONSE_CLASSES, axis=1)[:, :CONSE_CLASSES]
        top = np.take_along_axis(logits, likeliest, axis=1)
        share = np.exp(top - top.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        # classes in a fixed order: another order of summation changes the last bits
        weights = np.zeros_like(logits)
        np.put_along_axis(weights, likeliest, share, axis=1)
        return unit(weights @ self._names)


def joined(head: Doubles, conse: Doubles, *, conse_share: float) -> VectorArray:
    """`[√(1−a)·head, √a·conse]`: the dot product of two such vectors is the weighted mean of both parts'."""
    vectors: VectorArray = np.concatenate(
        [np.sqrt(1.0 - conse_share) * head, np.sqrt(conse_share) * conse], axis=1
    ).astype(np.float32)
    return vectors


def layer_norm(features: VectorArray) -> Doubles:
    """float32 (N, C) → float64, each row of mean 0 and variance 1."""
    # float64 throughout the head: BLAS picks its kernel by the batch size, and what that changes in the last bits of
    # float64 is never seen in the float32 that the head returns
    x = features.astype(np.float64)
    centred = x - x.mean(axis=1, keepdims=True)
    normed: Doubles = centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + _NORM_EPSILON)
    return normed
