"""Fits of calibrations: catches chances that are not true of what a search finds, and fits that differ each time."""

import numpy as np
import pytest

from operators.encoders.calibration import QUERY_KINDS, VECTOR_KINDS, Calibration, VectorKind, chance
from pipeline.lab.training.confidence.fit import CalibrationConfig, fit_calibration, nearest_rows
from pipeline.lab.training.confidence.vectors import LabelledVectors, PictureVectors
from schemas.errors import InvalidValueError
from schemas.vectors import VectorArray, normalise

D, CLASSES, PICTURES, REGIONS = 24, 6, 120, 10
RNG = np.random.default_rng(0)
NAMES: VectorArray = normalise(RNG.normal(size=(CLASSES, D)).astype(np.float32))
NOUNS: VectorArray = np.concatenate([NAMES, normalise(RNG.normal(size=(30, D)).astype(np.float32))])
SHARES = np.full(len(NOUNS), 1 / len(NOUNS), np.float32)
CONFIG = CalibrationConfig(scales=(6.0, 12.0), queries=60)


def world(seed: int, *, pictures: int = PICTURES) -> PictureVectors:
    """Pictures of which half show one class, in some of their regions, more or less clearly."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(pictures) < 0.5, rng.integers(CLASSES, size=pictures), -1)
    of_picture = np.repeat(np.arange(pictures), REGIONS)
    shown = (rng.random(pictures * REGIONS) < 0.4) & (labels[of_picture] >= 0)
    clear = rng.uniform(0.2, 1.0, (len(shown), 1)) * shown[:, None]
    vectors = normalise((clear * NAMES[labels[of_picture]] + rng.normal(0, 0.15, (len(shown), D))).astype(np.float32))
    one_hot = (labels[of_picture][:, None] == np.arange(CLASSES)) & shown[:, None]
    frame_shows = np.zeros((pictures, CLASSES), np.bool_)
    np.logical_or.at(frame_shows, of_picture, one_hot)
    frames = normalise(vectors.reshape(pictures, REGIONS, D).mean(axis=1))
    return PictureVectors(
        LabelledVectors(vectors, one_hot, of_picture),
        LabelledVectors(frames, frame_shows, np.arange(pictures)),
        LabelledVectors(vectors[shown], one_hot[shown], of_picture[shown]),
    )


def fitted(pictures: PictureVectors, *, config: CalibrationConfig = CONFIG) -> Calibration:
    return fit_calibration(
        pictures, words=NAMES, word_classes=np.arange(CLASSES), nouns=NOUNS, shares=SHARES, config=config
    )


@pytest.fixture(scope="module")
def made() -> Calibration:
    return fitted(world(1))


@pytest.mark.parametrize("kind", VECTOR_KINDS)
def test_chances_of_what_a_search_finds_in_other_pictures_are_true(made: Calibration, kind: VectorKind) -> None:
    other = world(2, pictures=400)
    among = other.regions if kind == "region" else other.frames
    rows, cosines = nearest_rows(NAMES, among)
    chances, right = [], []
    for label, name in enumerate(NAMES):
        evidence = made.evidence(name, "words")
        of_regions = made.log_partition(among.vectors[rows[label]])
        chances.append(
            chance(evidence.log_odds(cosines[label], of_regions, kind="region" if kind == "region" else "frame"))
        )
        right.append(among.shows[rows[label], label])
    p, y = np.concatenate(chances), np.concatenate(right)
    assert p.mean() == pytest.approx(y.mean(), abs=0.02)
    for some in np.array_split(np.argsort(p), 5):
        assert p[some].mean() == pytest.approx(
            y[some].mean(), abs=0.06
        )  # 480 answers: two standard deviations are 0.05
    assert np.mean((p - y) ** 2) < 0.7 * y.mean() * (1 - y.mean())


def test_every_kind_of_query_and_vector_has_weights_and_words_ignore_their_own_partition(made: Calibration) -> None:
    assert {*made.weights} == {(query, vector) for query in QUERY_KINDS for vector in VECTOR_KINDS}
    assert {made.weights["words", vector].query for vector in VECTOR_KINDS} == {0.0}
    assert all(each.cosine > 0 for each in made.weights.values())
    assert made.scale in CONFIG.scales


def test_the_same_vectors_give_the_same_calibration(made: Calibration) -> None:
    again = fitted(world(1))
    assert (again.weights, again.scale) == (made.weights, made.scale)


def test_the_nearest_vector_of_each_picture_is_found() -> None:
    among = world(3).regions
    rows, cosines = nearest_rows(NAMES, among)
    for label in range(CLASSES):
        for picture in (0, 1, PICTURES - 1):
            own = np.flatnonzero(among.pictures == picture)
            products = among.vectors[own].astype(np.float64) @ NAMES[label].astype(np.float64)
            assert rows[label, picture] == own[products.argmax()]
            assert cosines[label, picture] == pytest.approx(products.max())


def test_a_query_does_not_find_itself() -> None:
    """Otherwise the nearest answer to every object would be the object itself, and right."""
    pictures = world(4)
    objects = pictures.objects
    # only the queries' own pictures show anything
    shown = np.zeros_like(pictures.regions.shows)
    one = objects.pictures == objects.pictures[0]
    shown[pictures.regions.pictures == objects.pictures[0]] = True
    alone = LabelledVectors(objects.vectors[one], objects.shows[one], objects.pictures[one])
    regions = LabelledVectors(pictures.regions.vectors, shown, pictures.regions.pictures)
    with pytest.raises(InvalidValueError, match="answers are wrong"):
        fitted(PictureVectors(regions, pictures.frames, alone))


def test_pictures_that_show_nothing_are_refused() -> None:
    pictures = world(5)
    none = LabelledVectors(pictures.frames.vectors, np.zeros_like(pictures.frames.shows), pictures.frames.pictures)
    with pytest.raises(InvalidValueError, match="answers are wrong"):
        fitted(PictureVectors(pictures.regions, none, pictures.objects))
