"""The file of a code model. Catches settings that are not restored, codes that change with the batch, and features of
another model that are accepted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from operators.codes.features import RegionFeaturesConfig
from operators.codes.hamming import unpack_signs
from operators.codes.model import CodeModel
from operators.codes.projection import Projection
from schemas.errors import InvalidValueError, ModelError
from schemas.vectors import VectorSpace

SPACE = VectorSpace("everyday", "abc", 8, "as it comes")


@pytest.fixture
def model() -> CodeModel:
    rng = np.random.default_rng(0)
    projection = Projection(rng.normal(size=(256, 16)).astype("f4"), rng.normal(size=256).astype("f4"))
    return CodeModel(projection, "learnt", SPACE, RegionFeaturesConfig(least_masked_area=0.1))


def test_a_code_is_the_signs_of_the_squashed_projection(model: CodeModel) -> None:
    x = np.random.default_rng(1).normal(size=(20, 16)).astype(np.float32)
    expected = np.sign(np.tanh(x @ model.projection.weight.T + model.projection.bias))
    np.testing.assert_array_equal(unpack_signs(model(x)), expected)
    np.testing.assert_array_equal(np.concatenate([model(row[None]) for row in x]), model(x))


def test_a_file_gives_back_the_model_and_its_fingerprint(model: CodeModel, tmp_path: Path) -> None:
    path = tmp_path / "codes.safetensors"
    model.save(path)
    again = CodeModel.load(path)
    assert (again.method, again.space, again.features) == (model.method, model.space, model.features)
    np.testing.assert_array_equal(again.projection.weight, model.projection.weight)
    assert again.fingerprint == model.fingerprint


def test_everything_that_changes_codes_changes_the_fingerprint(model: CodeModel) -> None:
    moved = replace(model, projection=replace(model.projection, bias=model.projection.bias + 1))
    others = [
        moved,
        replace(model, features=RegionFeaturesConfig()),
        replace(model, space=replace(SPACE, revision="x")),
    ]
    assert len({model.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_features_of_another_model_are_refused(model: CodeModel) -> None:
    model.require_space(replace(SPACE, model="the same weights from elsewhere"))
    with pytest.raises(ModelError, match="train codes of this model"):
        model.require_space(replace(SPACE, revision="def"))
    with pytest.raises(InvalidValueError, match=r"features must be \(N, 16\)"):
        model(np.zeros((2, 15), np.float32))


def test_a_file_that_is_no_code_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.safetensors").write_bytes(b"no tensors")
    for name in ("absent.safetensors", "other.safetensors"):
        with pytest.raises(ModelError, match=f"{name} is not a code model"):
            CodeModel.load(tmp_path / name)
