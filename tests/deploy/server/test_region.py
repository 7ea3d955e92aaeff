"""Regions that a user points out. Catches another region than a search with the same prompts looks for, masks that do
not fit their box, and pictures of others."""

import io
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image

from operators.masks.rle import decode_mask
from schemas.masks import Mask
from tests.deploy.disc_picture import DISC, disc_and_square

Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def upload(web: httpx.Client) -> str:
    file = io.BytesIO()
    Image.fromarray(disc_and_square()).save(file, "PNG")
    id: str = web.post("/api/pictures", content=file.getvalue()).json()["id"]
    return id


def test_a_point_chooses_the_thing_at_it_and_its_mask(web: httpx.Client, upload: str, ask: Ask) -> None:
    answer = web.post("/api/region", json={"image": upload, "points": [[0.3, 0.4]]})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    height, width = found["mask"]["size"]
    pixels = decode_mask(Mask(height, width, found["mask"]["counts"].encode(), round(found["area"] * height * width)))
    rows, columns = np.mgrid[:height, :width]
    disc = (columns - 96) ** 2 + (rows - 96) ** 2 <= 38**2
    assert (pixels & disc).sum() / (pixels | disc).sum() > 0.8
    assert found["box"] == pytest.approx(DISC, abs=0.03)
    corners = np.array([corner for part in found["outline"] for corner in part])
    assert corners.min(axis=0) == pytest.approx(found["box"][:2], abs=0.01)
    assert corners.max(axis=0) == pytest.approx(found["box"][2:], abs=0.01)
    assert ask(image=upload, points=[[0.3, 0.4]], k=1)["region"] == pytest.approx(found["box"])


def test_a_box_chooses_what_fits_it(web: httpx.Client, upload: str) -> None:
    found = web.post("/api/region", json={"image": upload, "prompt_box": [0.6, 0.55, 0.93, 0.95]}).json()
    assert found["box"] == pytest.approx([200 / 320, 140 / 240, 291 / 320, 221 / 240], abs=0.04)


def test_words_choose_in_a_keyframe_of_the_lake(web: httpx.Client, ask: Ask) -> None:
    frame = ask(text="a box", k=1)["hits"][0]["frame_id"]
    found = web.post("/api/region", json={"frame": frame, "prompt": "a white box"})
    assert found.status_code == 200, found.text
    assert ask(frame=frame, prompt="a white box", k=1)["region"] == pytest.approx(found.json()["box"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"points": [[0.5, 0.5]]}, 422),
        ({"image": "0" * 32, "points": [[0.5, 0.5]]}, 404),
        ({"frame": "0" * 32, "points": [[0.5, 0.5]]}, 404),
        ({"image": "0" * 32, "frame": "0" * 32, "points": [[0.5, 0.5]]}, 422),
        ({"image": "UPLOAD"}, 422),
        ({"image": "UPLOAD", "points": [[1.5, 0.5]]}, 422),
        ({"image": "UPLOAD", "not_points": [[0.5, 0.5]]}, 422),
        ({"image": "UPLOAD", "prompt_box": [0.5, 0.5, 0.5, 0.9]}, 422),
    ],
)
def test_what_selects_nothing_is_refused(body: dict[str, object], status: int, web: httpx.Client, upload: str) -> None:
    given = {name: upload if value == "UPLOAD" else value for name, value in body.items()}
    answer = web.post("/api/region", json=given)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})


def test_a_keyframe_of_another_source_does_not_exist(guarded: str, users: dict[str, str], ask: Ask) -> None:
    (frame,) = {hit["frame_id"] for hit in ask(text="noise", source="street.png", k=1)["hits"]}
    for name, status in (("viewer", (200, 422)), ("guest", (404,))):
        with httpx.Client(headers={"Authorization": f"Bearer {users[name]}"}, timeout=120) as own:
            answer = own.post(f"{guarded}/api/region", json={"frame": frame, "points": [[0.5, 0.5]]})
            assert answer.status_code in status, answer.text
