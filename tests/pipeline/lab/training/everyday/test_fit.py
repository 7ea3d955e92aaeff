"""Fitting a head. Catches training that is not repeatable, learns nothing, or uses names that are excluded."""

from dataclasses import replace

import numpy as np
import pytest

from operators.encoders.everyday.backbone import CHANNELS, Backbone
from pipeline.lab.training.everyday.fit import FitConfig, fit_head
from pipeline.lab.training.everyday.prompts import Prompts
from pipeline.lab.training.everyday.views import BACKGROUND, Views
from schemas.errors import InvalidValueError
from schemas.vectors import normalise

CLASSES = 6


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone(threads=2)


@pytest.fixture(scope="module")
def prompts() -> Prompts:
    rng = np.random.default_rng(0)
    words = normalise(rng.normal(size=(CLASSES, 384)).astype(np.float32))
    nouns = normalise(rng.normal(size=(1000, 384)).astype(np.float32))
    return Prompts(words.repeat(2, axis=0), np.arange(CLASSES).repeat(2), nouns, nouns)


def views_of(seed: int, *, prototypes_seed: int = 9) -> Views:
    """Features of six classes about their prototypes, and of backgrounds about a seventh."""
    prototypes = np.random.default_rng(prototypes_seed).gamma(0.3, 1.0, (CLASSES + 1, CHANNELS))
    labels = np.arange(120) % (CLASSES + 1)
    noise = np.random.default_rng(seed).gamma(0.3, 0.5, (120, CHANNELS))
    return Views(
        (prototypes[labels] + noise).astype(np.float32),
        np.where(labels == CLASSES, BACKGROUND, labels).astype(np.intp),
        np.arange(120),
    )


CONFIG = FitConfig(epochs=8, batch=40)


def test_the_same_seed_gives_the_same_head_and_another_seed_another(backbone: Backbone, prompts: Prompts) -> None:
    first, again = (fit_head(views_of(0), prompts, backbone, config=CONFIG) for _ in range(2))
    other = fit_head(views_of(0), prompts, backbone, config=replace(CONFIG, seed=1))
    np.testing.assert_array_equal(first.image_weight, again.image_weight)
    np.testing.assert_array_equal(first.text_weight, again.text_weight)
    assert not np.array_equal(first.image_weight, other.image_weight)


def test_new_features_of_known_classes_find_their_words(backbone: Backbone, prompts: Prompts) -> None:
    head = fit_head(views_of(0), prompts, backbone, config=CONFIG)
    unseen = views_of(1)
    objects = unseen.where(unseen.labels >= 0)
    agreement = head.images(objects.features) @ head.texts(prompts.classes[::2]).T
    # chance is 1/6
    assert np.mean(agreement.argmax(axis=1) == objects.labels) > 0.9
    backgrounds = head.images(unseen.where(unseen.labels < 0).features) @ head.texts(prompts.classes[::2]).T
    assert backgrounds.max(axis=1).mean() < agreement.max(axis=1).mean()


def test_words_of_classes_without_views_are_never_looked_at(backbone: Backbone, prompts: Prompts) -> None:
    views = views_of(0).where(views_of(0).labels != 3)
    poisoned = replace(prompts, classes=np.where((prompts.labels == 3)[:, None], np.nan, prompts.classes).astype("f4"))
    head = fit_head(views, poisoned, backbone, config=CONFIG)
    np.testing.assert_array_equal(head.image_weight, fit_head(views, prompts, backbone, config=CONFIG).image_weight)


def test_views_without_objects_are_refused(backbone: Backbone, prompts: Prompts) -> None:
    views = views_of(0)
    with pytest.raises(InvalidValueError, match="no view shows an object"):
        fit_head(views.where(views.labels < 0), prompts, backbone, config=CONFIG)
