"""Fitting a head. Catches training that is not repeatable, learns nothing, or uses names that are excluded."""

from dataclasses import replace

import numpy as np
import pytest

from operators.encoders.everyday.backbone import Backbone
from operators.encoders.everyday.encoder import FEATURES
from operators.encoders.everyday.head import Head, text_part, text_vectors
from operators.encoders.everyday.prompts import unit
from pipeline.lab.training.everyday.captions import Captions
from pipeline.lab.training.everyday.fit import FitConfig, fit_head
from pipeline.lab.training.everyday.prompts import Prompts
from pipeline.lab.training.everyday.views import BACKGROUND, WHOLE, Views
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
    prototypes = np.random.default_rng(prototypes_seed).gamma(0.3, 1.0, (CLASSES + 1, FEATURES))
    labels = np.arange(120) % (CLASSES + 1)
    noise = np.random.default_rng(seed).gamma(0.3, 0.5, (120, FEATURES))
    return Views(
        (prototypes[labels] + noise).astype(np.float16),
        np.where(labels == CLASSES, BACKGROUND, labels).astype(np.intp),
        np.arange(120),
    )


CONFIG = FitConfig(epochs=8, batch=40)


def test_the_same_seed_gives_the_same_head_and_another_seed_another(backbone: Backbone, prompts: Prompts) -> None:
    first, again = (fit_head(views_of(0), prompts, None, backbone, config=CONFIG) for _ in range(2))
    other = fit_head(views_of(0), prompts, None, backbone, config=replace(CONFIG, seed=1))
    np.testing.assert_array_equal(first.hidden_weight, again.hidden_weight)
    np.testing.assert_array_equal(first.text_weight, again.text_weight)
    assert not np.array_equal(first.hidden_weight, other.hidden_weight)


def test_new_features_of_known_classes_find_their_words(backbone: Backbone, prompts: Prompts) -> None:
    head = fit_head(views_of(0), prompts, None, backbone, config=CONFIG)
    unseen = views_of(1)
    objects = unseen.where(unseen.labels >= 0)
    regions = Head(head, backbone.classifier).regions
    words = text_vectors(head, text_part(head, prompts.classes[::2]), unit(prompts.classes[::2]))
    agreement = regions(objects.features.astype(np.float32)) @ words.T
    # chance is 1/6
    assert np.mean(agreement.argmax(axis=1) == objects.labels) > 0.9
    backgrounds = regions(unseen.where(unseen.labels < 0).features.astype(np.float32)) @ words.T
    assert backgrounds.max(axis=1).mean() < agreement.max(axis=1).mean()


def test_words_of_classes_without_views_are_never_looked_at(backbone: Backbone, prompts: Prompts) -> None:
    views = views_of(0).where(views_of(0).labels != 3)
    poisoned = replace(prompts, classes=np.where((prompts.labels == 3)[:, None], np.nan, prompts.classes).astype("f4"))
    head = fit_head(views, poisoned, None, backbone, config=CONFIG)
    np.testing.assert_array_equal(
        head.hidden_weight, fit_head(views, prompts, None, backbone, config=CONFIG).hidden_weight
    )


def test_views_without_objects_are_refused(backbone: Backbone, prompts: Prompts) -> None:
    views = views_of(0)
    with pytest.raises(InvalidValueError, match="no view shows an object"):
        fit_head(views.where(views.labels < 0), prompts, None, backbone, config=CONFIG)


def test_pictures_find_their_captions(backbone: Backbone, prompts: Prompts) -> None:
    """Captions are drawn for pictures whose features no class has; only the captions can say which is which."""
    rng = np.random.default_rng(5)
    pictures = rng.gamma(0.3, 1.0, (40, FEATURES)).astype(np.float16)
    boxes = views_of(0)
    views = Views(
        np.concatenate([boxes.features, pictures]),
        np.concatenate([boxes.labels, np.full(40, WHOLE)]),
        np.concatenate([boxes.pictures, 1000 + np.arange(40)]),
    )
    sentences = normalise(rng.normal(size=(40, 384)).astype(np.float32))
    config = replace(CONFIG, epochs=40, captioned=32, dropout=0.0)

    def found(captions: Captions | None) -> float:
        head = fit_head(views, prompts, captions, backbone, config=config)
        frames = Head(head, backbone.classifier).frames(pictures.astype(np.float32))
        texts = text_vectors(head, text_part(head, sentences), unit(sentences))
        return float(np.mean((texts @ frames.T).argmax(axis=1) == np.arange(40)))

    assert found(Captions(sentences, 1000 + np.arange(40))) > 0.9
    assert found(None) < 0.3  # chance is 1/40
