"""Pictures of a query: catches pixels that are mistaken for another picture, and queries that cannot be compared."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.errors import InvalidValueError
from schemas.pictures import Picture
from schemas.query import Query
from schemas.query_json import query_json

PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def test_arrays_and_pictures_of_pillow_are_the_same_picture() -> None:
    of_array, of_pillow = Query(image=PIXELS).picture, Query(image=Image.fromarray(PIXELS)).picture
    assert isinstance(of_array, Picture)
    assert isinstance(of_pillow, Picture)
    np.testing.assert_array_equal(of_pillow.pixels, PIXELS)
    assert of_array.id == of_pillow.id != Picture(255 - PIXELS).id


def test_a_query_with_pixels_is_a_value() -> None:
    query = Query(image=PIXELS)
    assert replace(query, k=3).picture is query.picture
    assert hash(query) == hash(replace(query))
    assert str(query_json(query)["image"]).startswith("Picture(6x4 px")


def test_a_path_is_a_path() -> None:
    assert Query(image=Path("a/b.png")).picture == "a/b.png"


@pytest.mark.parametrize("wrong", [PIXELS[..., 0], PIXELS.astype(np.float32), Image.fromarray(PIXELS).convert("P")])
def test_what_is_not_rgb_is_refused_with_the_fix(wrong: np.ndarray) -> None:
    with pytest.raises(InvalidValueError, match="convert"):
        Query(image=wrong)
