"""The heads of the embedded model. Catches joined vectors whose dot product is not the weighted mean of both parts, and
weights that differ after saving and loading."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from operators.encoders.everyday.first_head import ConSE, joined
from operators.encoders.everyday.first_head import Head as FirstHead
from operators.encoders.everyday.head import Head, HeadWeights, text_part, text_vectors
from operators.encoders.everyday.names import classifier_names
from operators.encoders.everyday.prompts import unit
from schemas.errors import InvalidValueError, ModelError
from schemas.vectors import VectorArray

WIDTHS = [48, 120, 352, 1280]


def small_head(share: float = 0.25) -> HeadWeights:
    """8 trained dimensions, 12 hidden, 5 of a sentence, 20 classes, 6 of a vector."""
    rng = np.random.default_rng(0)
    shapes = ((1800, 8), (8,), (1800, 12), (12,), (12, 8), (5, 8), (20, 5), (13, 6))
    arrays = [rng.normal(size=s).astype(np.float16).astype(np.float32) for s in shapes]
    return HeadWeights(*arrays, conse_share=share)


@pytest.fixture
def classifier() -> tuple[VectorArray, VectorArray]:
    rng = np.random.default_rng(2)
    return rng.normal(size=(20, 1280)).astype(np.float32) / 30, rng.normal(size=20).astype(np.float32)


def test_saved_weights_load_as_they_were(tmp_path: Path) -> None:
    head = small_head()
    head.save(tmp_path / "head.safetensors")
    loaded = HeadWeights.load(tmp_path / "head.safetensors")
    assert loaded.conse_share == head.conse_share
    np.testing.assert_array_equal(loaded.hidden_weight, head.hidden_weight)
    np.testing.assert_array_equal(loaded.conse_names, head.conse_names)


@pytest.mark.parametrize("head", [HeadWeights, FirstHead])
def test_a_file_that_is_no_head_is_refused(tmp_path: Path, head: type[HeadWeights] | type[FirstHead]) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"not a head")
    with pytest.raises(ModelError, match="is not a head"):
        head.load(path)
    with pytest.raises(ModelError, match="is not a head"):
        head.load(tmp_path / "absent.safetensors")


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="conse_share"):
        small_head(share=1.5)


def test_the_graph_computes_what_the_head_says(classifier: tuple[VectorArray, VectorArray]) -> None:
    weights = small_head()
    features = np.random.default_rng(3).gamma(0.3, 1.0, (5, 1800)).astype(np.float32)
    x = features.astype(np.float64)
    levels = np.split(x, np.cumsum(WIDTHS)[:-1], axis=1)
    normed = np.concatenate([(v - v.mean(1, keepdims=True)) / (v.std(1, keepdims=True) + 1e-3) for v in levels], axis=1)
    linear = normed @ weights.linear_weight + weights.linear_bias
    hidden = normed @ weights.hidden_weight + weights.hidden_bias
    gelu = hidden * 0.5 * (1 + np.vectorize(math.erf)(hidden / math.sqrt(2)))
    logits = levels[-1] @ classifier[0].T + classifier[1]
    shares = np.where(logits >= np.sort(logits, axis=1)[:, -10, None], np.exp(logits), 0)
    conse = unit(shares @ weights.conse_names)
    head = Head(weights, classifier)
    for trained, found in (
        (linear, head.frames(features)),
        (linear + gelu @ weights.output_weight, head.regions(features)),
    ):
        expected = unit(np.concatenate([0.75**0.5 * unit(trained), 0.25**0.5 * conse], axis=1) @ weights.projection)
        # float32 sums of 1800 products
        np.testing.assert_allclose(found, expected, atol=2e-5)


def test_a_region_has_one_vector_whatever_shares_its_call(classifier: tuple[VectorArray, VectorArray]) -> None:
    features = np.random.default_rng(4).gamma(0.3, 1.0, (37, 1800)).astype(np.float32)
    head = Head(small_head(), classifier)
    together = head.regions(features)
    np.testing.assert_array_equal(together, np.concatenate([head.regions(row[None]) for row in features]))
    np.testing.assert_array_equal(together[::-1], head.regions(features[::-1].copy()))
    np.testing.assert_array_equal(together[:9], head.regions(features[:9]))


def test_texts_and_regions_meet_in_one_space(classifier: tuple[VectorArray, VectorArray]) -> None:
    """With all dimensions kept, a dot product is the weighted mean of both parts'."""
    full = replace(small_head(), projection=np.eye(13, dtype=np.float32))
    features = np.random.default_rng(5).gamma(0.3, 1.0, (4, 1800)).astype(np.float32)
    sentences = unit(np.random.default_rng(6).normal(size=(3, 5)))
    both = Head(full, classifier).frames(features)
    texts = text_vectors(full, text_part(full, sentences.astype(np.float32)), sentences)
    trained, plain = both[:, :8] / 0.75**0.5, both[:, 8:] / 0.25**0.5
    expected = 0.75 * trained @ (texts[:, :8] / 0.75**0.5).T + 0.25 * plain @ sentences.T
    np.testing.assert_allclose(both @ texts.T, expected, atol=1e-6)


def test_the_dot_product_is_the_weighted_mean_of_both_parts() -> None:
    rng = np.random.default_rng(1)
    a, b, c, d = (unit(x) for x in rng.normal(size=(4, 3, 7)))
    both = joined(a, b, conse_share=0.3) @ joined(c, d, conse_share=0.3).T
    # float32 of the vectors
    np.testing.assert_allclose(both, 0.7 * a @ c.T + 0.3 * b @ d.T, atol=1e-6)


def test_a_certain_classifier_gives_its_class_name() -> None:
    names = np.eye(12, 5, dtype=np.float32) + 0.1
    weight = np.zeros((12, 6), np.float32)
    weight[3, 2] = 100.0
    vector = ConSE(weight, np.zeros(12, np.float32), names).images(np.eye(6, dtype=np.float32)[2:3])[0]
    np.testing.assert_allclose(vector, names[3] / np.linalg.norm(names[3]), atol=1e-6)


def test_there_is_a_name_for_every_class() -> None:
    names = classifier_names()
    assert len(names) == 1000
    assert all(name == name.strip() and name for name in names)
    assert (names[0], names[388], names[999]) == ("tench", "giant panda", "toilet paper")
