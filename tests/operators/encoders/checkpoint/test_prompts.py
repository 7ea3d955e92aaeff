"""Catches text that reaches a model in another wording than the user or the model's training requires."""

import numpy as np
import pytest

from operators.encoders.catalogue import load_encoder
from operators.encoders.checkpoint.prompts import CLIP_PROMPTS, SIGLIP_PROMPTS, Prompts
from schemas.errors import InvalidValueError, ModelError
from schemas.vectors import normalise
from tests.checkpoints import Checkpoints


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("red car", ("red car", "a photo of a red car.")),
        ("a red car", ("a red car", "a photo of a red car.")),
        ("The Eiffel Tower", ("The Eiffel Tower", "a photo of a Eiffel Tower.")),
        ("a man who rides a horse", ("a man who rides a horse",)),
        ("a", ("a",)),
        ("{}", ("{}", "a photo of a {}.")),
        ("", ("",)),
    ],
)
def test_clip_reads_a_name_plain_and_as_a_photo_of_it(text: str, sentences: tuple[str, ...]) -> None:
    assert CLIP_PROMPTS.of(text) == sentences


def test_siglip_reads_small_letters() -> None:
    assert SIGLIP_PROMPTS.of("A Red Car") == ("a red car", "this is a photo of a red car.")
    assert SIGLIP_PROMPTS.of("A Man rides THE horse") == ("a man rides the horse",)


def test_templates_of_ones_own_are_for_every_text() -> None:
    own = Prompts(("a drawing of the {}", "{} in the rain"))
    assert own.of("a man who rides a horse") == (
        "a drawing of the man who rides a horse",
        "a man who rides a horse in the rain",
    )


@pytest.mark.parametrize("templates", [(), ("a photo",), ("{} or {}",), ("{name}",)])
def test_a_template_without_its_place_is_refused(templates: tuple[str, ...]) -> None:
    with pytest.raises(InvalidValueError, match=r"every template needs one \{\}"):
        Prompts(templates)
    with pytest.raises(InvalidValueError, match=r"not names need the template \{\}"):
        Prompts(("a photo of {}",), name_words=2)


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2", "open_clip_resnet"])
def test_a_texts_vector_is_the_mean_over_its_sentences(kind: str, checkpoints: Checkpoints) -> None:
    folder = checkpoints(kind)
    plain = load_encoder(str(folder), templates=["{}"])
    way = "this is a photo of {}." if kind.startswith("siglip") else "a photo of a {}."
    ways = plain.encode_texts(["red car", way.format("red car")])
    np.testing.assert_allclose(
        load_encoder(str(folder)).encode_texts(["red car"]), normalise(ways.mean(axis=0, keepdims=True)), atol=1e-6
    )
    own = load_encoder(str(folder), templates=["a {} at night", "one {}"])
    ways = plain.encode_texts(["a car at night", "one car"])
    found = own.encode_texts(["car", "a long text, cut off at the end of what it reads"])
    np.testing.assert_allclose(found[:1], normalise(ways.mean(axis=0, keepdims=True)), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("kind", ["siglip", "siglip2"])
def test_siglip_does_not_see_capitals(kind: str, checkpoints: Checkpoints) -> None:
    encoder = load_encoder(str(checkpoints(kind)))
    np.testing.assert_array_equal(encoder.encode_texts(["A Dog"]), encoder.encode_texts(["a dog"]))


def test_templates_that_cannot_be_used_are_told_before_loading(checkpoints: Checkpoints) -> None:
    with pytest.raises(InvalidValueError, match="every template needs"):
        load_encoder(str(checkpoints("clip")), templates=["a photo"])
    with pytest.raises(ModelError, match="everyday has its own prompts for texts"):
        load_encoder("everyday", templates=["{}"])
    with pytest.raises(ModelError, match="knows no words"):
        load_encoder(str(checkpoints("dinov2")), templates=["{}"])
