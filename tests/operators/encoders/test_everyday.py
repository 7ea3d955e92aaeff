"""The embedded model. Catches: vectors that depend on others in the call (engines would write other rows), a map
that does not cover its frame, and loading torch for it."""

import itertools
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.encoders.catalogue import load_encoder, model_cards
from operators.encoders.everyday.encoder import WEIGHTS, EverydayEncoder
from operators.encoders.everyday.head import HeadWeights
from schemas.boxes import Boxes
from schemas.errors import InvalidValueError, ModelError
from schemas.frames import ImageArray

ROOT = Path(__file__).parents[3]


def test_a_picture_has_one_vector_whatever_shares_its_call(
    everyday: EverydayEncoder, pictures: list[ImageArray]
) -> None:
    together = everyday.encode_images(pictures)
    alone = np.concatenate([everyday.encode_images([p]) for p in pictures])
    by_seven = np.concatenate([everyday.encode_images(pictures[i : i + 7]) for i in range(0, len(pictures), 7)])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together, by_seven)


def test_vectors_do_not_depend_on_the_number_of_threads(everyday: EverydayEncoder, pictures: list[ImageArray]) -> None:
    single = EverydayEncoder(threads=1)
    np.testing.assert_array_equal(single.encode_images(pictures[:5]), everyday.encode_images(pictures[:5]))
    for one, two in zip(single.feature_maps(pictures[:1]), everyday.feature_maps(pictures[:1]), strict=True):
        for level, same in zip(one.levels, two.levels, strict=True):
            np.testing.assert_array_equal(level, same)


@settings(deadline=None, max_examples=8)
@given(rows=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_projection_treats_every_row_alone(everyday: EverydayEncoder, rows: int, seed: int) -> None:
    features = np.random.default_rng(seed).gamma(0.3, 1.0, (rows, 1800)).astype(np.float32)
    together = everyday.project(features)
    np.testing.assert_array_equal(together, np.concatenate([everyday.project(f[None]) for f in features]))
    np.testing.assert_array_equal(together[::-1], everyday.project(features[::-1]))
    # float32 rounding of 128 squares
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)


def test_another_head_has_no_calibration(everyday: EverydayEncoder) -> None:
    assert everyday.calibration is not None
    assert everyday.with_head(HeadWeights.load(WEIGHTS)).calibration is None
    assert everyday.calibration is not None


def test_a_text_has_one_unit_vector_whatever_shares_its_call(everyday: EverydayEncoder) -> None:
    texts = ["person", "a red car turning left at a crossing on a rainy evening", "dog"]
    together = everyday.encode_texts(texts)
    np.testing.assert_array_equal(together, np.concatenate([everyday.encode_texts([t]) for t in texts]))
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)


def test_no_pictures_and_no_texts_give_no_vectors(everyday: EverydayEncoder) -> None:
    assert everyday.encode_images([]).shape == (0, 128)
    assert everyday.encode_texts([]).shape == (0, 128)
    assert everyday.feature_maps([]) == []


def test_one_pixel_is_a_picture(everyday: EverydayEncoder) -> None:
    assert np.isfinite(everyday.encode_images([np.zeros((1, 1, 3), np.uint8)])).all()


def test_cells_stand_where_their_pixels_are(everyday: EverydayEncoder) -> None:
    """Noise in one place of a grey frame changes the features about that place, on average over many places.

    The network's own padding looks 12.5 px of a cell's 32 to one side: a third of a cell, on every box.
    """
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    blank = np.full((448, 448, 3), 127, np.uint8)
    before = everyday.feature_maps([blank])[0]
    assert [level.shape for level in before.levels] == [(56, 56, 48), (28, 28, 120), (14, 14, 352), (14, 14, 1280)]
    assert before.shape == (28, 28, 1800)
    assert before.extent == (0.0, 0.0, 1.0, 1.0)
    off_px = []
    for row, col in itertools.product(range(2, 5), range(2, 5)):
        marked = blank.copy()
        marked[row * 64 : (row + 1) * 64, col * 64 : (col + 1) * 64] = noise
        change = np.abs(everyday.feature_maps([marked])[0].levels[-1] - before.levels[-1]).sum(axis=2)
        centres = np.arange(14) * 32 + 16
        off_px.append(
            [
                change.sum(axis=1) @ centres / change.sum() - (row * 64 + 32),
                change.sum(axis=0) @ centres / change.sum() - (col * 64 + 32),
            ]
        )
    # less than half a cell: the features of one texture are not alike on all its sides
    assert np.abs(np.mean(off_px, axis=0)).max() < 16


def test_surroundings_are_seen_but_do_not_count_as_the_region(everyday: EverydayEncoder) -> None:
    rng = np.random.default_rng(1)
    crop = rng.integers(0, 256, (7, 7, 3), np.uint8).repeat(32, axis=0).repeat(32, axis=1)
    boxes = Boxes(np.array([[0, 0, 0.5, 1], [0.5, 0, 1, 1], [0, 0, 1, 1]], np.float32))
    views = [boxes[i : i + 1] for i in range(3)]
    left, right, whole = everyday.encode_regions([crop] * 3, views, context=9.0, side_px=224)
    assert left @ right < min(left @ whole, right @ whole)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match="unknown model 'clap'; known models: everyday") as caught:
        load_encoder("clap")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_card_and_the_encoder_name_one_space(everyday: EverydayEncoder) -> None:
    assert model_cards()[0].space == everyday.space
    assert everyday.space.dimension == everyday.encode_images([np.zeros((8, 8, 3), np.uint8)]).shape[1]


def test_wrong_arrays_are_refused(everyday: EverydayEncoder) -> None:
    with pytest.raises(InvalidValueError, match=r"must be \(N, 1800\)"):
        everyday.project(np.zeros((2, 3), np.float32))
    with pytest.raises(InvalidValueError, match="uint8"):
        everyday.encode_images([np.zeros((8, 8), np.uint8)])
    with pytest.raises(InvalidValueError, match="one Boxes an image"):
        everyday.encode_regions([], [Boxes(np.array([[0, 0, 1, 1]], np.float32))], context=1.0)


def test_the_first_picture_and_the_first_word_need_neither_torch_nor_a_cache(tmp_path: Path) -> None:
    """A search and an ingest worker start in a fraction of the time, and in half a gigabyte less, because of it."""
    code = (
        "import sys, numpy as np; from operators.encoders.catalogue import load_encoder;"
        "everyday = load_encoder('everyday');"
        "everyday.encode_texts(['a dog']); everyday.encode_images([np.zeros((9, 9, 3), np.uint8)]);"
        "print(sorted({'torch', 'transformers', 'onnx'} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (out.stdout.strip(), out.stderr) == ("[]", "")
    assert not list(tmp_path.iterdir())
