"""The head of the embedded model. Catches joined vectors whose dot product is not the weighted mean of both parts, and
weights that differ after saving and loading."""

from pathlib import Path

import numpy as np
import pytest

from operators.encoders.everyday.head import ConSE, Head, joined
from operators.encoders.everyday.names import classifier_names
from schemas.errors import InvalidValueError, ModelError


def small_head(share: float = 0.25) -> Head:
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=s).astype(np.float16).astype(np.float32) for s in ((4, 6), (4,), (4, 5), (4,), (12, 5))]
    return Head(*arrays, conse_share=share)


def test_saved_weights_load_as_they_were(tmp_path: Path) -> None:
    head = small_head()
    head.save(tmp_path / "head.safetensors")
    loaded = Head.load(tmp_path / "head.safetensors")
    assert loaded.conse_share == head.conse_share
    np.testing.assert_array_equal(loaded.image_weight, head.image_weight)
    np.testing.assert_array_equal(loaded.conse_names, head.conse_names)


def test_a_file_that_is_no_head_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"not a head")
    with pytest.raises(ModelError, match="is not a head"):
        Head.load(path)
    with pytest.raises(ModelError, match="is not a head"):
        Head.load(tmp_path / "absent.safetensors")


def test_a_share_beyond_one_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="conse_share"):
        small_head(share=1.5)


def test_the_dot_product_is_the_weighted_mean_of_both_parts() -> None:
    rng = np.random.default_rng(1)
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.normal(size=(4, 3, 7))]
    both = joined(unit[0], unit[1], conse_share=0.3) @ joined(unit[2], unit[3], conse_share=0.3).T
    # float32 of the vectors
    np.testing.assert_allclose(both, 0.7 * unit[0] @ unit[2].T + 0.3 * unit[1] @ unit[3].T, atol=1e-6)


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
